"""The memory of this process, as the kernel counts it (Linux)."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = "5"


def peak_mib() -> float:
    """The most resident memory since the process began or `forget_peak` was called, in MiB."""
    return _field("VmHWM")


def resident_mib() -> float:
    """Resident memory now, in MiB."""
    return _field("VmRSS")


def forget_peak() -> None:
    """Begin the peak anew from what is resident now."""
    Path("/proc/self/clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def _field(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) / 1024
    raise KeyError(name)
