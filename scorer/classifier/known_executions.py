"""What `auto` came to before, so that a finished job is recognised without torch, whose import takes seconds.

How a model is computed follows from the options, the model, the machine and the libraries; which half precision a GPU
has and how many threads there are, only torch can say. All of that is in the name of an entry; where any of it has
changed there is none, and torch is asked again. Entries are kept in the user's cache folder. Where there is no such
folder, or it may not be written, torch is asked each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.execution import Execution, Machine
from scorer.config import FrameConfig
from scorer.stores.fingerprints import is_ours, user_cache
from scorer.version import __version__

# What the libraries are told by the environment: which devices they see, which instructions and threads they use.
_VARIABLES = ("ATEN_", "CUDA_", "DNNL_", "KMP_", "MKL_", "NVIDIA_", "OMP_", "ONEDNN_", "OPENVINO_", "OV_", "PYTORCH_")


class KnownExecution:
    """How the model in `directory` is computed under `config` on this very machine, if that was found out before.

    To be made before torch is imported, which sets variables of its own. `folder` is where engines are kept; the
    default is this user's.
    """

    def __init__(self, config: FrameConfig, directory: ModelDirectory, *, folder: Path | None = None) -> None:
        self._entry = _entry(config, directory, folder or user_cache("engines"))

    def recall(self) -> Execution | None:
        """The engine; None where nobody knows."""
        if self._entry is None:
            return None
        try:
            found = json.loads(self._entry.read_text(encoding="utf-8"))
            return Execution(**{**found, "libraries": tuple(found["libraries"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, engine: Execution) -> None:
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
        "max_length": directory.metadata.max_length if directory.metadata else None,
        "scorer": __version__,
        # A backend may need any package, and be chosen because that is there.
        "packages": sorted(path.name for path in _packages().values()),
        "machine": Machine().identity,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)},
    }
    name = hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()
    return folder / f"{name}.json"


@cache
def library_version(library: str) -> str | None:
    """The version of an installed `library`; None where it is not installed.

    As importlib.metadata has it, whose import takes as long as that of click.
    """
    found = _packages().get(_normal(library))
    if found is not None:
        with contextlib.suppress(OSError), (found / "METADATA").open(encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("Version:"):
                    return line.partition(":")[2].strip()
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(library)
    except PackageNotFoundError:
        return None


@cache
def _packages() -> dict[str, Path]:
    """The folders that say what is installed, by the names of the packages; their own names hold the versions."""
    found: dict[str, Path] = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for path in Path(folder).glob("*.dist-info"):
                found.setdefault(_normal(path.name.partition("-")[0]), path)
    return found


def _normal(library: str) -> str:
    return re.sub(r"[-_.]+", "-", library).lower()
