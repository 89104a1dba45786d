"""What came out of a score job, counted from the columns of its output, window by window.

Everything is read once, after it was published: so a run that scores nothing, since all stands, can tell it too. Memory
holds counts, a few texts for each label, and at most 20,000 numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet
from scorer.classifier.profile import Profile, histogram
from scorer.errors import DataError
from scorer.reports.outcome import CONFIDENCE_BINS, DriftFigure, LabelOutcome, NumberOutcome, Outcome
from scorer.scoring.answers import SCORED_NAMES
from scorer.scoring.ends import Ends
from scorer.scoring.grouping import Grouping, Parts, Scored
from scorer.scoring.grouping_by_time import grouping_of
from scorer.tables import compute as pc
from scorer.tables.reader import check_names
from scorer.tables.texts import check_utf8, is_text, type_name

_MOST_NUMBERS: Final = 20_000
_OF_NUMBERS: Final = 0


class Overview:
    """Counts the rows of an output.

    labels   of the model that the job used; rows of parts that an earlier one wrote may have others
    profile  what the model says of its training data; None where it says nothing
    by       the column that rows are grouped by; None for the parts, where there are several
    parts    whether the output has several
    """

    def __init__(
        self,
        labels: LabelSet,
        *,
        profile: Profile | None,
        by: str | None,
        parts: bool,
    ) -> None:
        self._labels = labels
        self._profile = profile
        self._by = by
        self._parts = parts
        self._codes = {name: code for code, name in enumerate(labels.names)}
        self._ends = Ends()
        self._statuses = Counter[str]()
        self._confidences = np.zeros((len(labels), CONFIDENCE_BINS), np.int64)
        self._sums = np.zeros(len(labels), np.float64)
        self._numbers = _Numbers()
        self._unlabelled = 0
        self._binned = np.zeros(len(_edges(profile)) + 1, np.int64)
        self._grouping: Grouping | None = None
        self.rows = 0

    def add(
        self, window: pa.Table, *, prefix: str, text_columns: Sequence[str], first: int = 1, part: str = ""
    ) -> None:
        """Count a window of the `part`, whose first row has the number `first` in it. Its texts are in `text_columns`,
        and `prefix` stands before the names of what was appended."""
        columns = answer_columns(prefix)
        check_names(window.schema.names, columns, where=part or "the output")
        score, confidence, status = (window[name] for name in columns)
        statuses = pc.cast(status, pa.string())
        self._statuses.update({value["values"].as_py(): value["counts"].as_py() for value in pc.value_counts(statuses)})
        scored = pc.is_in(statuses, pa.array(SCORED_NAMES)).to_numpy()
        found = self._scored(score, confidence, scored)
        self._count(found)
        self._ends.add(window, found, text_columns=text_columns, first=first, part=part)
        self._group(window, found, part)
        self.rows += window.num_rows

    @property
    def scored(self) -> int:
        """Rows with a score."""
        return sum(self._statuses[name] for name in SCORED_NAMES)

    def outcome(self, *, abstain_below: float | None, drift: Sequence[DriftFigure]) -> Outcome:
        """What was counted, with the figures of its `drift`."""
        is_number = self._labels.is_number
        return Outcome(
            rows=self.rows,
            statuses=dict(self._statuses),
            labels=[] if is_number else self._label_outcomes(),
            numbers=self._number_outcome() if is_number else None,
            ordered=self._labels.ordinal,
            several=self._labels.multi,
            unlabelled=self._unlabelled,
            abstain_below=abstain_below,
            breakdown=self._grouping.breakdown(labels=len(self._codes)) if self._grouping is not None else None,
            drift=drift,
        )

    def histograms(self) -> dict[str, list[int]]:
        """What the output alone tells of the rows, counted in the bins of the model's profile, as `Drift` names it."""
        if self._labels.is_number:
            return {"numbers": self._binned.tolist()}
        by_label = self._confidences[: len(self._labels)].sum(axis=1)
        found = {"labels": [*by_label.tolist(), self._unlabelled]}
        # Of several labels only those that were given have a confidence, and the likeliest may not be among them.
        return found if self._labels.multi else found | {"confidence": self._binned.tolist()}

    def _label_outcomes(self) -> list[LabelOutcome]:
        rows = self._confidences.sum(axis=1)
        shares = dict(enumerate(_shares(self._profile)))
        return [
            LabelOutcome(
                name=name,
                rows=int(rows[code]),
                confidences=self._confidences[code].tolist(),
                confidence=float(self._sums[code] / rows[code]) if rows[code] else None,
                training_share=shares.get(code),
                sure=self._ends.sure(code),
                unsure=self._ends.unsure(code),
            )
            for name, code in self._codes.items()
        ]

    def _number_outcome(self) -> NumberOutcome:
        numbers = self._numbers
        return NumberOutcome(
            rows=numbers.rows,
            mean=numbers.sum / max(numbers.rows, 1),
            low=numbers.low,
            high=numbers.high,
            some=numbers.some,
            highest=self._ends.sure(_OF_NUMBERS),
            lowest=self._ends.unsure(_OF_NUMBERS),
        )

    def _scored(self, score: pa.ChunkedArray, confidence: pa.ChunkedArray, scored: NDArray[np.bool_]) -> Scored:
        """The answers of a window, as numbers."""
        rows = np.flatnonzero(scored)
        if self._labels.is_number:
            numbers = pc.cast(score.filter(pa.array(scored)), pa.float64()).to_numpy()
            return Scored(scored, rows, np.zeros(len(rows), np.int64), numbers)
        if not self._labels.multi:
            given, sure = (column.filter(pa.array(scored)) for column in (score, confidence))
            return Scored(scored, rows, self._coded(given), _floats(sure))
        given, sure = (_listed(column.filter(pa.array(scored))) for column in (score, confidence))
        lengths = pc.list_value_length(given).to_numpy()
        self._unlabelled += int((lengths == 0).sum())
        labels, values = (pa.chunked_array([pc.list_flatten(column)]) for column in (given, sure))
        return Scored(scored, np.repeat(rows, lengths), self._coded(labels), _floats(values))

    def _coded(self, labels: pa.ChunkedArray) -> NDArray[np.int64]:
        """The code of each label (n,); one that the model does not have gets the next."""
        names = pc.cast(labels, pa.string())
        for name in pc.unique(names).to_pylist():
            if name is None:
                raise DataError("the output has a row with a status that says it has a score, and none; score it again")
            self._codes.setdefault(name, len(self._codes))
        if (more := len(self._codes) - len(self._sums)) > 0:
            self._sums = np.pad(self._sums, (0, more))
            self._confidences = np.pad(self._confidences, ((0, more), (0, 0)))
        return np.asarray(pc.index_in(names, pa.array(list(self._codes), pa.string())).to_numpy(), np.int64)

    def _count(self, found: Scored) -> None:
        self._binned += histogram(found.value, _edges(self._profile))
        if self._labels.is_number:
            self._numbers.add(found.value, rows_before=self.rows, rows=found.row)
            return
        size = len(self._sums)
        bins = np.clip(np.ceil(found.value * CONFIDENCE_BINS).astype(np.int64) - 1, 0, CONFIDENCE_BINS - 1)
        cells = np.bincount(found.code * CONFIDENCE_BINS + bins, minlength=size * CONFIDENCE_BINS)
        self._confidences += cells.reshape(size, CONFIDENCE_BINS)
        self._sums += np.bincount(found.code, weights=found.value, minlength=size)

    def _group(self, window: pa.Table, found: Scored, part: str) -> None:
        """Count the rows by their column."""
        if self._by is not None and self._by in window.schema.names and is_text(window.schema.field(self._by).type):
            check_utf8(window, [self._by], where=part or "the output", before=self.rows)
        if self._grouping is None:
            self._grouping = self._begin(window, part)
        if self._grouping is None:
            return
        if isinstance(self._grouping, Parts):
            column = pa.chunked_array([pa.repeat(part, window.num_rows)])
        elif self._grouping.name in window.schema.names:
            column = window[self._grouping.name]
        else:
            column = pa.chunked_array([pa.nulls(window.num_rows)])
        if not self._grouping.takes(column.type):
            note = f"In {part} the column is {type_name(column.type)}, and its rows count as those without a value."
            self._grouping.notes = [*self._grouping.notes, *([note] if note not in self._grouping.notes else [])]
            column = pa.chunked_array([pa.nulls(window.num_rows)])
        self._grouping.add(column, found, labels=len(self._codes))

    def _begin(self, window: pa.Table, part: str) -> Grouping | None:
        """How rows are grouped, as the first window tells."""
        if self._by is None:
            return Parts("file") if self._parts else None
        check_names(window.schema.names, [self._by], where=part or "the output")
        kind = window.schema.field(self._by).type
        return grouping_of(self._by, kind, window[self._by], where=part or "the output")


