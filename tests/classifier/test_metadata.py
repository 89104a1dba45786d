"""`scorer.json`: what is written is read, what is damaged is refused."""

from __future__ import annotations

import json

import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import METADATA_FILE, ModelMetadata, sha256
from scorer.errors import ModelError


def metadata(**changes) -> ModelMetadata:
    fields = {
        "base_model": "base",
        "text_columns": ("first", "second"),
        "label_column": "Étoiles",
        "labels": LabelSet.from_values([1, 2, 3]),
        "max_length": 64,
        "decision": Decision((1.25,)),
        "training": {"seed": 7},
        "metrics": {"macro_f1": 0.5},
        "uncalibrated": {"macro_f1": 0.25},
        "versions": {"torch": "2"},
    }
    return ModelMetadata(**(fields | changes))


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "plot.svg").write_text("<svg/>")
    metadata().write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("values", [[1, 2, 3], ["schlecht", "gut", "größe"], [True, False]])
def test_what_was_written_is_read(tmp_path, values):
    (tmp_path / "config.json").write_text("{}")
    written = metadata(labels=LabelSet.from_values(values))
    written.write(tmp_path)
    found = ModelMetadata.read(tmp_path)
    assert found is not None
    assert set(found.files) == {"config.json"}
    assert (found.labels, found.text_columns, found.decision) == (written.labels, ("first", "second"), written.decision)
    assert (found.training, found.metrics, found.versions) == ({"seed": 7}, {"macro_f1": 0.5}, {"torch": "2"})
    assert found.uncalibrated == {"macro_f1": 0.25}


def test_a_directory_that_scorer_did_not_write_has_none(tmp_path):
    assert ModelMetadata.read(tmp_path) is None


def test_every_file_is_recorded_and_a_difference_is_refused(directory):
    found = ModelMetadata.read(directory)
    assert set(found.files) == {"config.json", "report/plot.svg"}
    found.verify(directory, sha256)
    (directory / "report" / "plot.svg").write_text("<svg></svg>")
    with pytest.raises(ModelError, match=r"plot\.svg: changed since"):
        found.verify(directory, sha256)
    (directory / "report" / "plot.svg").unlink()
    with pytest.raises(ModelError, match=r"plot\.svg: missing"):
        found.verify(directory, sha256)


def _without(key):
    def damage(document):
        del document[key]
        return document

    return damage


def _with(**changes):
    return lambda document: document | changes


def _decided(**changes):
    return lambda document: document | {"decision": document["decision"] | changes}


