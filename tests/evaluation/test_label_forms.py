"""Every way in which a file may write its labels, through check, fit, evaluate and diff."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import CheckResult, check_data
from scorer.classifier.metadata import ModelMetadata
from scorer.config import CheckConfig, DiffConfig, EvaluateConfig
from scorer.errors import DataError, UsageError
from scorer.evaluation.diff_job import diff
from scorer.evaluation.evaluate_job import evaluate
from scorer.runs.console import Console
from tests.conftest import TinyModel
from tests.training.fits import Remembering, reviews, run

NAMES = ("insult", "threat", "toxic")
ROWS = 36


def topics(row: int) -> list[str]:
    """None, one, two or all of the names."""
    return [name for place, name in enumerate(NAMES) if (row % 8) >> place & 1]


def bits(row: int) -> list[int]:
    return [int(name in topics(row)) for name in NAMES]


WRITERS: dict[str, Callable[[int], Any]] = {
    "json": lambda row: json.dumps(topics(row)),
    "python": lambda row: str(topics(row)),
    "numpy": lambda row: "[" + " ".join(map(repr, topics(row))) + "]",
    "separated": lambda row: ";".join(topics(row)),
    "vector text": lambda row: str(bits(row)),
    "vector": bits,
    "vector of floats": lambda row: [float(bit) for bit in bits(row)],
    "bare": lambda row: f"[{', '.join(topics(row))}]",
}
ASKED: dict[str, dict[str, Any]] = {
    "separated": {"label_separator": ";"},
    "bare": {"label_form": "list"},
    **{form: {"label_names": "insult,threat,toxic"} for form in ("vector text", "vector", "vector of floats")},
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(path: str, columns: dict[str, list[Any]]) -> Path:
    texts = [text for text, _ in reviews(ROWS)]
    table = pa.table({"text": texts, **columns})
    if path.endswith(".parquet"):
        pq.write_table(table, path)
        return Path(path)
    if path.endswith(".jsonl"):
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
        return Path(path)
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t" if path.endswith(".tsv") else ",", lineterminator="\n")
        writer.writerows([table.column_names, *(row.values() for row in table.to_pylist())])
    return Path(path)


def checked(data: Path, base: Path, **options: Any) -> CheckResult:
    config = CheckConfig(data=data, base_model=str(base), **options)
    return check_data(config, Console(quiet=True, stream=io.StringIO()))


def through(data: Path, base: Path, **options: Any) -> tuple[ModelMetadata, Remembering]:
    """A fit with `options`, and an evaluation and a diff without them; all labels are known in both."""
    console = Remembering()
    summary = run(data, base, console, max_steps=1, output=Path("model"), **options)
    assert (summary.train_rows, summary.valid_rows) != (0, 0)
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    found = evaluate(EvaluateConfig(data=str(data), model="model", device="cpu"), Remembering()).as_dict()
    told = diff(DiffConfig(old="model", new="model", data=str(data), device="cpu"), Remembering()).as_dict()
    assert told["with_unknown_labels"] == 0
    assert told["labelled"] == found["rows"]["read"] - told["label_reading"]["unlabelled"]
    assert told["new"]["metrics"]["accuracy"] == pytest.approx(found["metrics"]["accuracy"], abs=1e-6)
    assert told["label_reading"]["form"] == found["label_reading"]["form"]
    return metadata, console


@pytest.mark.parametrize("form", WRITERS)
def test_each_form_of_several_labels(tiny_model: TinyModel, form: str) -> None:
    base, values = tiny_model("bert"), [WRITERS[form](row) for row in range(ROWS)]
    ending = {"json": "csv", "python": "tsv", "numpy": "jsonl", "vector text": "csv"}.get(form, "parquet")
    data, options = written(f"d.{ending}", {"label": values}), ASKED.get(form, {})
    found = checked(data, base, **options)
    assert found.data.scan.labels.counts() == {name: sum(name in topics(row) for row in range(ROWS)) for name in NAMES}
    metadata, console = through(data, base, **options)
    assert (metadata.labels.names, metadata.labels.multi) == (NAMES, True)
    if form in ("json", "python", "numpy"):
        assert console.having("texts in brackets are read as lists: names, any number a row")
    if form not in ASKED:
        return
    doubts = {finding.code: finding for finding in checked(data, base).findings}
    assert doubts["label_form"].severity == "error"
    for refuse in (lambda: run(data, base, max_steps=1), lambda: _of_a_hub_model(data, base)):
        with pytest.raises(DataError, match="--label-"):
            refuse()


def _of_a_hub_model(data: Path, base: Path) -> None:
    """Nothing is remembered of how labels are written."""
    evaluate(EvaluateConfig(data=str(data), model=str(base), device="cpu", label_column="label"), Remembering())


@pytest.mark.parametrize("several", [True, False])
def test_columns_of_0_and_1(tiny_model: TinyModel, several: bool) -> None:
    base = tiny_model("bert")
    rows = [bits(row) if several else [int(row % 3 == place) for place in range(3)] for row in range(ROWS)]
    data = written("d.csv", {name: [row[place] for row in rows] for place, name in enumerate(NAMES)})
    found = checked(data, base, label_column=NAMES)
    assert found.data.scan.labels.counts() == {
        name: sum(row[place] for row in rows) for place, name in enumerate(NAMES)
    }
    metadata, console = through(data, base, label_column=NAMES)
    assert (metadata.labels.names, metadata.labels.multi, metadata.label_columns) == (NAMES, several, NAMES)
    assert console.having("the names of 3 columns of 0 and 1 are the labels, of which a row has ")
    assert "--label-column insult --label-column threat" in Path("model/README.md").read_text(encoding="utf-8")


def test_a_value_that_is_neither_0_nor_1(tiny_model: TinyModel) -> None:
    base = tiny_model("bert")
    columns = {name: [bits(row)[place] for row in range(ROWS)] for place, name in enumerate(NAMES)}
    columns["threat"][3] = columns["threat"][5] = -1
    data = written("d.parquet", columns)
    with pytest.raises(DataError, match=r"2 of 36 values of column 'threat' are none of 0, 1.*\(rows 4, 6\)"):
        run(data, base, label_column=NAMES, max_steps=1)
    _, console = through(data, base, label_column=NAMES, null_labels="-1")
    assert console.having("2 of 36 rows left out: their label is one of --null-labels")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_stray_value_among_numbers(tiny_model: TinyModel, ending: str) -> None:
    base, values = tiny_model("bert"), [str(1 + row % 5) for row in range(ROWS)]
    values[4], values[9], values[11] = "nan", "N/A", "nan"
    data = written(f"d.{ending}", {"label": values})
    assert {finding.code: finding.severity for finding in checked(data, base).findings}["label_form"] == "error"
    with pytest.raises(
        DataError, match=r"3 of 36 rows .*'N/A' 1, 'nan' 2.*\(rows 5, 10, 12\); .*--null-labels N/A,nan"
    ):
        run(data, base, max_steps=1)
    metadata, console = through(data, base, null_labels="nan,N/A")
    assert (metadata.labels.kind, metadata.labels.names) == ("int", ("1", "2", "3", "4", "5"))
    assert console.having("3 of 36 rows left out: their label is one of --null-labels")
    assert {finding.code for finding in checked(data, base, null_labels="nan,N/A").findings} >= {"null_spellings"}


def test_rows_without_a_label_are_skipped_when_asked(tiny_model: TinyModel) -> None:
    base, values = tiny_model("bert"), [None if row % 9 == 0 else 1 + row % 2 for row in range(ROWS)]
    data = written("d.csv", {"label": values})
    refused = r"labels: 4 null or empty of 36 rows in column 'label' \(rows 1, 10, 19, 28\); .*--skip-unlabelled"
    with pytest.raises(DataError, match=refused):
        run(data, base, max_steps=1)
    console = Remembering()
    run(data, base, console, max_steps=1, skip_unlabelled=True, output=Path("model"))
    told = "4 of 36 rows left out: they have no label (null or empty)"
    assert console.having(told)
    config = EvaluateConfig(data=str(data), model="model", device="cpu")
    with pytest.raises(DataError, match=refused):
        evaluate(config, Remembering())
    console = Remembering()
    skipping = EvaluateConfig(data=str(data), model="model", device="cpu", skip_unlabelled=True)
    found = evaluate(skipping, console).as_dict()
    assert console.having(told)
    assert (found["rows"], found["label_reading"]["unlabelled"]) == ({"read": 36, "left_out": 0, "unscored": 0}, 4)
    told_by_diff = diff(DiffConfig(old="model", new="model", data=str(data), device="cpu"), Remembering()).as_dict()
    assert (told_by_diff["labelled"], told_by_diff["label_reading"]["unlabelled"]) == (32, 4)
    severity = {finding.code: finding.severity for finding in checked(data, base, skip_unlabelled=True).findings}
    assert severity["null_labels"] == "warning"


def test_one_class_after_skipping_is_refused(tiny_model: TinyModel) -> None:
    data = written("d.csv", {"label": ["a" if row % 2 else None for row in range(ROWS)]})
    with pytest.raises(DataError, match="1 class in 18 rows"):
        run(data, tiny_model("bert"), max_steps=1, skip_unlabelled=True)


def test_names_with_a_separator_in_them_stay_names_when_asked(tiny_model: TinyModel) -> None:
    base = tiny_model("bert")
    data = written("d.csv", {"label": [("Food", "Drink", "Food, Drink")[row % 3] for row in range(ROWS)]})
    with pytest.raises(DataError, match="12 of 36 rows have a label that looks like several with ',' between them"):
        run(data, base, max_steps=1)
    metadata, _ = through(data, base, label_form="name")
    assert metadata.labels.names == ("Drink", "Food", "Food, Drink")


def test_ways_of_writing_do_not_mix(tiny_model: TinyModel) -> None:
    data = written("d.csv", {"label": ["a", "b"] * (ROWS // 2)})
    for options, message in (
        ({"label_separator": ";", "label_form": "name"}, "keep one"),
        ({"label_names": "a,a"}, "stands twice"),
        ({"label_names": "a"}, "one name"),
        ({"label_column": ("label", "label")}, "named twice"),
    ):
        with pytest.raises(UsageError, match=message):
            run(data, tiny_model("bert"), max_steps=1, **options)