def answer_columns(prefix: str) -> tuple[str, ...]:
    """The names of score, confidence and status."""
    return tuple(f"{prefix}{name}" for name in ("score", "confidence", "score_status"))


class _Numbers:
    """Numbers as far as a drawing of them needs: evenly spaced ones, at most 20,000."""

    def __init__(self) -> None:
        self.rows, self.sum, self.low, self.high = 0, 0.0, np.inf, -np.inf
        self._apart = 1
        self._kept: list[tuple[int, float]] = []

    @property
    def some(self) -> list[float]:
        return [number for _, number in self._kept]

    def add(self, numbers: NDArray[np.float64], *, rows_before: int, rows: NDArray[np.int64]) -> None:
        """The `numbers` (n,) of some `rows` (n,) of a window that has `rows_before` rows before it."""
        if not len(numbers):
            return
        self.rows, self.sum = self.rows + len(numbers), self.sum + float(numbers.sum())
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        places = rows + rows_before
        chosen = places % self._apart == 0
        self._kept += zip(places[chosen].tolist(), numbers[chosen].tolist(), strict=True)
        while len(self._kept) > _MOST_NUMBERS:
            self._apart *= 2
            self._kept = [(place, number) for place, number in self._kept if place % self._apart == 0]


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), np.float64)


def _listed(column: pa.ChunkedArray) -> pa.Array:
    """Lists as lists, also where a format has them as text of JSON."""
    if not len(column):
        return pa.array([], pa.list_(pa.string()))
    if is_text(column.type):
        return pa.array([json.loads(text) for text in column.to_pylist()])
    return pa.concat_arrays(column.chunks)


def _edges(profile: Profile | None) -> tuple[float, ...]:
    """Those of numbers, or else of confidences."""
    if profile is None:
        return ()
    return profile.number_edges or profile.confidence_edges


def _shares(profile: Profile | None) -> list[float]:
    """The share of the validation rows that each label was predicted for."""
    if profile is None or profile.of_numbers or not profile.validation_rows:
        return []
    return [count / profile.validation_rows for count in profile.predicted_labels[:-1]]
