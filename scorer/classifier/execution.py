"""How logits are computed here: what `auto` came to, and the machine that it depends on.

The machine is known from its files; torch, whose import takes seconds, is not asked.
"""

from __future__ import annotations

import contextlib
import os
import platform
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How logits are computed: what `auto` was resolved to, and the reason for the backend.

    `workers` batches of at most `batch_tokens` tokens are computed at once. `libraries` are those whose version can
    change a logit; the backend declares them.
    """

    device: str
    precision: str
    backend: str
    reason: str
    workers: int
    batch_tokens: int
    max_length: int
    libraries: tuple[str, ...] = ("torch", "transformers")


# Flags of the processor for bf16 in hardware: AVX512-BF16, and the tiles of AMX.
_BF16_FLAGS = {"avx512_bf16", "amx_tile"}
_FLAGS = ("flags", "Features")
# What the drivers of NVIDIA leave there: of a card, and of Windows beneath Linux.
_DRIVERS = ("proc/driver/nvidia/version", "proc/driver/nvidia/gpus", "dev/nvidia0", "dev/dxg")


@dataclass(frozen=True)
class Machine:
    """The machine whose files are below `root`."""

    root: Path = Path("/")

    @property
    def has_bf16(self) -> bool | None:
        """Whether the processor multiplies bf16 matrices in hardware; None where the system does not say."""
        return None if self._flags is None else bool(_BF16_FLAGS & self._flags)

    @property
    def has_amx(self) -> bool | None:
        """Whether the processor has the tiles of AMX; None where the system does not say."""
        return None if self._flags is None else "amx_tile" in self._flags

    @property
    def name(self) -> str | None:
        """What the processor is called, where the system says it."""
        names = (line.partition(":")[2].strip() for line in self._processor if line.startswith("model name"))
        return next(names, platform.processor() or None)

    @cached_property
    def _flags(self) -> frozenset[str] | None:
        flags = [line.partition(":")[2].split() for line in self._processor if line.startswith(_FLAGS)]
        return frozenset(flags[0]) if flags else None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it another machine for torch: the processor with its instructions, the cores that this process may
        use, and the GPUs. JSON types only."""
        return {
            "system": [platform.system(), platform.machine(), platform.python_version()],
            "processor": self._processor or [platform.processor()],
            "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "drivers": [_listed(self.root / path) for path in _DRIVERS],
        }

    @cached_property
    def _processor(self) -> list[str]:
        """Its name and instructions as Linux tells them, of the first core; nothing where the system does not."""
        with contextlib.suppress(OSError):
            text = (self.root / "proc" / "cpuinfo").read_text(encoding="utf-8", errors="replace")
            lines = text.partition("\n\n")[0].splitlines()
            return [line for line in lines if line.startswith(("model name", *_FLAGS))]
        return []


def _listed(path: Path) -> list[str] | str | None:
    """What a driver says of itself: the names in a folder, the text of a file, whether a device is there."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            return sorted(entry.name for entry in path.iterdir())
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
        return "there" if path.exists() else None
    return None
