"""What is counted of an output, against the same in plain Python; and which rows are shown."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scorer.classifier.labels import LabelSet
from scorer.errors import DataError, UsageError
from scorer.reports.outcome import CONFIDENCE_BINS, Outcome
from scorer.scoring.overview import Overview

ROWS = 400
NAMES = ("bad", "fair", "good")
LABELS = LabelSet(NAMES, "string")
SEVERAL = LabelSet(NAMES, "string", multi=True)
NUMBER = LabelSet.of_number("score")
STATUSES = ("ok", "ok", "ok", "truncated", "abstain", "null", "empty")


def output(kind: LabelSet = LABELS, *, rows: int = ROWS, seed: int = 0) -> pa.Table:
    """Rows as a score job writes them."""
    draw = np.random.default_rng(seed)
    statuses = draw.choice(STATUSES, rows).tolist()
    score: list[Any] = []
    confidence: list[Any] = []
    for status in statuses:
        given = [kind.names[i] for i in sorted(draw.choice(len(kind), draw.integers(0, len(kind) + 1), False))]
        sure = draw.uniform(0.3, 1.0, max(len(given), 1)).astype(np.float32).tolist()
        one = (float(draw.normal()), None) if kind.is_number else (str(draw.choice(kind.names)), sure[0])
        has = status not in ("null", "empty")
        answer = (given, sure[: len(given)]) if kind.multi else one
        score.append(answer[0] if has else None)
        confidence.append(answer[1] if has else None)
    sure_type = pa.list_(pa.float32()) if kind.multi else pa.float32()
    return pa.table(
        {
            "text": [f"text {i}" for i in range(rows)],
            "shop": draw.choice(["a", "b"], rows),
            "score": pa.array(score, kind.answer_type),
            "confidence": pa.array(confidence, sure_type),
            "score_status": pa.array(statuses).dictionary_encode(),
        }
    )


def overview(table: pa.Table, kind: LabelSet = LABELS, *, window: int = 64, by: str | None = None) -> Outcome:
    counted = Overview(kind, profile=None, by=by, parts=False)
    for begin in range(0, table.num_rows, window):
        counted.add(table[begin : begin + window], prefix="", text_columns=("text",), first=begin + 1)
    assert counted.rows == table.num_rows
    return counted.outcome(abstain_below=None, drift=())


def events(table: pa.Table) -> list[tuple[int, str, float]]:
    """Row, label and confidence of everything that was given, the slow way."""
    found = []
    for row, one in enumerate(table.to_pylist()):
        labels, sure = one["score"], one["confidence"]
        if labels is not None:
            several = isinstance(labels, list)
            pairs = zip(labels, sure, strict=True) if several else [(labels, sure)]
            found += [(row, label, value) for label, value in pairs]
    return found


@pytest.mark.parametrize("kind", [LABELS, SEVERAL], ids=["one a row", "several a row"])
@pytest.mark.parametrize("window", [64, 1000])
def test_labels_and_confidences_are_those_of_the_rows(kind: LabelSet, window: int) -> None:
    table = output(kind)
    found, expected = overview(table, kind, window=window), events(table)
    assert found.statuses == Counter(table["score_status"].to_pylist())
    for label in found.labels:
        own = [value for _, name, value in expected if name == label.name]
        assert label.rows == len(own)
        assert label.confidence == pytest.approx(sum(own) / len(own))
        bins = Counter(min(int(np.ceil(value * CONFIDENCE_BINS)) - 1, CONFIDENCE_BINS - 1) for value in own)
        assert list(label.confidences) == [bins[place] for place in range(CONFIDENCE_BINS)]
    assert found.unlabelled == (table["score"].to_pylist().count([]) if kind.multi else 0)


@pytest.mark.parametrize("kind", [LABELS, SEVERAL], ids=["one a row", "several a row"])
def test_the_examples_are_the_rows_at_each_end(kind: LabelSet) -> None:
    table = output(kind)
    expected = events(table)
    for label in overview(table, kind).labels:
        own = sorted(((value, -row) for row, name, value in expected if name == label.name), reverse=True)
        assert [row.row for row in label.sure] == [1 - row for _, row in own[:3]]
        assert [row.row for row in label.unsure] == [1 - row for _, row in own[-1:-4:-1]]
        assert [row.texts for row in label.sure] == [(f"text {row.row - 1}",) for row in label.sure]


def test_equal_texts_are_shown_once_and_equal_rows_in_order() -> None:
    table = output().set_column(0, "text", pa.array([f"text {i % 5}" for i in range(ROWS)]))
    same = table.set_column(3, "confidence", pa.array([0.5] * ROWS, pa.float32()))
    same = same.set_column(2, "score", pa.array(["good"] * ROWS))
    same = same.set_column(4, "score_status", pa.array(["ok"] * ROWS))
    label = overview(same).labels[2]
    assert [row.row for row in label.sure] == [1, 2, 3]
    assert label.unsure == [], "the same rows are at both ends"
    for label in overview(table).labels:
        assert len({row.texts for row in label.sure}) == 3


def test_long_texts_are_cut_and_a_pair_has_two() -> None:
    table = output().set_column(0, "text", pa.array(["long " * 10_000] * ROWS))
    counted = Overview(LABELS, profile=None, by=None, parts=False)
    counted.add(table, prefix="", text_columns=("text", "shop"))
    row = counted.outcome(abstain_below=None, drift=()).labels[0].sure[0]
    assert (len(row.texts), len(row.texts[0]), row.texts[1]) == (2, 301, table["shop"][row.row - 1].as_py())


def test_numbers() -> None:
    table = output(NUMBER)
    numbers = overview(table, NUMBER).numbers
    assert numbers is not None
    own = table["score"].drop_null().to_pylist()
    assert (numbers.rows, numbers.low, numbers.high) == (len(own), min(own), max(own))
    assert numbers.mean == pytest.approx(np.mean(own))
    assert list(numbers.some) == own
    assert [row.value for row in numbers.highest] == sorted(own, reverse=True)[:3]
    assert [row.value for row in numbers.lowest] == sorted(own)[:3]


def test_of_many_numbers_evenly_spaced_ones_are_kept() -> None:
    table = pa.table(
        {
            "text": ["a"] * 100_000,
            "score": np.arange(100_000.0),
            "confidence": pa.nulls(100_000, pa.float32()),
            "score_status": ["ok"] * 100_000,
        }
    )
    numbers = overview(table, NUMBER, window=4096).numbers
    assert numbers is not None
    assert (numbers.rows, len(numbers.some)) == (100_000, 12_500)
    assert np.diff(numbers.some).tolist() == [8.0] * 12_499


def test_labels_that_the_model_does_not_have_are_counted_too() -> None:
    table = output()
    older = table.set_column(2, "score", pa.array(["awful" if x == "bad" else x for x in table["score"].to_pylist()]))
    found = overview(older)
    assert [label.name for label in found.labels] == [*NAMES, "awful"]
    assert sum(label.rows for label in found.labels) == len(events(table))


@pytest.mark.parametrize("kind", [LABELS, SEVERAL, NUMBER], ids=["one a row", "several a row", "numbers"])
def test_rows_by_a_column(kind: LabelSet) -> None:
    table = output(kind)
    found = overview(table, kind, by="shop").breakdown
    assert found is not None
    for group in found.groups:
        own = table.filter(pc.equal(table["shop"], group.name))
        given = events(own)
        assert (group.rows, group.scored) == (own.num_rows, own.num_rows - own["score"].null_count)
        if kind.is_number:
            assert group.mean == pytest.approx(np.mean(own["score"].drop_null().to_pylist()))
        else:
            assert list(group.counts) == [sum(label == name for _, label, _ in given) for name in NAMES]
            assert group.mean == pytest.approx(np.mean([value for *_, value in given]))


def test_where_no_column_is_named_the_parts_are_told_apart() -> None:
    assert overview(output()).breakdown is None
    parts = Overview(LABELS, profile=None, by=None, parts=True)
    for number in range(2):
        parts.add(output(), prefix="", text_columns=(), part=f"part-{number}.csv")
    by_file = parts.outcome(abstain_below=None, drift=()).breakdown
    assert by_file is not None
    assert [(group.name, group.rows) for group in by_file.groups] == [("part-0.csv", ROWS), ("part-1.csv", ROWS)]


def test_of_very_many_parts_the_last_are_shown() -> None:
    parts = Overview(LABELS, profile=None, by=None, parts=True)
    for number in range(100):
        parts.add(output(rows=3), prefix="", text_columns=(), part=f"day={number:03}.csv")
    found = parts.outcome(abstain_below=None, drift=()).breakdown
    assert found is not None
    assert [group.name for group in found.groups] == [
        *(f"day={number:03}.csv" for number in range(38, 100)),
        "all others",
    ]
    assert found.groups[-1].rows == 3 * 38


def test_files_without_a_column() -> None:
    counted = Overview(LABELS, profile=None, by="shop", parts=False)
    with pytest.raises(UsageError, match="the output: no column 'score'"):
        counted.add(output().drop_columns(["score"]), prefix="", text_columns=())
    counted.add(output().set_column(1, "shop", pa.array(range(ROWS))), prefix="", text_columns=())
    counted.add(output(), prefix="", text_columns=(), part="b.csv")
    counted.add(output(rows=5).drop_columns(["shop"]), prefix="", text_columns=(), part="c.csv")
    found = counted.outcome(abstain_below=None, drift=()).breakdown
    assert found is not None
    assert (found.groups[-1].name, found.groups[-1].rows) == ("no value", ROWS + 5)
    assert found.notes == ["In b.csv the column is string, and its rows count as those without a value."]


def test_lists_that_csv_has_as_text() -> None:
    table = output(SEVERAL)
    written = table
    for place, name in ((2, "score"), (3, "confidence")):
        texts = [None if value is None else json.dumps(value) for value in table[name].to_pylist()]
        written = written.set_column(place, name, pa.array(texts, pa.string()))
    assert overview(written, SEVERAL) == overview(table, SEVERAL)


def test_a_column_that_is_no_utf8_is_said() -> None:
    broken = pa.array([b"a"] * (ROWS - 1) + [b"\xff\xfe"]).view(pa.string())
    with pytest.raises(DataError, match="the output: column 'shop', row 400: a text is not UTF-8"):
        overview(output().set_column(1, "shop", broken), by="shop")
