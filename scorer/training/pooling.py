"""Predictions of token sequences made predictions of the texts that they are of.

Owns which row of a Dataset is of which text. Does not know models, nor what a prediction is worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from scorer.classifier.long_text import LongText


class TextPooling:
    """Pools what was predicted for the rows of `dataset`, as `long_text` says. Texts come in the order of their file,
    whatever that of the rows."""

    def __init__(self, dataset: Dataset, long_text: LongText) -> None:
        examples = np.asarray(dataset["example"])
        self._long_text = long_text
        self._order = np.argsort(examples, kind="stable")
        self._starts = np.flatnonzero(np.diff(examples[self._order], prepend=-1, append=len(examples)))

    def __call__(self, logits: Any, targets: Any) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Logits (n, labels) float32 and targets (n, ...) of the texts, from those (s, ...) of the rows."""
        rows = np.asarray(logits, np.float32)[self._order]
        return self._long_text.pool(rows, self._starts), np.asarray(targets)[self._order][self._starts[:-1]]
