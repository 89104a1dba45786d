"""Evaluations and comparisons of models that give numbers, against transformers, scikit-learn and scipy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import DiffConfig
from scorer.errors import DataError, ModelError, UsageError
from scorer.evaluation.diff_job import DiffSummary, diff
from tests.evaluation.fitted import TRAINING, logits, run, texts
from tests.models import make_model
from tests.training.fits import Remembering, write_csv


def make_number_model(directory: Path, *, seed: int = 0, metadata: bool = True) -> Path:
    """A random model in `directory` that says of itself what `scorer fit --regression` says."""
    make_model(directory, "bert", labels=("price",), seed=seed)
    config = directory / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"problem_type": "regression"}))
    if metadata:
        ModelMetadata(
            base_model=str(directory),
            text_columns=("sentence",),
            label_column="price",
            labels=LabelSet.of_number("price"),
            max_length=32,
            decision=Decision(activation="identity"),
            training=TRAINING | {"regression": True, "best_metric": "rmse"},
        ).write(directory)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_number_model(tmp_path_factory.mktemp("numbers") / "model")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_number_model(tmp_path_factory.mktemp("numbers") / "other", seed=1)


def labelled(model: Path, count: int = 60) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts, their true numbers and those that the model gives; the first ten are far off."""
    rows = texts(count)
    given = logits(model, rows)[:, 0].astype(np.float64)
    draw = np.random.default_rng(0)
    truth = np.round(given + draw.normal(0, 0.3 * given.std(), count), 3)
    truth[:10] += 4 * given.std()
    return rows, truth, given


def write(path: Path, rows: list[str], truth: np.ndarray) -> Path:
    kinds = ["a"] * 10 + ["b"] * (len(rows) - 10)
    return write_csv(path, ("sentence", "price", "kind"), list(zip(rows, truth.tolist(), kinds, strict=True)))


def test_the_figures_are_those_of_transformers_and_scikit_learn(model: Path, tmp_path: Path) -> None:
    rows, truth, given = labelled(model)
    console = Remembering()
    files = {"rows": tmp_path / "rows.parquet", "report": tmp_path / "page.html"}
    found = run(write(tmp_path / "data.csv", rows, truth), model, console, slice=("kind",), **files).as_dict()
    metrics = found["metrics"]
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(truth, given), rel=1e-4)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(truth, given), rel=1e-4)
    assert metrics["r2"] == pytest.approx(r2_score(truth, given), rel=1e-4)
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(truth, given).statistic, rel=1e-4)
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(truth, given).statistic, abs=1e-3)
    assert {hard["row"] for hard in found["hardest"][:10]} == set(range(1, 11))
    assert found["hardest"][0]["residual"] == found["hardest"][0]["label"] - found["hardest"][0]["score"]
    assert [(part["value"], part["rows"]) for part in found["slices"] if part["column"] == "kind"] == [
        ("b", 50),
        ("a", 10),
    ]
    assert console.having("RMSE ")
    assert console.having("look first at rows ")
    assert not console.having("alibrat")
    table = pq.read_table(files["rows"])
    assert table.schema.names == ["row", "text", "label", "score", "residual"]
    by_row = table.sort_by("row").to_pydict()
    assert by_row["text"] == rows
    np.testing.assert_allclose(by_row["label"], truth)
    np.testing.assert_allclose(by_row["score"], given, atol=1e-4)
    page = files["report"].read_text(encoding="utf-8")
    assert "Predicted against true" in page
    assert "confidence" not in page
    json.dumps(found, allow_nan=False)


def test_a_model_of_the_hub_with_numbers_as_text(tmp_path: Path) -> None:
    model = make_number_model(tmp_path / "model", metadata=False)
    rows, truth, given = labelled(model, 40)
    table = pa.table({"text": rows, "label": [f" {number}" for number in truth.tolist()]})
    pq.write_table(table, tmp_path / "data.parquet")
    found = run(tmp_path / "data.parquet", model).as_dict()
    assert found["metrics"]["rmse"] == pytest.approx(root_mean_squared_error(truth, given), rel=1e-4)
    with pytest.raises(UsageError, match="--folds"):
        run(tmp_path / "data.parquet", model, folds=2)


def test_few_rows_and_rows_without_a_number(model: Path, tmp_path: Path) -> None:
    rows, truth, _ = labelled(model, 20)
    data = write_csv(tmp_path / "data.csv", ("sentence", "price"), list(zip(rows, ["", *truth[1:]], strict=True)))
    with pytest.raises(DataError, match=r"1 null or empty of 20 rows in column 'price' \(row 1\)"):
        run(data, model)
    console = Remembering()
    found = run(data, model, console, skip_unlabelled=True)
    assert console.having("19 rows say little: a correlation on them is uncertain by up to 0.45")
    assert len(found.warnings) == 1
    bad = write_csv(tmp_path / "bad.csv", ("sentence", "price"), list(zip(rows, ["dear", *truth[1:]], strict=True)))
    with pytest.raises(DataError, match=r"no finite number, the first is a text of length 4 \(row 1\)"):
        run(bad, model)


