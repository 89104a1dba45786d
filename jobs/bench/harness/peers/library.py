"""What peers have in common whose library makes the batches: a batch size is all that can be chosen.

Owns the choice and the pass over a file. Does not know which library it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from harness.answers import label_names, score_file
from harness.peers.watched import Watched


class LibraryPeer(ABC):
    """A peer around `model`, which its library calls, scoring `column` in batches of one of `sizes` rows."""

    def __init__(self, model: PreTrainedModel, *, column: str, sizes: Sequence[int]) -> None:
        self.watched = Watched(model)
        self.labels = label_names(model.config)
        self.choices: Sequence[int] = tuple(sizes)
        self.busy: Mapping[str, float] = {}
        self.stream_seconds: float | None = None
        self.computed_tokens: int | None = None
        self._column = column
        self.choose(self.choices[0])

    @abstractmethod
    def probabilities(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, labels) float32."""

    def choose(self, choice: Any) -> None:
        self.batch_size = int(choice)

    def score(self, source: Path, target: Path) -> None:
        self.watched.computed_tokens = 0
        score_file(source, target, column=self._column, labels=self.labels, probabilities=self.probabilities)
        self.computed_tokens = self.watched.computed_tokens
