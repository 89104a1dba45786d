"""What the Trainer reads: blocks of text with hidden tokens, or pairs of parts of documents.

A row is visited once an epoch. Its number and that of the epoch make the number of the visit, from which all is drawn
that is random: an adaptation that goes on in the middle sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from scorer.adapting.masking import Masking

Batch = dict[str, torch.Tensor]

# The random streams of training and of measuring, and that of the order.
TRAINING, MEASURING, _ORDER = 0, 1, 2


class Visits(Sampler[int]):
    """Every one of `rows` rows once an epoch, in an order that depends on the seed and the epoch alone."""

    def __init__(self, rows: int, *, seed: int) -> None:
        self._rows, self._seed, self._epoch = rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self._seed, _ORDER, self._epoch]).permutation(self._rows)
        return (self._epoch * self._rows + int(row) for row in order)


@dataclass(frozen=True)
class Blocks(Dataset[Batch]):
    """Texts one behind the other in full blocks of `length` tokens, so that nothing is padded.

    tokens  (t,) ids of texts, a token between two
    """

    tokens: NDArray[np.uint32]
    masking: Masking
    length: int

    def __len__(self) -> int:
        return len(self.tokens) // self._room

    def says_something(self) -> bool:
        """Whether any row has a token that may be hidden."""
        return any(self.masking.marks.spells(self._text(row)) for row in range(len(self)))

    def __getitem__(self, visit: int) -> Batch:
        return self.__getitems__([visit])

    def __getitems__(self, visits: Sequence[int]) -> Batch:
        """`input_ids` (n, length), and of the m hidden ones their `places` (m,) in it, flat, and `targets` (m,)."""
        ids = np.stack([self._block(visit % len(self)) for visit in visits])
        return _hidden(ids, visits, self.masking)

    @property
    def _room(self) -> int:
        return self.length - self.masking.marks.around

    def _block(self, row: int) -> NDArray[np.int64]:
        marks = self.masking.marks
        return np.concatenate([marks.before, self._text(row), marks.after]).astype(np.int64)

    def _text(self, row: int) -> NDArray[np.uint32]:
        return self.tokens[row * self._room : (row + 1) * self._room]


@dataclass(frozen=True)
class DocumentParts(Dataset[Batch]):
    """Two parts of a document each, of which the second follows the first, or half of the time is of another one.

    tokens  (t,) ids of documents
    parts   (n, 4) int64: where the first part begins, where it ends and the second begins, where that ends; and the
            number of the document
    """

    tokens: NDArray[np.uint32]
    parts: NDArray[np.int64]
    masking: Masking
    length: int

    def __len__(self) -> int:
        return len(self.parts)

    def says_something(self) -> bool:
        """Whether any row has a token that may be hidden."""
        return any(self.masking.marks.spells(self.tokens[begin:end]) for begin, _, end, _ in self.parts.tolist())

    def __getitem__(self, visit: int) -> Batch:
        return self.__getitems__([visit])

    def __getitems__(self, visits: Sequence[int]) -> Batch:
        """As of blocks, and `token_type_ids` and `attention_mask` (n, longest), `next_sentence_label` (n,): 1 where the
        second part is of another document."""
        marks = self.masking.marks
        pairs = [self._pair(visit) for visit in visits]
        first = [len(marks.before) + len(a) + 1 for a, _, _ in pairs]
        rows = [np.concatenate([marks.before, a, marks.after[:1], b, marks.after]) for a, b, _ in pairs]
        lengths = np.array([len(row) for row in rows])
        inside = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(inside.shape, marks.padding, np.int64)
        ids[inside] = np.concatenate(rows)
        types = inside & (np.arange(lengths.max()) >= np.array(first)[:, None])
        return _hidden(ids, visits, self.masking) | {
            "token_type_ids": torch.from_numpy(types.astype(np.int64)),
            "attention_mask": torch.from_numpy(inside.astype(np.int64)),
            "next_sentence_label": torch.tensor([int(other) for _, _, other in pairs]),
        }

    def _pair(self, visit: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32], bool]:
        begin, middle, end, document = self.parts[visit % len(self)].tolist()
        generator = self.masking.generator(visit, purpose=1)
        first, second = self.tokens[begin:middle], self.tokens[middle:end]
        if generator.random() < 0.5:
            return first, second, False
        _, middle, end, other = self.parts[generator.integers(len(self))].tolist()
        if other == document:  # those of the first document that is another one, as the parts lie
            _, middle, end, _ = self.parts[np.flatnonzero(self.parts[:, 3] != document)[0]].tolist()
        room = self.length - self.masking.marks.around - 1 - len(first)
        return first, self.tokens[middle:end][:room], True


def _hidden(ids: NDArray[np.int64], visits: Sequence[int], masking: Masking) -> Batch:
    """The rows `ids` (n, length) with hidden tokens."""
    rows, places = zip(
        *(masking(row, masking.generator(visit)) for row, visit in zip(ids, visits, strict=True)), strict=True
    )
    flat = np.concatenate([own + number * ids.shape[1] for number, own in enumerate(places)])
    return {
        "input_ids": torch.from_numpy(np.stack(rows)),
        "places": torch.from_numpy(flat),
        "targets": torch.from_numpy(ids.reshape(-1)[flat]),
    }
