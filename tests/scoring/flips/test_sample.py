"""The random sample of a file: the same however the file comes in windows, and every row as likely."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorer.scoring.flips.sample import Audit, SampleSize, sampled


def table(first: int, rows: int) -> pa.Table:
    return pa.table({"n": range(first, first + rows), "text": [f"text {n}" for n in range(first, first + rows)]})


def windows(rows: int, size: int) -> list[pa.Table]:
    return [table(first, min(size, rows - first)) for first in range(0, rows, size)]


@pytest.mark.parametrize("rows", [0, 1, 1_000, 9_000])
def test_windows_do_not_change_the_sample(rows):
    whole = sampled(windows(rows, 100_000), ("text",), seed="a", share=0.01)
    parts = sampled(windows(rows, 700), ("text",), seed="a", share=0.01)
    assert whole.rows == parts.rows == rows
    assert np.array_equal(whole.numbers, parts.numbers)
    assert whole.table.equals(parts.table)
    assert whole.table.column("text").to_pylist() == [f"text {n}" for n in whole.numbers]
    assert len(whole.numbers) == len(set(whole.numbers)) == min(SampleSize.of(rows, share=0.01).total, rows)


def test_another_content_has_another_sample():
    one, other = (sampled(windows(5_000, 5_000), ("text",), seed=seed, share=0.01) for seed in "ab")
    assert not np.array_equal(one.numbers, other.numbers)


def test_every_row_is_as_likely():
    counts = np.zeros(2_000)
    for seed in range(60):
        counts[sampled(windows(2_000, 300), ("text",), seed=str(seed), share=0.01).numbers] += 1
    halves = counts[:1_000].sum(), counts[1_000:].sum()
    # 72,000 draws: a standard deviation of their half is below 134.
    assert abs(halves[0] - halves[1]) < 6 * 134
    assert counts.std() < 8


def test_columns_of_any_texts_are_one_type():
    tables = [
        pa.table({"text": pa.array(["a", None]).dictionary_encode()}),
        pa.table({"text": pa.array(["b"], pa.large_string())}),
        pa.table({"text": pa.array([b"c"], pa.binary())}),
    ]
    found = sampled(tables, ("text",), seed="", share=0.01)
    assert set(found.table.column("text").to_pylist()) == {None, "a", "b", "c"}


def test_the_audit_draws_one_row_in_a_hundred_however_they_come():
    whole = Audit.of("a")(40_000)
    audit = Audit.of("a")
    parts = np.concatenate([audit(rows) for rows in (1, 39_000, 999)])
    assert np.array_equal(whole, parts)
    assert 300 < whole.sum() < 500


def test_a_smaller_share_is_certified_by_more_rows():
    few, many = (SampleSize.of(1_000_000, share=share) for share in (0.05, 0.01))
    assert few.fitting == many.fitting
    assert (few.certifying, many.certifying) == (600, 2_000)
    assert SampleSize.of(10_000, share=0.01).total <= 1_200
