"""Long token sequences cut to what the model can see: overlapping windows, or the beginning and the end.

Pure: whole sequences in, cut ones out, the special tokens around each put back. The caller says how many special tokens
stand before and after a text.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.inputs import EncodedInputs
from scorer.classifier.sequences import TokenSequences

# Sun et al. 2019, "How to Fine-Tune BERT for Text Classification", section 5.3.1: 128 tokens of 510 from the head.
_HEAD_PARTS = 4


@dataclass(frozen=True)
class SpecialTokens:
    """What fits: `max_length` tokens, of which `prefix` special ones stand before the text's own and `suffix` after."""

    max_length: int
    prefix: int
    suffix: int

    @property
    def room(self) -> int:
        """The text's own tokens that a sequence can hold."""
        return self.max_length - self.prefix - self.suffix


def windows(whole: TokenSequences, special: SpecialTokens, *, stride: int) -> EncodedInputs:
    """Each of the `whole` sequences (n,) as windows that share `stride` tokens with the one before, the last as short
    as what is left: the cuts of the tokenizers library's own overflow. `stride` is less than the room."""
    step = special.room - stride
    beyond = np.maximum(whole.lengths - special.max_length, 0)
    counts = 1 + (beyond + step - 1) // step
    starts = np.concatenate(([0], np.cumsum(counts)))
    owner = np.repeat(np.arange(len(whole)), counts)
    skipped = (np.arange(starts[-1]) - starts[:-1][owner]) * step
    lengths = np.minimum(whole.lengths[owner] - skipped, special.max_length)
    return EncodedInputs(_cut(whole, owner, lengths, special, begin=special.prefix, skipped=skipped), starts)


def head_and_tail(whole: TokenSequences, special: SpecialTokens) -> EncodedInputs:
    """Each of the `whole` sequences (n,) without its middle where it does not fit: the first quarter of the room is
    taken from its beginning, the rest from its end."""
    lengths = np.minimum(whole.lengths, special.max_length)
    begin, skipped = special.prefix + special.room // _HEAD_PARTS, whole.lengths - lengths
    cut = _cut(whole, np.arange(len(whole)), lengths, special, begin=begin, skipped=skipped)
    return EncodedInputs.single(dataclasses.replace(cut, truncated=whole.truncated | (skipped > 0)))


def _cut(
    whole: TokenSequences,
    owner: NDArray[np.int64],
    lengths: NDArray[np.int64],
    special: SpecialTokens,
    *,
    begin: int,
    skipped: NDArray[np.int64],
) -> TokenSequences:
    """Sequences of `lengths` (m,) tokens, each out of the `whole` one that `owner` (m,) names: its first `begin`
    tokens, its last ones (the suffix), and between them what follows after `skipped` (m,) tokens."""
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    from_end = np.repeat(lengths, lengths) - place
    surplus = whole.lengths[owner] - lengths
    shift = np.where(from_end > special.suffix, np.repeat(skipped, lengths), np.repeat(surplus, lengths))
    source = np.repeat(whole.offsets[owner], lengths) + place + np.where(place < begin, 0, shift)
    return TokenSequences(whole.ids[source], offsets, lengths.astype(np.int32), whole.truncated[owner])