@pytest.mark.parametrize(
    "damage",
    [
        _without("labels"),
        _without("schema_version"),
        _without("text_columns"),
        _without("max_length"),
        _with(schema_version=99),
        _with(unknown=1),
        _with(labels=["a", "b"]),
        _with(labels={"names": ["a", "b"], "kind": "float"}),
        _with(labels={"names": ["a", "b"], "kind": "int"}),
        _with(labels={"names": [], "kind": "string"}),
        _with(labels={"names": [1, 2], "kind": "int"}),
        _with(labels={"names": ["1", "01", "2"], "kind": "int"}),
        _with(text_columns="sentence"),
        _with(text_columns=[]),
        _with(text_columns=["a", "b", "c"]),
        _with(text_columns=[7]),
        _with(max_length="many"),
        _with(max_length=0),
        _decided(temperature=[0.0]),
        _decided(temperature=[-1.0]),
        _decided(temperature=["warm"]),
        _decided(temperature=[1.0, 1.0]),
        _decided(temperature=1.0),
        _decided(thresholds=[0.5, 0.5, 0.5]),
        _decided(abstain_below="low"),
        _decided(exponent=0.0),
        _decided(exponent=5.0),
        _decided(exponent="high"),
        _decided(odds_map=[[0.0, 0.0]]),
        _decided(odds_map=[[0.0, 0.0], [0.0, 1.0]]),
        _decided(odds_map=[[0.0, 1.0], [1.0, 1.0]]),
        _decided(odds_map=[[0.0, 0.0], [1.0, 1e9]]),
        _decided(odds_map=[[0.0, 0.0], [1.0, "high"]]),
        _decided(odds_map=[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
        _decided(odds_map=7),
        _without("decision"),
        _with(long_text={"strategy": "skim", "stride": 0, "pooling": "mean"}),
        _with(long_text={"strategy": "window", "stride": 64, "pooling": "mean"}),
        _with(long_text={"strategy": "window", "stride": -1, "pooling": "mean"}),
        _with(long_text={"strategy": "window", "stride": "8", "pooling": "mean"}),
        _with(long_text={"strategy": "window", "stride": 8, "pooling": "median"}),
        _with(long_text={"strategy": "window", "stride": 8, "shape": "round"}),
        _with(long_text="window"),
        _with(labels={"names": ["1", "2", "3"], "kind": "int", "multi": True}),
        _with(labels={"names": ["1", "2", "3"], "kind": "int", "nominal": "yes"}),
        _with(new_tokens="many"),
        _with(labels={"names": ["a", "b"], "kind": "string", "shade": 1}),
        _with(decision={"temperature": [1.0], "thresholds": None, "abstain_below": None, "exponent": 1.0, "shade": 1}),
        _with(new_tokens=-1),
        _with(labels={"names": ["a", "b", "c"], "kind": "string", "nominal": True}),
        _with(files=["config.json"]),
        lambda _: [],
        lambda _: None,
    ],
)
def test_a_damaged_file_is_a_model_error_that_names_it(directory, damage):
    path = directory / METADATA_FILE
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(ModelError, match=r"scorer\.json"):
        ModelMetadata.read(directory)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"schema_version": 1'])
def test_a_torn_file_is_a_model_error_that_names_it(directory, data):
    (directory / METADATA_FILE).write_bytes(data)
    with pytest.raises(ModelError, match=r"scorer\.json"):
        ModelMetadata.read(directory)


@pytest.mark.parametrize("temperature", ["NaN", "Infinity"])
def test_a_temperature_that_is_no_number_is_a_model_error(directory, temperature):
    path = directory / METADATA_FILE
    path.write_text(path.read_text().replace("1.25", temperature))
    with pytest.raises(ModelError, match=r"scorer\.json"):
        ModelMetadata.read(directory)


def test_a_later_version_is_refused_with_those_that_are_read(directory):
    path = directory / METADATA_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(ModelError, match="schema version 99; this scorer reads versions up to 9"):
        ModelMetadata.read(directory)


def test_version_1_had_one_temperature(directory):
    path = directory / METADATA_FILE
    document = json.loads(path.read_text())
    del document["decision"], document["labels"]["multi"]
    path.write_text(json.dumps(document | {"schema_version": 1, "temperature": 1.5}))
    found = ModelMetadata.read(directory)
    assert found is not None
    assert found.decision == Decision((1.5,))
    assert found.labels == metadata().labels


def test_version_7_had_no_map_of_the_log_odds(directory):
    path = directory / METADATA_FILE
    document = json.loads(path.read_text())
    assert "odds_map" not in document["decision"]
    path.write_text(json.dumps(document | {"schema_version": 7}))
    found = ModelMetadata.read(directory)
    assert found is not None
    assert found.decision == metadata().decision


def test_a_map_of_the_log_odds_is_kept(directory):
    kept = Decision((1.25,), odds_map=((-1.0, -0.5), (2.0, 3.0)))
    metadata(decision=kept).write(directory)
    found = ModelMetadata.read(directory)
    assert found is not None
    assert found.decision == kept


def test_that_integers_only_name_is_kept(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    labels = LabelSet.from_values([1, 2, 3], nominal=True)
    metadata(labels=labels).write(tmp_path)
    found = ModelMetadata.read(tmp_path)
    assert found is not None
    assert found.labels == labels


def test_version_2_had_no_figures_from_before_calibration_and_no_nominal_labels(directory):
    path = directory / METADATA_FILE
    document = json.loads(path.read_text())
    del document["uncalibrated"], document["labels"]["nominal"]
    path.write_text(json.dumps(document | {"schema_version": 2}))
    found = ModelMetadata.read(directory)
    assert found is not None
    assert (found.metrics, found.uncalibrated) == ({"macro_f1": 0.5}, {})
    assert found.labels == metadata().labels


def test_version_3_had_no_new_tokens(directory):
    path = directory / METADATA_FILE
    document = json.loads(path.read_text())
    del document["new_tokens"]
    path.write_text(json.dumps(document | {"schema_version": 3}))
    found = ModelMetadata.read(directory)
    assert found is not None
    assert found.new_tokens == 0


def test_several_labels_a_row_have_thresholds(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    labels = LabelSet.from_values(["a", "b"], multi=True)
    written = metadata(labels=labels, decision=Decision((1.0, 2.0), (0.3, 0.6)))
    written.write(tmp_path)
    found = ModelMetadata.read(tmp_path)
    assert found is not None
    assert (found.labels, found.decision) == (labels, written.decision)


def test_how_long_texts_are_read_is_kept_and_truncated_where_nothing_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    metadata(long_text=LongText("window", 8, "max")).write(tmp_path)
    found = ModelMetadata.read(tmp_path)
    assert found is not None
    assert found.long_text == LongText("window", 8, "max")
    document = json.loads((tmp_path / METADATA_FILE).read_text())
    del document["long_text"]
    (tmp_path / METADATA_FILE).write_text(json.dumps(document))
    before = ModelMetadata.read(tmp_path)
    assert before is not None
    assert before.long_text == LongText("truncate", 0, "mean")


@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_one_output_is_written_and_read(tmp_path, activation):
    written = metadata(labels=LabelSet.of_number("relevance"), decision=Decision(activation=activation))
    written.write(tmp_path)
    found = ModelMetadata.read(tmp_path)
    assert found is not None
    assert (found.labels, found.decision) == (written.labels, written.decision)


@pytest.mark.parametrize(
    ("labels", "decision"),
    [
        (LabelSet.of_number("relevance"), Decision()),
        (LabelSet.of_number("relevance"), Decision((2.0,), activation="sigmoid")),
        (LabelSet.of_number("relevance"), Decision(activation="tanh")),
        (LabelSet(("a", "b"), "number"), Decision(activation="identity")),
        (LabelSet.from_values([1, 2, 3]), Decision(activation="identity")),
    ],
)
def test_labels_and_numbers_in_one_are_refused(tmp_path, labels, decision):
    metadata(labels=labels, decision=decision).write(tmp_path)
    with pytest.raises(ModelError, match="not readable as model metadata"):
        ModelMetadata.read(tmp_path)
