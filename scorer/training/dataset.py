"""Examples as token sequences: the rows that the Trainer reads, their batches, and the texts that they are of.

Token ids stay ragged numpy arrays until a batch is padded, and go from there into tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from scorer.classifier.labels import RowTargets
from scorer.classifier.long_text import LongText
from scorer.classifier.sequences import TokenSequences
from scorer.classifier.tokenization import TextEncoder
from scorer.examples.reading import Examples
from scorer.training.pretrained import BaseModel

TAUGHT = "taught"
"""The name in a batch under which a teacher's answers go to the loss. The network does not see them."""


@dataclass(frozen=True)
class TokenRows(Dataset["TokenRows"]):
    """`s` rows of a training or validation set, a token sequence each.

    tokens   the sequences (s,), unpadded
    labels   (s,) int64 class indices; with several labels a row (s, labels) float32 of 0 and 1, as their loss takes it;
             of numbers (s,) float32
    example  (s,) int64, which example the row is of: a long text that is read in windows has several rows
    pairs    whether the examples are pairs of texts
    taught   (s, labels) float32, what a teacher says of the example, in the network's terms; None without a teacher
    """

    tokens: TokenSequences
    labels: NDArray[Any]
    example: NDArray[np.int64]
    pairs: bool
    taught: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> TokenRows:
        return self.take([row])

    def __getitems__(self, rows: list[int]) -> TokenRows:
        """What a DataLoader asks for: all rows of a batch at once."""
        return self.take(rows)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> TokenRows:
        """The rows at `rows` (m,), in that order."""
        places = np.asarray(rows, np.int64)
        taught = self.taught[places] if self.taught is not None else None
        return TokenRows(self.tokens.take(places), self.labels[places], self.example[places], self.pairs, taught)

    def with_teacher(self, answers: NDArray[np.float32]) -> TokenRows:
        """The same rows, with what a teacher says of each example, (n, labels)."""
        return replace(self, taught=answers[self.example])

    @property
    def cut_off(self) -> int:
        """How many examples have tokens that no row has."""
        return len(np.unique(self.example[self.tokens.truncated]))


def tokenize(
    examples: Examples, targets: RowTargets, encoder: TextEncoder, *, longest_first: bool = False
) -> TokenRows:
    """The rows of `examples`, in their order or the longest first, so that evaluation pads little.

    `encoder` is that of scoring, so that a model sees in training what it will see later.
    """
    inputs = encoder(*examples.texts)
    example = np.repeat(np.arange(len(inputs)), np.diff(inputs.starts))
    labels = targets[example].astype(np.int64 if targets.ndim == 1 and targets.dtype.kind != "f" else np.float32)
    rows = TokenRows(inputs.sequences, labels, example, pairs=len(examples.texts) == 2)
    return rows.take(np.argsort(-rows.tokens.lengths, kind="stable")) if longest_first else rows


