"""The classifier: a model directory in memory, ready to turn texts into logits and logits into answers.

Owns the choice of device, precision, forward pass and batch budget, and puts the parts of this folder together. Does
not know files of data, windows or scores that were kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scorer.classifier import batches, confidence
from scorer.classifier.device import DTYPES, choose_device, choose_precision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward import Forward
from scorer.classifier.forward.padded import PaddedForward
from scorer.classifier.forward.resilient import ResilientForward
from scorer.classifier.labels import LabelSet
from scorer.classifier.loading import LoadedModel, load
from scorer.classifier.sequences import TokenSequences
from scorer.classifier.tokenization import TextEncoder
from scorer.config import Precision

# Batches of a few thousand tokens stay within a CPU's caches; a GPU needs more to be busy.
_CPU_BATCH_TOKENS = 4_096
_GPU_BATCH_TOKENS = 32_768


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How logits are computed: what `auto` was resolved to."""

    device: str
    precision: str
    backend: str
    batch_tokens: int
    max_length: int


class Classifier:
    """`directory`, loaded; the other arguments are those of `ScoreConfig`."""

    def __init__(
        self,
        directory: ModelDirectory,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        max_length: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        where = choose_device(device)
        loaded = load(directory, max_length=max_length)
        default_tokens = _GPU_BATCH_TOKENS if where.type == "cuda" else _CPU_BATCH_TOKENS
        self.directory = directory
        self.labels: LabelSet = loaded.labels
        self.temperature = directory.metadata.temperature if directory.metadata else 1.0
        self.encode = TextEncoder(loaded.tokenizer, max_length=loaded.max_length)
        self.engine = Engine(
            device=str(where),
            precision=choose_precision(precision, where),
            backend=PaddedForward.name,
            batch_tokens=batch_tokens or default_tokens,
            max_length=loaded.max_length,
        )
        self.forward = ResilientForward(
            _padded(loaded, where, self.engine.precision),
            in_fp32=lambda: _padded(load(directory, max_length=max_length), where, "fp32"),
            labels=len(self.labels),
        )

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Batches of rows for sequences of `lengths` (n,) tokens."""
        return batches.plan(lengths, budget=self.engine.batch_tokens)

    def logits(self, sequences: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits (n, labels) float32 and `Outcome`s (n,) int8 of all `sequences`, in their order."""
        logits = np.zeros((len(sequences), len(self.labels)), np.float32)
        outcomes = np.zeros(len(sequences), np.int8)
        for rows in self.plan(sequences.lengths):
            logits[rows], outcomes[rows] = self.forward(sequences.take(rows))
        return logits, outcomes

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, labels) float32."""
        return confidence.probabilities(logits, temperature=self.temperature)

    def text_columns(self, chosen: Sequence[str]) -> tuple[str, ...]:
        """The columns to read: those `chosen`, else those that the model was fitted on, which may be none."""
        if chosen:
            return tuple(chosen)
        return self.directory.metadata.text_columns if self.directory.metadata else ()


def _padded(loaded: LoadedModel, device: torch.device, precision: str) -> Forward:
    return PaddedForward(loaded.model, device=device, dtype=DTYPES[precision], pad_id=loaded.pad_id)
