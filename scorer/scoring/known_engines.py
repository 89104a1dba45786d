"""What `auto` came to before, so that a finished job is recognised without torch, whose import takes seconds.

How a model is computed follows from the options, the model, the machine and the libraries. All of that is in the name
of an entry; where any of it has changed there is none, and torch is asked again. Kept in the user's cache folder, as
well as can be: without one, or where it may not be written, torch is asked each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.engine import Engine
from scorer.config import FrameConfig
from scorer.stores.known_hashes import is_ours, user_cache
from scorer.version import __version__

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "openvino")
# What the libraries are told by the environment: which devices they see, which instructions and threads they use.
_VARIABLES = ("ATEN_", "CUDA_", "DNNL_", "KMP_", "MKL_", "NVIDIA_", "OMP_", "ONEDNN_", "OPENVINO_", "OV_", "PYTORCH_")
_DRIVERS = ("/proc/driver/nvidia/version", "/proc/driver/nvidia/gpus", "/dev/nvidia0", "/dev/dxg")


class KnownEngine:
    """How the model in `directory` is computed under `config` on this very machine, if that was found out before.

    To be made before torch is imported, which sets variables of its own. `folder` is where engines are kept; the
    default is this user's.
    """

    def __init__(self, config: FrameConfig, directory: ModelDirectory, *, folder: Path | None = None) -> None:
        self._entry = _entry(config, directory, folder or user_cache("engines"))

    def recall(self) -> Engine | None:
        """The engine; None where nobody knows."""
        if self._entry is None:
            return None
        try:
            found = json.loads(self._entry.read_text(encoding="utf-8"))
            return Engine(**{**found, "libraries": tuple(found["libraries"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, engine: Engine) -> None:
        """Keep what was found out."""
        if self._entry is None or self.recall() == engine:
            return
        with contextlib.suppress(OSError):
            self._entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside = self._entry.with_name(f"{self._entry.name}.{os.getpid()}")
            beside.write_text(json.dumps(asdict(engine)), encoding="utf-8")
            beside.replace(self._entry)


def _entry(config: FrameConfig, directory: ModelDirectory, folder: Path | None) -> Path | None:
    if folder is None or not is_ours(folder):
        return None
    decisive = {
        "asked": [config.device, config.precision, config.backend, config.max_length, config.batch_tokens],
        "model": directory.fingerprint,
        "versions": {"scorer": __version__} | {name: library_version(name) for name in _LIBRARIES},
        "machine": _machine(),
        "environment": {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)},
    }
    name = hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()
    return folder / f"{name}.json"


@cache
def library_version(library: str) -> str | None:
    """The version of an installed `library`, which takes milliseconds to read; None where it is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _machine() -> dict[str, Any]:
    """The processor with its instructions, the cores that this process may use, and the GPUs."""
    return {
        "system": [platform.system(), platform.machine(), platform.python_version()],
        "processor": _processor(),
        "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "drivers": [_listed(Path(path)) for path in _DRIVERS],
    }


def _processor() -> list[str]:
    """Its name and instructions as Linux tells them, of the first core."""
    with contextlib.suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        return [line for line in first.splitlines() if line.startswith(("model name", "flags", "Features"))]
    return [platform.processor()]


def _listed(path: Path) -> list[str] | str | None:
    """What a driver says of itself: the names in a folder, the text of a file, whether a device is there."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            return sorted(entry.name for entry in path.iterdir())
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
        return "there" if path.exists() else None
    return None
