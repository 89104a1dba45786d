"""Token sequences of different lengths, kept ragged: what a tokenizer makes and what a forward pass reads.

All ids lie in one flat array. They are padded only when a batch needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    def empty(cls) -> TokenSequences:
        return cls(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.bool_))

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


def concatenate(parts: Sequence[TokenSequences]) -> TokenSequences:
    """The sequences of all `parts`, in order."""
    if not parts:
        return TokenSequences.empty()
    lengths = np.concatenate([part.lengths for part in parts])
    return TokenSequences(
        np.concatenate([part.ids for part in parts]),
        np.concatenate(([0], np.cumsum(lengths))),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.truncated for part in parts]),
    )