def test_folds_judge_every_row_by_a_model_that_has_not_seen_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows, truth, _ = labelled(model)
    data = write(tmp_path / "data.csv", rows, truth)
    console = Remembering()
    found = run(data, model, console, folds=2).as_dict()
    assert console.having("fold 2 of 2")
    assert found["metrics"]["rows"] == 60
    assert found["metrics"]["rmse"] > 0
    assert run(data, model, folds=2).as_dict()["metrics"] == found["metrics"]


def compare(old: Path, new: Path, data: Path, console: Remembering | None = None, **options: object) -> DiffSummary:
    settings = {"precision": "fp32", "device": "cpu"} | options
    return diff(DiffConfig(old=str(old), new=str(new), data=str(data), **settings), console or Remembering())


def test_two_models_are_compared_by_their_squared_errors(model: Path, other: Path, tmp_path: Path) -> None:
    rows, truth, given = labelled(model)
    theirs = logits(other, rows)[:, 0].astype(np.float64)
    console = Remembering()
    data = write(tmp_path / "data.csv", rows, truth)
    found = compare(other, model, data, console, rows=tmp_path / "rows.parquet").as_dict()
    assert (found["rows"], found["compared"], found["changed"], found["labelled"]) == (60, 60, 60, 60)
    assert found["mean_absolute_change"] == pytest.approx(np.abs(given - theirs).mean(), rel=1e-4)
    assert found["old"]["metrics"]["rmse"] == pytest.approx(root_mean_squared_error(truth, theirs), rel=1e-4)
    assert found["new"]["metrics"]["spearman"] == pytest.approx(stats.spearmanr(truth, given).statistic, abs=1e-3)
    z = stats.ttest_rel((truth - given) ** 2, (truth - theirs) ** 2).statistic
    paired = found["paired_squared_errors"]
    assert paired["p_value"] == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-2)
    assert paired["difference"] == pytest.approx(((truth - given) ** 2 - (truth - theirs) ** 2).mean(), rel=1e-3)
    assert found["examples"][0]["row"] == 1 + int(np.abs(given - theirs).argmax())
    assert console.having("squared errors change by ")
    table = pq.read_table(tmp_path / "rows.parquet")
    np.testing.assert_allclose(table["old_score"].to_numpy(), theirs, atol=1e-4)
    assert table["new_confidence"].null_count == 60
    json.dumps(found, allow_nan=False)


def test_the_same_model_changes_no_number(model: Path, tmp_path: Path) -> None:
    rows, truth, _ = labelled(model, 10)
    prices = [*truth[:7].tolist(), "", "", "nan"]
    data = write_csv(tmp_path / "data.csv", ("sentence", "price"), list(zip(rows, prices, strict=True)))
    console = Remembering()
    found = compare(model, model, data, console, null_labels="nan").as_dict()
    assert (found["changed"], found["examples"], found["mean_absolute_change"]) == (0, [], 0.0)
    assert (found["labelled"], found["paired_squared_errors"]["p_value"]) == (7, 1.0)
    assert console.having("3 of 10 rows have no true number")
    assert console.having("0 of 10 rows change their number")
    unlabelled = compare(model, model, write_csv(tmp_path / "texts.csv", ("sentence",), [(row,) for row in rows]))
    assert unlabelled.as_dict()["paired_squared_errors"] is None
    none = write_csv(tmp_path / "none.csv", ("sentence", "price"), [("", 1.0), (" ", 2.0)])
    assert compare(model, model, none).as_dict()["mean_change"] is None


def test_what_numbers_do_not_have_is_refused(model: Path, fitted: Path, tmp_path: Path) -> None:
    rows, truth, _ = labelled(model, 10)
    data = write(tmp_path / "data.csv", rows, truth)
    with pytest.raises(UsageError, match=r"^--max-flips: these models give numbers"):
        compare(model, model, data, max_flips="2%")
    with pytest.raises(ModelError, match=r"gives numbers .* they cannot be compared"):
        compare(model, fitted, data)
    with pytest.raises(DataError, match=r"no finite number"):
        compare(model, model, write_csv(tmp_path / "bad.csv", ("sentence", "price"), [("a", "dear"), ("b", 1)]))
    with pytest.raises(DataError, match=r"beyond 1e\+30"):
        compare(model, model, write_csv(tmp_path / "big.csv", ("sentence", "price"), [("a", 1e31), ("b", 1)]))
