from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.answers import compare, read_answers, score_file

LABELS = ["bad", "good"]
EXPECTED = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], np.float32)


def scored(folder, probabilities):
    source, target = folder / "in.parquet", folder / "out.parquet"
    pq.write_table(pa.table({"id": [7, 8, 9], "text": ["a", "b", "c"]}), source)
    score_file(source, target, column="text", labels=LABELS, probabilities=lambda _: probabilities)
    return target


def test_every_column_and_the_answers_are_written(tmp_path):
    target = scored(tmp_path, EXPECTED)
    table = pq.read_table(target)
    assert table.column_names == ["id", "text", "score", "confidence", "probabilities"]
    assert table.column("id").to_pylist() == [7, 8, 9]
    assert table.column("score").to_pylist() == ["bad", "good", "good"]
    assert table.column("confidence").to_pylist() == pytest.approx([0.9, 0.8, 0.6])
    labels, probabilities = read_answers(target)
    assert labels == ["bad", "good", "good"]
    assert np.array_equal(probabilities, EXPECTED)


def test_equal_answers_agree(tmp_path):
    agreement = compare(scored(tmp_path, EXPECTED), EXPECTED, LABELS)
    assert (agreement.flips, agreement.largest_difference) == (0, 0.0)


def test_flips_and_the_largest_difference_are_found(tmp_path):
    other = np.array([[0.9, 0.1], [0.25, 0.75], [0.55, 0.45]], np.float32)
    agreement = compare(scored(tmp_path, other), EXPECTED, LABELS)
    assert agreement.flips == 1
    assert agreement.flipped_share == pytest.approx(1 / 3)
    assert agreement.largest_difference == pytest.approx(0.15, abs=1e-6)


def test_a_lost_row_is_an_error(tmp_path):
    target = scored(tmp_path, EXPECTED)
    pq.write_table(pq.read_table(target).slice(1), target)
    with pytest.raises(ValueError, match=r"answers \(2, 2\), expected \(3, 2\)"):
        compare(target, EXPECTED, LABELS)
