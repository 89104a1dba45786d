"""However rows are batched, windowed and ordered, each gets the same answer within the precision of the arithmetic."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from tests.models import sentences
from tests.scoring.files import write

# Tokens at once, rows of a window, and the order in which the rows come.
BATCHINGS = [(64, 97, 1), (512, 1_000, 2), (2_048, 65_536, None), (8_192, 97, 3), (8_192, 65_536, 4)]
TOLERANCE = 1e-5


def answers(source: Path, model: Path, batching: tuple[int, int, int | None], precision: str) -> np.ndarray:
    """Probabilities (rows, labels) float64 in the order of `source`, computed in the order that `batching` says."""
    batch_tokens, window_rows, seed = batching
    table = pq.read_table(source)
    order = list(range(table.num_rows))
    if seed is not None:
        random.Random(seed).shuffle(order)
    shuffled = write(source.with_name("shuffled.parquet"), table.take(order))
    target = source.with_name("out.parquet")
    how = {"batch_tokens": batch_tokens, "window_rows": window_rows, "precision": precision}
    scorer.score(shuffled, target, model=str(model), probabilities=True, force=True, **how)
    scored = pq.read_table(target)
    assert scored["id"].to_pylist() == order
    structs = scored["probabilities"].combine_chunks()
    found = np.empty((table.num_rows, structs.type.num_fields))
    found[order] = np.stack([structs.field(index).to_numpy() for index in range(structs.type.num_fields)], axis=1)
    return found


def compare(source: Path, model: Path, precision: str) -> dict[str, float]:
    """The largest difference from the first batching, the rows whose label differs, and of those the widest margin
    that the first batching had between its two likeliest labels."""
    first, *others = (answers(source, model, batching, precision) for batching in BATCHINGS)
    top = np.sort(first, axis=1)[:, -2:]
    margins = top[:, 1] - top[:, 0]
    flipped = [other.argmax(axis=1) != first.argmax(axis=1) for other in others]
    return {
        "rows": len(first),
        "difference": max(float(np.abs(other - first).max()) for other in others),
        "flips": max(int(flip.sum()) for flip in flipped),
        "margin": max(float(margins[flip].max(initial=0.0)) for flip in flipped),
    }


def write_rows(folder: Path, count: int) -> Path:
    texts = [f"{text} {number}" for number, text in enumerate(sentences(count, seed=7, longest=60))]
    return write(folder / "in.parquet", pa.table({"id": range(count), "text": texts}))


def check(folder: Path, model: Path, count: int) -> dict[str, float]:
    found = compare(write_rows(folder, count), model, "fp32")
    assert found["difference"] < TOLERANCE
    assert found["margin"] <= 2 * TOLERANCE, "a label flipped that was clear"
    return found


def test_five_batchings_agree(tmp_path, tiny_model):
    check(tmp_path, tiny_model("bert"), 1_000)


@pytest.mark.torture
@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta", "deberta-v2"])
def test_five_batchings_agree_on_ten_thousand_rows(tmp_path, tiny_model, architecture):
    print(architecture, check(tmp_path, tiny_model(architecture), 10_000))  # noqa: T201  the figures are wanted


@pytest.mark.torture
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_bound_of_a_fitted_model(tmp_path, precision):
    """SCORER_FITTED names a fitted model, SCORER_ROWS a Parquet file with a column `text`; prints what README says."""
    model, rows = os.environ.get("SCORER_FITTED"), os.environ.get("SCORER_ROWS")
    if not model or not rows:
        pytest.skip("SCORER_FITTED and SCORER_ROWS are not set: a fitted model, and a Parquet file with a column text")
    texts = pq.read_table(rows, columns=["text"])["text"].drop_null().slice(0, 10_000)
    source = write(tmp_path / "in.parquet", pa.table({"id": range(len(texts)), "text": texts}))
    found = compare(source, Path(model), precision)
    print(precision, found)  # noqa: T201
    assert found["difference"] < (TOLERANCE if precision == "fp32" else 0.1)
