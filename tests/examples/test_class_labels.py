"""Labels that a file writes as numbers and names beside them."""

from __future__ import annotations

import io

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import check_data
from scorer.config import CheckConfig, DiffConfig
from scorer.errors import DataError
from scorer.evaluation.diff_job import diff
from scorer.examples.class_labels import ClassLabels
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import read_examples
from scorer.runs.console import Console

EMOTIONS = ["sadness", "joy", "love", "anger", "fear", "surprise"]


def written(path, labels, feature, **columns):
    """A file as `datasets` writes it."""
    texts = [f"text {number}" for number, _ in enumerate(labels)]
    features = datasets.Features({"text": datasets.Value("string"), "label": feature})
    datasets.Dataset.from_dict({"text": texts, "label": labels, **columns}, features=features).to_parquet(str(path))
    return path


def read(path, **options):
    return read_examples(str(path), text_columns=(), options=LabelOptions(**options))


def test_what_datasets_writes_is_read_by_its_names(tmp_path):
    path = written(tmp_path / "a.parquet", [0, 5, 3, 1, 0], datasets.ClassLabel(names=EMOTIONS))
    assert read(path).labels == ["sadness", "surprise", "anger", "joy", "sadness"]


def test_several_a_row(tmp_path):
    feature = datasets.List(datasets.ClassLabel(names=EMOTIONS))
    path = written(tmp_path / "a.parquet", [[0, 5], [], [3]], feature)
    assert read(path).labels == [("sadness", "surprise"), (), ("anger",)]


def test_a_row_without_a_label(tmp_path):
    path = written(tmp_path / "a.parquet", [0, -1, 1], datasets.ClassLabel(names=EMOTIONS))
    with pytest.raises(DataError, match="1 null or empty of 3 rows"):
        read(path)
    assert read(path, skip=True).labels == ["sadness", "joy"]


def test_numbers_stay_numbers_where_numbers_are_learned_and_where_there_are_no_names(tmp_path):
    path = written(tmp_path / "a.parquet", [0, 1], datasets.ClassLabel(names=["no", "yes"]))
    assert read(path, numbers=True).labels == [0.0, 1.0]
    plain = written(tmp_path / "b.parquet", [0, 1], datasets.Value("int64"))
    assert read(plain).labels == [0, 1]
    names = written(tmp_path / "c.parquet", ["no", "yes"], datasets.Value("string"))
    assert read(names).labels == ["no", "yes"]


def test_a_model_that_was_fitted_on_the_numbers_reads_numbers(tmp_path):
    path = written(tmp_path / "a.parquet", [0, 1, 0], datasets.ClassLabel(names=["no", "yes"]))
    assert read(path, known=frozenset({"0", "1"})).labels == [0, 1, 0]
    assert read(path, known=frozenset({"no", "yes", "perhaps"})).labels == ["no", "yes", "no"]


def test_a_diff_judges_by_the_names(tmp_path, tiny_model):
    names = ("no", "yes")
    models = [str(tiny_model("bert", labels=names, seed=seed)) for seed in (0, 1)]
    path = written(tmp_path / "a.parquet", [0, 1] * 20, datasets.ClassLabel(names=list(names)))
    config = DiffConfig(old=models[0], new=models[1], data=str(path), label_column=("label",), quiet=True)
    found = diff(config, Console(quiet=True, stream=io.StringIO())).as_dict()
    assert (found["labelled"], found["with_unknown_labels"]) == (40, 0)


def test_a_number_that_no_name_is_for(tmp_path):
    table = pq.read_table(written(tmp_path / "a.parquet", [0, 1], datasets.ClassLabel(names=["no", "yes"])))
    wrong = table.set_column(1, "label", pa.array([0, 2]))
    pq.write_table(wrong.replace_schema_metadata(table.schema.metadata), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="none of its 2 names is for"):
        read(tmp_path / "b.parquet")


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"info": 1}', b'{"info": {"features": {"label": {"names": 3}}}}'])
def test_metadata_that_say_nothing(said):
    schema = pa.schema([("label", pa.int64())], metadata={"huggingface": said})
    from pathlib import Path

    assert ClassLabels.of(schema, [Path("a.parquet")], ["label"], known=frozenset(), where="a").names == {}


def test_a_check_counts_the_names(tmp_path):
    path = written(tmp_path / "a.parquet", [0, 5, 3, 1, 0] * 8, datasets.ClassLabel(names=EMOTIONS))
    found = check_data(CheckConfig(data=str(path)), Console(stream=io.StringIO()))
    assert found.data.scan.labels.counts() == {"sadness": 16, "anger": 8, "joy": 8, "surprise": 8}
