"""Every command that takes labelled data takes a folder, a pattern and several files, and reads the same rows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import check_data
from scorer.config import CheckConfig, DiffConfig, EvaluateConfig, FitConfig
from scorer.evaluation.diff_preparation import prepare_diff
from scorer.evaluation.evaluate_preparation import prepare_evaluation
from scorer.runs.console import Console
from scorer.training.data import load_data
from tests.evaluation.fitted import make_fitted

FILES = ("hive/day=1/a.parquet", "hive/day=2/b.parquet")
PLACES: list[Any] = ["hive", "hive/*/*.parquet", "hive/**/*.parquet", list(FILES), ["hive/day=1", "hive/day=2"]]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(FILES):
        Path(name).parent.mkdir(parents=True)
        texts = [f"text {number} {row}" for row in range(20)]
        pq.write_table(pa.table({"sentence": texts, "score": [str(row % 2) for row in range(20)]}), name)
        Path(name).with_name("notes.doc").touch()
    return make_fitted(tmp_path / "model", ["0", "1"])


@pytest.mark.parametrize("places", PLACES, ids=str)
def test_all_rows_are_read_with_their_partition(places: Any, model: Path) -> None:
    out = io.StringIO()
    told = Console(stream=out)
    train = load_data(FitConfig(train=places, valid_fraction=0.1), told)
    assert (len(train.train), len(train.valid)) == (36, 4)
    checked = check_data(CheckConfig(data=places, base_model=str(model)), told)
    assert checked.data.scan.usable == 40
    evaluated = prepare_evaluation(EvaluateConfig(data=places, model=str(model), slice=("day",)), told)
    assert evaluated.examples.others["day"] == [1] * 20 + [2] * 20
    compared = prepare_diff(DiffConfig(data=places, old=str(model), new=str(model)), told)
    assert (compared.reader.rows, compared.reader.schema.field("day").type) == (40, pa.int64())
    assert train.train.fingerprint == evaluated.examples.fingerprint
    if places in ("hive", PLACES[-1]):
        assert out.getvalue().count("2 entries are not read") == 3
    assert train.lineage(FitConfig(train=places))["train"]["rows"] == 36
