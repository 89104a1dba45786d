"""Inputs as a tokenizer hands them over: each text, or pair of texts, is one token sequence or several.

Keeps which sequences belong to which input, so that a long text's windows find their way back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.classifier import sequences
from scorer.classifier.sequences import TokenSequences


@dataclass(frozen=True)
class EncodedInputs:
    """`n` inputs with `s` sequences in all.

    sequences  those of all inputs, one after the other
    starts     (n + 1,) int64, input i is the sequences starts[i]:starts[i + 1], at least one
    """

    sequences: TokenSequences
    starts: NDArray[np.int64]

    @classmethod
    def single(cls, sequences: TokenSequences) -> EncodedInputs:
        """Inputs that are one sequence each."""
        return cls(sequences, np.arange(len(sequences) + 1))

    @classmethod
    def empty(cls) -> EncodedInputs:
        return cls.single(TokenSequences.empty())

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def one_each(self) -> bool:
        """Whether every input is one sequence."""
        return len(self.sequences) == len(self)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) int64, tokens an input in all its sequences, special tokens and what windows share included."""
        return np.diff(self.sequences.offsets[self.starts])

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """(n,) bool, whether the input has tokens that are in none of its sequences."""
        if self.one_each:
            return self.sequences.truncated
        found: NDArray[np.bool_] = np.logical_or.reduceat(self.sequences.truncated, self.starts[:-1])
        return found

    def count(self, token: int) -> NDArray[np.int64]:
        """(n,) int64, how often the id `token` is in each input, in all its sequences."""
        places = np.flatnonzero(self.sequences.ids == token)
        return np.diff(np.searchsorted(places, self.sequences.offsets[self.starts]))

    def take(self, rows: NDArray[np.int64]) -> EncodedInputs:
        """The inputs `rows` (m,), in that order."""
        if self.one_each:
            return EncodedInputs.single(self.sequences.take(rows))
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate(([0], np.cumsum(counts)))
        wanted = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return EncodedInputs(self.sequences.take(wanted), starts)


def concatenate(parts: Sequence[EncodedInputs]) -> EncodedInputs:
    """The inputs of all `parts`, in order."""
    if not parts:
        return EncodedInputs.empty()
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    starts = np.concatenate(([0], np.cumsum(counts)))
    return EncodedInputs(sequences.concatenate([part.sequences for part in parts]), starts)
