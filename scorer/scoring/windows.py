"""What travels between the stages: a window as it was read, encoded, classified, answered, and with its columns.

A window's rows never change their order. Rows that have a text point to a distinct input; equal texts share one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.sequences import EncodedInputs
from scorer.errors import ScorerError
from scorer.records.lineage import Counts
from scorer.records.part import DriftSums
from scorer.scoring.answers import Answers

# The most logits of a window: float64 copies of them would else be what fills the memory.
_WINDOW_LOGITS = 8 << 20
_FIRST_ROWS = 4096


def window_rows(asked: int, *, labels: int) -> int:
    """The most rows of a window when `asked` are wanted and each row has a logit for each of the `labels`."""
    return max(min(asked, _WINDOW_LOGITS // max(labels, 1)), 1)


def first_rows(device: str) -> int | None:
    """The rows of a part's first window where logits are computed on `device`: few beside a GPU, which would else wait
    until a whole window is tokenized. None where windows are all alike."""
    return _FIRST_ROWS if device.startswith("cuda") else None


def growing(tables: Iterable[pa.Table], first: int) -> Iterator[pa.Table]:
    """The `tables`, whose first one is divided: into `first` rows, twice as many, and so on, and the rest of it, which
    is no smaller than what came before."""
    rest = iter(tables)
    for table in itertools.islice(rest, 1):
        begin, count = 0, first
        while table.num_rows - begin > 2 * count:
            yield table.slice(begin, count)
            begin, count = begin + count, 2 * count
        yield table.slice(begin)
    yield from rest


@dataclass(frozen=True)
class Window:
    """Rows as they were read, whose texts are in the `text_columns` (one, or two for a pair); `number` counts the
    windows of a part from 0, and `first` rows of it come before this one."""

    number: int
    table: pa.Table
    text_columns: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True)
class EncodedWindow:
    """A window whose texts are token sequences, or are known already.

    status     (rows,) int8, `Status.OK` for rows with a text, else why there is none
    scorable   (s,) int64, the rows that have a text
    inputs     (s,) int64, which distinct input each of them has
    keys       the key of each distinct input (m), or None when nothing is reused
    scores    (m,) of `score_dtype`, whole where `known`, elsewhere all but logits and outcome
    known      (m,) bool, the inputs whose record was found in the score cache
    fresh      the inputs that are not known, as token sequences, in the order of np.flatnonzero(~known)
    replayed   (m,) bool, the inputs that are not known, but whose scores are whole: computed for this very window by
               this run, before it was killed
    durable    how many additions to the score cache were durable before that was looked into
    """

    window: Window
    status: NDArray[np.int8]
    scorable: NDArray[np.int64]
    inputs: NDArray[np.int64]
    keys: list[bytes] | None
    scores: NDArray[np.void]
    known: NDArray[np.bool_]
    fresh: EncodedInputs
    replayed: NDArray[np.bool_]
    durable: int = 0


def regrouped(pieces: Sequence[tuple[EncodedWindow, NDArray[np.int64]]]) -> EncodedWindow:
    """Some inputs of several windows as one window with a row for each, in the order given: for whoever keeps the rows
    himself, since its table has nothing in it. A piece is a window that was encoded without a cache, and the places
    (n,) of its `scorable` rows that are wanted."""
    scores = np.concatenate([window.scores[places] for window, places in pieces])
    rows = np.arange(len(scores))
    return EncodedWindow(
        window=Window(0, pa.table({"row": pa.nulls(len(rows))}), ()),
        status=np.zeros(len(rows), np.int8),
        scorable=rows,
        inputs=rows,
        keys=None,
        scores=scores,
        known=np.zeros(len(rows), np.bool_),
        fresh=EncodedInputs.concatenate([window.fresh.take(places) for window, places in pieces]),
        replayed=np.zeros(len(rows), np.bool_),
    )


Decided = tuple[NDArray[np.int64], tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]]
"""Rows (b,), and their logits (b, labels), `Outcome`s (b,) and stages (b,)."""


@dataclass(frozen=True)
class ClassifiedWindow:
    """A window with a record for each row that has a text.

    status           (rows,) int8 and `scorable` (s,) int64, as in `EncodedWindow`
    scores          (s,) of `score_dtype`, those of the rows `scorable`
    computed_tokens  tokens for which a forward pass was made
    reused           rows of `scorable` for which none was
    stages           (s,) int8, what decided each of the rows `scorable`: 0 the whole model, else an exit before its
                     end; None where the whole model decided all
    kept             done when what was computed is durable in the score cache, None where nothing was added to it; no
                     row may be written before, as a rerun would have to compute it again
    """

    window: Window
    status: NDArray[np.int8]
    scorable: NDArray[np.int64]
    scores: NDArray[np.void]
    computed_tokens: int
    reused: int
    stages: NDArray[np.int8] | None = None
    kept: Future[None] | None = None


@dataclass(frozen=True)
class AnsweredWindow:
    """A window and the `answers` to its rows, what it took to find them, and what the rows look like if that was
    asked."""

    window: Window
    answers: Answers
    computed_tokens: int
    reused: int
    stats: DriftSums | None


@dataclass(frozen=True)
class ScoredWindow:
    """A window's `table` with its appended columns, its rows by status, and the rest as in `AnsweredWindow`; `tokens`
    are those of all rows."""

    table: pa.Table
    status_counts: dict[str, int]
    tokens: int
    computed_tokens: int
    reused: int
    stats: DriftSums | None = None


@dataclass
class RowCounts:
    """What rows came to so far, added up window by window."""

    rows_read: int = 0
    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    stats: DriftSums | None = None

    def add(self, window: ScoredWindow) -> None:
        self.rows += window.table.num_rows
        self.statuses.update(window.status_counts)
        self.tokens += window.tokens
        if window.stats is not None:
            self.stats = window.stats if self.stats is None else self.stats + window.stats

    def check(self) -> None:
        """ScorerError unless every row read was written, with one status: anything else must not be published."""
        counted = self.statuses.total()
        if not self.rows_read == self.rows == counted:
            raise ScorerError(
                f"{self.rows_read} rows read, {self.rows} written and {counted} counted by status; nothing was "
                "published; this is a bug: report it"
            )

    @property
    def counts(self) -> Counts:
        """Rows in all and by status."""
        return Counts(rows=self.rows, statuses=dict(sorted(self.statuses.items())))


def score_dtype(labels: int) -> np.dtype[np.void]:
    """What is kept of one scored input: its tokens, how many of them the tokenizer does not know (0 where nobody counts
    them), whether it was truncated, its outcome and its logits."""
    fields = [
        ("tokens", "<i4"),
        ("unknown", "<i4"),
        ("truncated", "?"),
        ("outcome", "i1"),
        ("logits", "<f4", (labels,)),
    ]
    return np.dtype(fields)
