"""The transformers pipeline, as its documentation shows it: a list of texts in, truncation on, a batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import pipeline

from harness.ceiling import DTYPES
from harness.peers import Setup
from harness.peers.library import LibraryPeer


class Pipeline(LibraryPeer):
    """`pipeline("text-classification")` in `precision`; rows keep their order, each batch is padded to its longest."""

    def __init__(self, setup: Setup, *, precision: str, batch_size: int, sizes: Sequence[int] = ()) -> None:
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        device = torch.device(setup.device)
        self._pipeline = pipeline("text-classification", str(setup.model), dtype=DTYPES[precision], device=device)
        self._max_length = setup.max_length
        super().__init__(self._pipeline.model, column=setup.column, sizes=tuple(sizes) or (batch_size,))
        self.choose(batch_size)

    @property
    def about(self) -> str:
        return f"batch {self.batch_size}"

    def probabilities(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, labels) float32; `top_k=None` is the documented way to get every label's."""
        place = {label: index for index, label in enumerate(self.labels)}
        found = np.zeros((len(texts), len(self.labels)), np.float32)
        options = {"truncation": True, "max_length": self._max_length, "top_k": None}
        answered: Any = self._pipeline(texts, batch_size=self.batch_size, **options)
        for row, answers in enumerate(answered):
            for answer in answers:
                found[row, place[answer["label"]]] = answer["score"]
        return found

    def token_ids(self, texts: list[str]) -> list[list[int]]:
        seen = self.watched.collect()
        self.probabilities(texts)
        self.watched.stop()
        return seen
