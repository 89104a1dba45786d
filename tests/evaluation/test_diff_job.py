"""Two models through one file: what `scorer diff` finds, against each model scoring the file by itself."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import DiffConfig
from scorer.errors import DataError, Interrupted, ModelError, OutputRefused, UsageError
from scorer.evaluation.diff_job import diff
from scorer.evaluation.diff_preparation import prepare_diff
from scorer.runs.console import Console
from scorer.scoring.inspection import verify_file
from scorer.stores.location import Location
from scorer.tables.sink import table_file
from tests.evaluation.fitted import TEMPERATURE, make_fitted, run, texts
from tests.models import sentences
from tests.scoring.files import read, write
from tests.training.fits import Meanwhile, Remembering


@pytest.fixture(scope="module")
def models(tiny_model):
    """Labels 1 to 5, and labels 2 to 6: four in common."""
    return str(tiny_model("bert")), str(tiny_model("roberta", labels=("2", "3", "4", "5", "6")))


@pytest.fixture
def table():
    texts = [*sentences(120, seed=5), None, "", "漢字"]
    return pa.table({"text": texts, "id": range(len(texts))})


@pytest.fixture
def compare(models, tmp_path):
    def compare(table, name="in.parquet", console=None, window_rows=16_384, table_file=table_file, **options):
        data = write(tmp_path / name, table)
        fixed = {"old": models[0], "new": models[1], "precision": "fp32"}
        config = DiffConfig(data=str(data), **fixed | options)
        return diff(config, console or Console(quiet=True), window_rows=window_rows, table_file=table_file)

    return compare


def answers(model, table):
    frame = scorer.load(model, precision="fp32").score_frame(table)
    return [(row["score"], row["confidence"]) for row in frame.to_pylist()]


def test_what_changes_between_two_models(compare, models, table, tmp_path):
    summary = compare(table, window_rows=50, rows=tmp_path / "rows.parquet")
    found = summary.as_dict()
    json.dumps(found)
    old, new = (answers(model, table) for model in models)
    changed = [place for place, (a, b) in enumerate(zip(old, new, strict=True)) if a[0] != b[0]]
    assert 0 < len(changed) < len(table)
    assert (found["rows"], found["compared"], found["changed"]) == (len(table), len(table) - 2, len(changed))
    assert (found["labels_only_in_old"], found["labels_only_in_new"]) == (["1"], ["6"])
    assert found["old"]["model"] == models[0]
    assert (found["label_column"], found["labelled"], found["mcnemar"], found["too_many_changes"]) == (
        None,
        0,
        None,
        False,
    )
    shifts = [abs(a[1] - b[1]) for a, b in zip(old, new, strict=True) if a[0] is not None]
    assert found["mean_confidence_change"] == pytest.approx(sum(shifts) / len(shifts), abs=1e-5)
    rows = read(tmp_path / "rows.parquet")
    assert [row["row_number"] for row in rows] == [place + 1 for place in changed]
    assert [row["id"] for row in rows] == changed
    assert [(row["old_score"], row["new_score"]) for row in rows] == [(old[i][0], new[i][0]) for i in changed]
    assert [row["new_confidence"] for row in rows] == pytest.approx([new[i][1] for i in changed], abs=1e-5)
    assert json.loads(pq.read_metadata(tmp_path / "rows.parquet").metadata[b"scorer"])["kind"] == "diff"
    verified = verify_file(Location.of_path(tmp_path / "rows.parquet"))
    assert (verified.error, verified.document["scored"], verified.document["written_by"]) == (None, False, "diff")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "rows.parquet"]
    texts = [text for text in table["text"].to_pylist() if text]
    assert not any(text in json.dumps(found, ensure_ascii=False) for text in texts if len(text) > 5)


def test_a_model_does_not_differ_from_itself(compare, models, table, tmp_path):
    summary = compare(table, new=models[0], rows=tmp_path / "rows.csv", max_flips="0")
    found = summary.as_dict()
    assert (found["changed"], found["changes"], found["examples"]) == (0, [], [])
    assert found["mean_confidence_change"] == 0
    assert read(tmp_path / "rows.csv") == []
    summary.refuse_too_many()


def test_labels_tell_which_model_is_better(compare, models, table):
    stars = [score for score, _ in answers(models[1], table)]
    labelled = table.append_column("stars", pa.array([*stars[:100], *[9] * 10, *[None] * (len(table) - 110)]))
    console = Remembering()
    found = compare(labelled, label_column="stars", console=console).as_dict()
    assert found["labelled"] == 110
    assert found["new"]["metrics"]["accuracy"] == pytest.approx(100 / 110)
    right = sum(a[0] == b for a, b in zip(answers(models[0], table)[:100], stars, strict=False))
    assert found["old"]["metrics"]["accuracy"] == pytest.approx(right / 110)
    assert found["mcnemar"]["only_old_right"] == 0
    assert found["mcnemar"]["only_new_right"] == 100 - right
    assert found["mcnemar"]["p_value"] < 1e-6
    assert console.having("McNemar")
    assert found["with_unknown_labels"] == 10
    assert console.having("10 of 110 labelled rows have a label that neither model knows")


def test_columns_of_views(compare, table, tmp_path):
    """pyarrow has no kernel that filters them; so a table of plain columns says what is right."""
    stars = pa.array([str(place % 5 + 1) for place in range(len(table))])
    plain = table.append_column("stars", stars).append_column("other", table["text"])
    views = plain.cast(
        pa.schema([(name, pa.string_view() if name != "id" else pa.int64()) for name in plain.schema.names])
    )
    found = [
        compare(data, name, label_column="stars", rows=tmp_path / f"rows_{name}").as_dict()
        for data, name in ((plain, "plain.parquet"), (views, "views.parquet"))
    ]
    assert 0 < found[0]["changed"] < len(table)
    for key in ("changed", "examples", "labelled", "mcnemar"):
        assert found[0][key] == found[1][key]
    assert read(tmp_path / "rows_plain.parquet") == read(tmp_path / "rows_views.parquet")


@pytest.mark.parametrize(("limit", "passes"), [("100%", True), ("1%", False), ("0", False), ("500", True)])
def test_the_gate(compare, table, limit, passes):
    summary = compare(table, max_flips=limit)
    assert summary.as_dict()["too_many_changes"] is not passes
    if passes:
        summary.refuse_too_many()
    else:
        with pytest.raises(DataError, match=rf"rows change their label, and --max-flips is {limit}"):
            summary.refuse_too_many()


def test_columns_and_labels_that_the_models_know(models, table, tmp_path):
    fitted = []
    for number, (name, column) in enumerate(zip(models, ("body", "text"), strict=True)):
        directory = shutil.copytree(name, tmp_path / f"model{number}")
        labels = LabelSet.from_values([number + value for value in range(1, 6)])
        fields = {"base_model": "b", "text_columns": (column,), "label_column": "stars", "labels": labels}
        ModelMetadata(**fields, max_length=64, decision=Decision((2.0,))).write(directory)
        fitted.append(str(directory))
    both = table.append_column("body", table["text"]).append_column("stars", pa.array([3] * len(table)))
    data = write(tmp_path / "in.parquet", both)
    prepared = prepare_diff(DiffConfig(old=fitted[0], new=fitted[1], data=str(data)), Console(quiet=True))
    assert (prepared.texts, prepared.label) == ((("body",), ("text",)), "stars")
    config = DiffConfig(old=models[0], new=models[1], data=str(data), text_column=("text",))
    assert prepare_diff(config, Console(quiet=True)).label is None


def test_several_labels_a_row(models, table, tmp_path):
    fitted = []
    for number, name in enumerate(models):
        directory = shutil.copytree(name, tmp_path / f"model{number}")
        config = json.loads((directory / "config.json").read_text())
        (directory / "config.json").write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))
        labels = LabelSet.from_values([number + value for value in range(1, 6)], multi=True)
        fields = {"base_model": "b", "text_columns": ("text",), "label_column": "tags", "labels": labels}
        ModelMetadata(**fields, max_length=64, decision=Decision((1.0,), (0.5,) * 5)).write(directory)
        fitted.append(str(directory))
    old, new = (answers(model, table) for model in fitted)
    tagged = table.append_column("tags", pa.array([score for score, _ in old], pa.list_(pa.int64())))
    config = DiffConfig(
        old=fitted[0],
        new=fitted[1],
        data=str(write(tmp_path / "in.parquet", tagged)),
        precision="fp32",
        rows=tmp_path / "rows.jsonl",
    )
    found = diff(config, Console(quiet=True)).as_dict()
    assert found["old"]["metrics"]["accuracy"] == 1.0
    assert found["changed"] == sum(a[0] != b[0] for a, b in zip(old, new, strict=True)) == len(read(config.rows))
    lost = sum(1 in a[0] for a, _ in zip(old, new, strict=True) if a[0] is not None)
    assert {"label": "1", "gained": 0, "lost": lost} in found["changes"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"max_flips": "many"}, UsageError, "--max-flips many: expected"),
        ({"label_column": "stars"}, UsageError, "no column 'stars'"),
        ({"label_column": "text"}, UsageError, "named as text and as label"),
        ({"text_column": ("id",)}, ModelError, "int64, not text"),
        ({"old": "absent/model/x"}, ModelError, "no such model directory"),
    ],
)
def test_what_is_refused(compare, table, options, error, said):
    with pytest.raises(error, match=said):
        compare(table, **options)


def test_files_that_must_not_be_written(compare, table, tmp_path):
    (tmp_path / "there.csv").write_text("x")
    for name, error, said in (
        ("there.csv", OutputRefused, "--force"),
        ("rows.xyz", UsageError, "no format has this ending"),
        ("in.parquet", UsageError, "is the input itself"),
    ):
        with pytest.raises(error, match=said):
            compare(table, rows=tmp_path / name)
    with pytest.raises(UsageError, match="'old_score'"):
        compare(table.rename_columns(["text", "old_score"]), rows=tmp_path / "rows.csv")
    assert (tmp_path / "there.csv").read_text() == "x"


def test_rows_are_not_written_into_the_input(models, table, tmp_path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "in.parquet", table)
    data, rows = str(tmp_path / "folder"), tmp_path / "folder" / "rows.parquet"
    with pytest.raises(UsageError, match="would be part of the input"):
        prepare_diff(DiffConfig(old=models[0], new=models[1], data=data, rows=rows), Console(quiet=True))


def test_a_failure_leaves_no_rows(compare, table, tmp_path):
    labelled = table.append_column("stars", pa.array([0.5] * len(table)))
    with pytest.raises(DataError, match="no whole numbers"):
        compare(labelled, label_column="stars", rows=tmp_path / "rows.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_signal_once_the_rows_stand_comes_too_late(compare, table, tmp_path):
    @contextmanager
    def stopped_after(*arguments, **options):
        with table_file(*arguments, **options) as sink:
            yield sink
        os.kill(os.getpid(), signal.SIGTERM)

    found = compare(table, rows=tmp_path / "rows.jsonl", table_file=stopped_after).as_dict()
    assert found["changed"] == len(read(tmp_path / "rows.jsonl"))


def test_a_signal_before_that_leaves_no_rows(compare, table, tmp_path):
    stop = Meanwhile(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted, match="nothing was written"):
        compare(table, console=stop, rows=tmp_path / "rows.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_no_rows_at_all(compare, table, tmp_path):
    summary = compare(table.slice(0, 0), max_flips="0%", rows=tmp_path / "rows.parquet")
    assert summary.as_dict()["rows"] == 0
    with pytest.raises(DataError, match="no row was scored, so --max-flips has nothing to judge by"):
        summary.refuse_too_many()
    compare(table.slice(0, 0)).refuse_too_many()
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 0


@pytest.mark.parametrize("column", ["score", "tags"])
def test_labels_are_separated_as_a_model_says_whatever_their_column_is_called(tmp_path, column):
    """The old model's file had lists, the new one's texts with a separator."""
    old, new = (make_fitted(tmp_path / name, ("bad", "good"), multi=True) for name in ("old", "new"))
    dataclasses.replace(ModelMetadata.read(old), label_separator=None).write(old)
    data = write(tmp_path / "d.csv", pa.table({"sentence": ["a", "b"], column: ["bad|good", "good"]}))
    config = DiffConfig(old=str(old), new=str(new), data=str(data), label_column=column)
    prepared = prepare_diff(config, Console(quiet=True))
    assert prepared.labels is not None
    assert (prepared.label, prepared.labels.separator) == (column, "|")
    said = DiffConfig(old=str(old), new=str(new), data=str(data), label_column=column, label_separator=";")
    read = prepare_diff(said, Console(quiet=True)).labels
    assert read is not None
    assert read.separator == ";"


NUMBERS, NAMES = (1.0, float("nan"), None), ("1", "", None)


@pytest.mark.parametrize("kind", [pa.float32(), pa.string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_rows_without_a_label_are_not_judged(compare, table, kind):
    """Of the 41 rows that have one, the row without a text is not judged either."""
    stars = pa.array((NUMBERS if kind == pa.float32() else NAMES) * 41, kind)
    found = compare(table.append_column("stars", stars), label_column="stars").as_dict()
    assert (found["labelled"], found["with_unknown_labels"]) == (40, 0)


def test_an_empty_text_between_separators_is_a_row_without_any_label(tmp_path):
    model = str(make_fitted(tmp_path / "model", ("bad", "good"), multi=True))
    data = write(tmp_path / "d.parquet", pa.table({"sentence": texts(4), "score": ["", "bad|good", None, "good"]}))
    found = diff(DiffConfig(old=model, new=model, data=str(data), precision="fp32"), Console(quiet=True)).as_dict()
    assert (found["labelled"], found["with_unknown_labels"]) == (3, 0)


def test_figures_are_those_of_an_evaluation(fitted, tmp_path):
    rows: list[str | None] = [*texts(60)]
    rows[7], rows[8] = "", None
    data = write(tmp_path / "d.parquet", pa.table({"sentence": rows, "score": [1, 5] * 30}))
    config = DiffConfig(old=str(fitted), new=str(fitted), data=str(data), precision="fp32", device="cpu")
    found = diff(config, Console(quiet=True)).as_dict()
    evaluated = run(data, fitted).findings.metrics
    assert found["labelled"] == evaluated.rows == 58
    expected = {"accuracy": evaluated.accuracy, "macro_f1": evaluated.macro_f1, "ece": evaluated.ece}
    assert found["new"]["metrics"] == pytest.approx(expected, abs=1e-5)


def test_the_gate_sees_abstentions(tmp_path):
    old, new = (make_fitted(tmp_path / name, ("1", "5")) for name in ("old", "new"))
    table = pa.table({"sentence": texts(60)})
    scored = scorer.load(str(old), precision="fp32", device="cpu").score_frame(table)
    confidence = sorted(scored["confidence"].to_pylist())
    decision = Decision((TEMPERATURE,), abstain_below=(confidence[19] + confidence[20]) / 2)
    dataclasses.replace(ModelMetadata.read(new), decision=decision).write(new)
    data, console = write(tmp_path / "d.parquet", table), Remembering()
    config = DiffConfig(old=str(old), new=str(new), data=str(data), precision="fp32", device="cpu", max_flips="0")
    summary = diff(config, console)
    found = summary.as_dict()
    assert (found["abstained_by_old"], found["abstained_by_new"], found["changed"]) == (0, 20, 20)
    assert {(one["old"] == one["new"], one["abstains"]) for one in found["changes"]} == {(True, "new")}
    assert sum(one["rows"] for one in found["changes"]) == 20
    assert console.having("the old model abstains from 0 rows, the new one from 20")
    assert console.having("(the new model abstains)")
    with pytest.raises(DataError, match="20 of 60 rows change their label or abstention, and --max-flips is 0"):
        summary.refuse_too_many()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_answers_of_scorer_are_no_labels_unless_asked_for(fitted, tmp_path, name):
    write(tmp_path / "in.parquet", pa.table({"sentence": texts(5)}))
    scorer.score(tmp_path / "in.parquet", tmp_path / name, model=str(fitted), precision="fp32", device="cpu")
    config = DiffConfig(old=str(fitted), new=str(fitted), data=str(tmp_path / name))
    assert prepare_diff(config, Console(quiet=True)).label is None
    assert prepare_diff(dataclasses.replace(config, label_column="score"), Console(quiet=True)).label == "score"


@pytest.mark.parametrize("names", [("false", "mixed", "true"), ("False", "True", "mixed")])
def test_a_column_of_booleans_has_the_names_that_the_models_know(tmp_path, names):
    model = str(make_fitted(tmp_path / "model", names))
    data = write(tmp_path / "d.parquet", pa.table({"sentence": texts(4), "score": [True, False, None, True]}))
    found = diff(DiffConfig(old=model, new=model, data=str(data), precision="fp32"), Console(quiet=True)).as_dict()
    assert (found["labelled"], found["with_unknown_labels"]) == (3, 0)
