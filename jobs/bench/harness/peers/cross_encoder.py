"""sentence-transformers' CrossEncoder.predict, which sorts by characters and pads each batch to its longest row.

It takes a list of strings for one pair, so the one method that says so is told otherwise; everything else is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder

from harness.ceiling import DTYPES
from harness.peers import Setup
from harness.peers.library import LibraryPeer


class _SingleTexts(CrossEncoder):
    def is_singular_input(self, inputs: Any) -> bool:  # type: ignore[override]
        return isinstance(inputs, str)


class CrossEncoderPeer(LibraryPeer):
    """A CrossEncoder in `precision`, of the batch sizes `sizes`."""

    def __init__(self, setup: Setup, *, precision: str, sizes: Sequence[int]) -> None:
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        self._model = _SingleTexts(
            str(setup.model),
            device=setup.device,
            max_length=setup.max_length,
            model_kwargs={"dtype": DTYPES[precision]},
        )
        self._precision = precision
        super().__init__(self._model.model, column=setup.column, sizes=sizes)

    @property
    def about(self) -> str:
        return f"{self._precision}, batch {self.batch_size}"

    def probabilities(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, labels) float32."""
        found = self._model.predict(texts, batch_size=self.batch_size, apply_softmax=True)
        return np.asarray(found, np.float32)

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        """One text a call, since predict changes their order."""
        seen = self.watched.collect()
        for text in texts:
            self.probabilities([text])
        self.watched.stop()
        return seen
