"""Token sequences of different lengths, which a tokenizer makes and a forward pass reads, and the inputs they are of.

Everything stays ragged: all ids lie in one flat array, and are padded only when a batch needs it. An input, which is a
text or a pair of texts, is one sequence or several, so that a long text's windows find their way back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenSequences:
    """`n` sequences with `t` tokens in all.

    ids        (t,) int32, the token ids of all sequences one after the other, special tokens included
    offsets    (n + 1,) int64, sequence i is ids[offsets[i]:offsets[i + 1]]
    first      (n,) int32, how many tokens at the front have token type 0; the rest, if any, has token type 1
    truncated  (n,) bool, whether the text went on beyond the last token
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    first: NDArray[np.int32]
    truncated: NDArray[np.bool_]

    @classmethod
    def of(cls, ids: list[list[int]], *, first: list[int], truncated: NDArray[np.bool_]) -> TokenSequences:
        """The sequences of these `ids`, one list each."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        flat = np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1]))
        return cls(flat, offsets, np.array(first, np.int32), truncated)

    @classmethod
    def empty(cls) -> TokenSequences:
        return cls(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.bool_))

    @classmethod
    def concatenate(cls, parts: Sequence[TokenSequences]) -> TokenSequences:
        """The sequences of all `parts`, in order."""
        if not parts:
            return cls.empty()
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate(([0], np.cumsum(lengths))),
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.truncated for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.first)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) int64, tokens a sequence."""
        return np.diff(self.offsets)

    @property
    def types(self) -> NDArray[np.int32]:
        """(t,) int32, the token type of each token."""
        positions = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], self.lengths)
        return (positions >= np.repeat(self.first, self.lengths)).astype(np.int32)

    def take(self, rows: NDArray[np.int64]) -> TokenSequences:
        """The sequences `rows` (m,), in that order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return TokenSequences(self.ids[source], offsets, self.first[rows], self.truncated[rows])

    def padded(self, pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Token ids, attention mask and token type ids, each (n, longest) int64, padded on the right."""
        lengths = self.lengths
        positions = np.arange(int(lengths.max(initial=0)))
        mask = positions < lengths[:, None]
        ids = np.full(mask.shape, pad_id, np.int64)
        ids[mask] = self.ids
        types = (mask & (positions >= self.first[:, None])).astype(np.int64)
        return ids, mask.astype(np.int64), types


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

    @classmethod
    def concatenate(cls, parts: Sequence[EncodedInputs]) -> EncodedInputs:
        """The inputs of all `parts`, in order."""
        if not parts:
            return cls.empty()
        counts = np.concatenate([np.diff(part.starts) for part in parts])
        starts = np.concatenate(([0], np.cumsum(counts)))
        return cls(TokenSequences.concatenate([part.sequences for part in parts]), starts)

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