class Collator:
    """Rows side by side as tensors, padded on the right, as in scoring; where the rows of a model see their padding, on
    its tokenizer's own side. Some tokenizers pad on the left, which moves the words of a model that counts places.

    An encoder-decoder reads the answer at the last end of a row, and refuses rows with unlike numbers of them. In a
    batch of such rows all ends but the last become unknown tokens; a row alone is left as it is, as in scoring.
    """

    def __init__(self, base: BaseModel) -> None:
        tokenizer = base.tokenizer
        self._end, self._unknown = base.feed.end, tokenizer.unk_token_id
        self._left = base.shapes != "any" and tokenizer.padding_side == "left"
        self._masked = "attention_mask" in tokenizer.model_input_names
        self._typed = base.has_token_types and "token_type_ids" in inspect.signature(base.model.forward).parameters
        self._pad_id, self._pad_type = tokenizer.pad_token_id, tokenizer.pad_token_type_id

    def __call__(self, rows: TokenRows) -> dict[str, torch.Tensor]:
        """What the network is called with, each (n, longest) int64, the `labels` of `rows`, and what a teacher says."""
        tokens = rows.tokens
        inside = self._inside(tokens.lengths)
        collated = {"input_ids": _padded(self._one_end_each(tokens), inside, fill=self._pad_id)}
        if rows.pairs and self._typed:
            collated["token_type_ids"] = _padded(tokens.types, inside, fill=self._pad_type)
        if self._masked:
            collated["attention_mask"] = torch.from_numpy(inside.astype(np.int64))
        if rows.taught is not None:
            collated[TAUGHT] = torch.from_numpy(rows.taught)
        return collated | {"labels": torch.from_numpy(rows.labels)}

    def _inside(self, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where (n, longest) there are tokens, and no padding."""
        longest = int(lengths.max(initial=0))
        places = np.arange(longest)
        return places >= longest - lengths[:, None] if self._left else places < lengths[:, None]

    def _one_end_each(self, tokens: TokenSequences) -> NDArray[np.int32]:
        """The ids (t,) of `tokens`, with one end a row at most where the rows have unlike numbers of them."""
        if self._end is None or len(set(_count(tokens, self._end).tolist())) < 2:
            return tokens.ids
        ends = np.flatnonzero(tokens.ids == self._end)
        row = np.searchsorted(tokens.offsets, ends, side="right")
        ids = tokens.ids.copy()
        ids[ends[:-1][row[:-1] == row[1:]]] = self._unknown
        return ids


def _padded(values: NDArray[np.int32], inside: NDArray[np.bool_], *, fill: int) -> torch.Tensor:
    padded = np.full(inside.shape, fill, np.int64)
    padded[inside] = values
    return torch.from_numpy(padded)


def _count(tokens: TokenSequences, token: int) -> NDArray[np.int64]:
    """(n,) int64, how often the id `token` is in each sequence."""
    return np.diff(np.searchsorted(np.flatnonzero(tokens.ids == token), tokens.offsets))


def evaluation_rows(base: BaseModel, valid: TokenRows, asked: int) -> int:
    """Rows to evaluate together: as many as `asked`, or one where a row's logits depend on those beside it."""
    if base.shapes != "any":
        return 1
    end = base.feed.end
    return asked if end is None or (_count(valid.tokens, end) == 1).all() else 1


class EpochOrder(LengthGroupedSampler):
    """Length-grouped batches in an order that depends on the seed and the epoch alone.

    The Trainer's own order has two faults. It draws from the global generator, and a fit that goes on in the middle of
    an epoch does not know what the state of that was at the start. And it goes from long to short texts again and
    again; here the batches are shuffled. The first batch is the one with the longest text, so
    that memory trouble shows at once.
    """

    def __init__(self, batch_size: int, lengths: list[int], *, seed: int) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        state = np.random.SeedSequence([self._seed, self._epoch]).generate_state(1, np.uint64)
        self.generator.manual_seed(int(state[0]))
        rows = get_length_grouped_indices(self.lengths, self.batch_size, generator=self.generator)
        full = len(rows) // self.batch_size
        # A batch that is not full stays last, where it is cut off as one.
        order = [0, *(torch.randperm(max(full - 1, 0), generator=self.generator) + 1).tolist(), full][: full + 1]
        starts = (number * self.batch_size for number in order)
        return iter([row for start in starts for row in rows[start : start + self.batch_size]])


class TextPooling:
    """Pools what was predicted for `rows`, as `long_text` says. Texts come in the order of their file, whatever that of
    the rows."""

    def __init__(self, rows: TokenRows, long_text: LongText) -> None:
        self._long_text = long_text
        self._order = np.argsort(rows.example, kind="stable")
        self._starts = np.flatnonzero(np.diff(rows.example[self._order], prepend=-1, append=len(rows)))

    def __call__(self, logits: Any, targets: Any) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Logits (n, labels) float32 and targets (n, ...) of the texts, from those (s, ...) of the rows."""
        found = np.asarray(logits, np.float32)[self._order]
        return self._long_text.pool(found, self._starts), np.asarray(targets)[self._order][self._starts[:-1]]
