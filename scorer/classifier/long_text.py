"""Texts that are longer than the model can see: what is done with them, the cuts, and the pooling of windows.

What is done is chosen at fit, kept with the model, and obeyed at score. The cuts are pure: whole sequences in, cut ones
out, the special tokens around each put back. The caller says how many special tokens stand before and after a text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.config import LongTextStrategy, Pooling
from scorer.errors import UsageError

if TYPE_CHECKING:
    from scorer.config import FitConfig

# Of the longest input, what neighbouring windows share unless --stride says otherwise.
_SHARED = 1 / 4


@dataclass(frozen=True)
class LongText:
    """How a text with more tokens than `max_length` is read.

    strategy  `truncate` cuts off its end; `head-tail` leaves out its middle, so that a quarter of what is kept is its
              beginning and the rest its end; `window` reads all of it, in windows of `max_length` tokens
    stride    tokens that neighbouring windows share, special tokens not counted
    pooling   how the logits of a text's windows become the text's: their `mean` or their `max`, label by label
    """

    strategy: LongTextStrategy = "truncate"
    stride: int = 0
    pooling: Pooling = "mean"

    @classmethod
    def of(cls, config: FitConfig) -> LongText:
        """What `config` asks for; UsageError for what would have no effect, or leave the windows no room to advance."""
        if config.long_text != "window":
            for name, given in (("stride", config.stride), ("pooling", config.pooling)):
                if given is not None:
                    raise UsageError(f"--{name} {given}: is for windows; say --long-text window, or leave it out")
            return cls(config.long_text)
        stride = int(config.max_length * _SHARED) if config.stride is None else config.stride
        if stride >= config.max_length:
            raise UsageError(f"--stride {stride}: windows of --max-length {config.max_length} share fewer tokens")
        return cls("window", stride, config.pooling or "mean")

    def check(self, *, max_length: int) -> None:
        """ValueError unless the fields hold what `of` would give for `max_length`."""
        if self.strategy not in get_args(LongTextStrategy) or self.pooling not in get_args(Pooling):
            raise ValueError("long_text")
        if type(self.stride) is not int or not 0 <= self.stride < max_length:
            raise ValueError("long_text")

    def describe(self) -> str:
        """For people."""
        if self.strategy == "window":
            return f"read in windows that share {self.stride} tokens, with the {self.pooling} of their logits"
        return "read at head and tail" if self.strategy == "head-tail" else "truncated"

    def flags(self) -> list[str]:
        """The words of a `scorer fit` command that ask for this; none for the default."""
        if self.strategy == "window":
            return ["--long-text", "window", "--stride", str(self.stride), "--pooling", self.pooling]
        return [] if self.strategy == "truncate" else ["--long-text", self.strategy]

    def refuse_pair(self, text_columns: Sequence[str]) -> None:
        """UsageError for two `text_columns`, unless long texts are truncated: which of the two would be cut is a
        question that `truncate` alone has an answer to."""
        if self.strategy != "truncate" and len(text_columns) > 1:
            raise UsageError(
                f"--long-text {self.strategy} reads one text a row, not the pair {' and '.join(text_columns)}; "
                "give one --text-column, or fit with --long-text truncate"
            )

    def pool(self, logits: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (n, labels) float32 of texts, from those of their sequences (s, labels): text i has the sequences
        starts[i]:starts[i + 1], at least one; `starts` is (n + 1,) int64."""
        if len(starts) == len(logits) + 1:
            return logits
        if self.pooling == "max":
            highest: NDArray[np.float32] = np.maximum.reduceat(logits, starts[:-1], axis=0)
            return highest
        mean: NDArray[np.float32] = np.add.reduceat(logits, starts[:-1], axis=0)
        mean /= np.diff(starts)[:, None]
        return mean


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
