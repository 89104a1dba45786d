"""Scoring real files, compared with a slow oracle and with an independent reader."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import scorer
from tests.scoring.oracle import Oracle


@pytest.fixture(scope="module")
def mixed(realdata, tiny_model, tmp_path_factory):
    """mixed_4096.parquet, scored in fp32 and in bf16: its path, the two outputs and the model."""
    folder = tmp_path_factory.mktemp("mixed")
    model = tiny_model("bert")
    source = realdata / "mixed_4096.parquet"
    outputs = {precision: folder / f"{precision}.parquet" for precision in ("fp32", "bf16")}
    for precision, output in outputs.items():
        scorer.score(source, output, model=str(model), precision=precision, probabilities=True)
    return source, outputs, model


def test_rows_order_and_columns_are_those_of_the_input(mixed):
    source, outputs, _ = mixed
    before = pl.read_parquet(source, use_pyarrow=False)
    for output in outputs.values():
        after = pl.read_parquet(output, use_pyarrow=False)
        assert after.columns == [*before.columns, "score", "confidence", "score_status", "probabilities"]
        assert after.select(before.columns).equals(before)
        assert after["score"].null_count() == 0


def test_scores_are_those_of_one_row_at_a_time(mixed):
    source, outputs, model = mixed
    texts = pl.read_parquet(source)["text"].to_list()
    expected = np.array([row["probabilities"] for row in Oracle(model).rows(texts)])
    labels = np.arange(1, 6)[expected.argmax(1)]
    exact = pl.read_parquet(outputs["fp32"])
    assert (exact["score"].to_numpy() == labels).all()
    np.testing.assert_allclose(exact["confidence"].to_numpy(), expected.max(1), atol=1e-5)
    half = pl.read_parquet(outputs["bf16"])
    margins = np.sort(expected, axis=1)
    clear = margins[:, -1] - margins[:, -2] > 0.02
    # The tiny model's weights are random: its near-ties say nothing about a fitted model's.
    assert (half["score"].to_numpy() == labels)[clear].mean() >= 0.995
