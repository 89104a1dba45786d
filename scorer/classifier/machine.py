"""What `auto` means on this machine, as far as that can be said without importing torch, which takes seconds.

`scorer.classifier.device` asks torch itself. Where this file gives an answer, it is the same one; where it is not
certain, it gives none.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from scorer.config import Precision

# What the drivers of NVIDIA leave there: of a card, of an embedded board, and of Windows beneath Linux.
_CUDA_DEVICES = ("nvidia*", "nvhost*", "nvmap", "nvgpu", "dxg")
# Flags of the processor for bf16 in hardware: AVX512-BF16, and the tiles of AMX.
_BF16_FLAGS = {"avx512_bf16", "amx_tile"}


@dataclass(frozen=True)
class Machine:
    """The machine whose files are below `root`, where torch says of its build what stands in `torch_version`."""

    root: Path = Path("/")
    torch_version: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Machine:
        """This one."""
        found = importlib.util.find_spec("torch")
        package = Path(found.origin).parent if found is not None and found.origin is not None else None
        return cls(torch_version=package / "version.py" if package else None, environment=dict(os.environ))

    def device(self, name: str) -> str | None:
        """`cpu` where that is certainly what the setting `name` comes to; None where only torch can tell."""
        return "cpu" if name == "cpu" or (name == "auto" and self.has_no_gpu) else None

    def precision(self, asked: Precision, *, device: str) -> str | None:
        """`fp32`, `bf16` or `fp16`, what `asked` comes to for scoring on `device`; None where only torch can tell."""
        if asked != "auto":
            return asked
        # Which half precision a GPU has, only torch can tell.
        if device != "cpu" or self.has_bf16 is None:
            return None
        return "bf16" if self.has_bf16 else "fp32"

    @cached_property
    def has_no_gpu(self) -> bool:
        """Whether torch certainly finds no GPU: it was built without, is shown none, or there is no driver."""
        build = self._build()
        if build is None or build.get("hip") is not None:
            return False
        if build["cuda"] is None or self.environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return True
        devices = self.root / "dev"
        return devices.is_dir() and not any(next(devices.glob(name), None) for name in _CUDA_DEVICES)

    @cached_property
    def has_bf16(self) -> bool | None:
        """Whether the processor multiplies bf16 matrices in hardware; None where the system does not say."""
        try:
            text = (self.root / "proc" / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        flags = [line.partition(":")[2].split() for line in text.splitlines() if line.startswith(("flags", "Features"))]
        return bool(_BF16_FLAGS.intersection(flags[0])) if flags else None

    def _build(self) -> dict[str, object] | None:
        """What torch's version.py sets `cuda` and others to; None where there is no such file, or not as expected."""
        if self.torch_version is None:
            return None
        try:
            body = ast.parse(self.torch_version.read_text(encoding="utf-8")).body
        except (OSError, ValueError, SyntaxError):
            return None
        found: dict[str, object] = {}
        for node in body:
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found[target.id] = node.value.value if isinstance(node.value, ast.Constant) else "not a constant"
        return found if "cuda" in found else None
