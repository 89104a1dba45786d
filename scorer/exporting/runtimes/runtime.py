"""What a runtime that models are exported for declares of itself.

A new one is a file beside this one, called by its name, with its `RUNTIME`, and its name in
`scorer.config.export.ExportRuntime`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward import Forward
from scorer.classifier.loading import LoadedModel

Samples = Sequence[Mapping[str, NDArray[np.int64]]]
"""Batches that a model is given, (rows, tokens) each, by the names of its inputs."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A runtime by its `title`.

    model_file  the file that it opens
    libraries   packages that export for it and run it, and `quantizers` those that 8 bits need besides
    why_not     why nothing can be exported for it here, in 8 bits or not, or None
    write       write the model in fp32 to a file
    quantize    write the model in a file, in 8 bits, to another one; it may be tried with samples
    open        the forward pass of a file that either of them wrote, by so many threads
    imports     what its program imports, and the lines with which that makes `logits` of `given`, arrays by name
    """

    title: str
    model_file: str
    libraries: tuple[str, ...]
    why_not: Callable[[bool], str | None]
    write: Callable[[LoadedModel, Path], None]
    quantize: Callable[[Path, Path, Samples], None]
    open: Callable[[Path, LoadedModel, int], Forward]
    imports: str
    lines: tuple[str, ...]
    quantizers: tuple[str, ...] = ()

    def versions(self, version_of: Callable[[str], str | None], *, int8: bool) -> dict[str, Any]:
        """The installed version of each of its libraries."""
        return {name: version_of(name) for name in (*self.libraries, *(self.quantizers if int8 else ()))}
