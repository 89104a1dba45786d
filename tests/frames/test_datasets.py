"""Data sets of `datasets`: what is appended, and which results are read from the cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import polars as pl
import pytest

import scorer
from scorer.errors import UsageError
from tests.models import sentences
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

ADDED = ["score", "confidence", "score_status"]


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


@pytest.fixture(autouse=True)
def _silent():
    datasets.disable_progress_bars()


@pytest.fixture
def stored(tmp_path):
    """`stored(**columns)`: a data set that lies on the disk, where results of a map are cached."""

    def make(**columns):
        pl.DataFrame(columns).write_parquet(tmp_path / "in.parquet")
        return datasets.Dataset.from_parquet(str(tmp_path / "in.parquet"), cache_dir=str(tmp_path / "cache"))

    return make


def cached(ds):
    return Path(ds.cache_files[0]["filename"])


def test_the_columns_and_their_types(model, stored):
    texts = mixed_texts(30, seed=1)
    ds = stored(id=list(range(30)), text=texts)
    scored = scorer.datasets.score(ds, model, precision="fp32", probabilities=True)
    assert scored.column_names == ["id", "text", *ADDED, "probabilities"]
    assert scored.features["score"] == datasets.Value("int64")
    assert scored.features["confidence"] == datasets.Value("float32")
    assert scored.features["score_status"] == datasets.Value("string")
    assert scored["id"][:] == list(range(30))
    assert scored.features["text"] == ds.features["text"]
    assert_answers(list(scored), Oracle(model).rows(texts))


def test_class_labels_and_format_stay(model, stored):
    ds = stored(text=["good", "bad"], label=[0, 1]).cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    scored = scorer.datasets.score(ds.with_format("numpy", columns=["label"]), model)
    assert scored.features["label"] == datasets.ClassLabel(names=["no", "yes"])
    assert set(scored[0]) == {"label", *ADDED}
    assert scored.format["type"] == "numpy"


def test_the_same_again_is_cached_and_another_model_is_not(model, tiny_model, stored, tmp_path, monkeypatch):
    ds = stored(text=sentences(50))
    first = scorer.datasets.score(ds, model)
    other = scorer.datasets.score(ds, tiny_model("bert", seed=3))
    more = scorer.datasets.score(ds, model, top_k=2)
    assert len({cached(one) for one in (first, other, more)}) == 3
    shutil.copytree(model, tmp_path / "moved")
    monkeypatch.setattr("scorer.frames.models.FrameScorer", None)
    assert cached(scorer.datasets.score(ds, model)) == cached(first)
    assert cached(scorer.datasets.score(ds, tmp_path / "moved")) == cached(first), "its place is no part of it"


def test_another_process_finds_it(model, stored, tmp_path):
    ds = stored(text=sentences(50))
    first = scorer.datasets.score(ds, model)
    code = (
        "import sys, datasets, scorer; import scorer.frames.models as m; m.FrameScorer = None; "
        "ds = datasets.Dataset.from_parquet(sys.argv[1], cache_dir=sys.argv[2]); "
        "print(scorer.datasets.score(ds, sys.argv[3]).cache_files[0]['filename'])"
    )
    arguments = [str(tmp_path / "in.parquet"), str(tmp_path / "cache"), str(model)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(cached(first))


def test_a_stream_and_a_dictionary(model, stored):
    texts = mixed_texts(30, seed=2)
    expected = Oracle(model).rows(texts)
    stream = stored(text=texts).to_iterable_dataset()
    assert_answers(list(scorer.datasets.score(stream, model, precision="fp32")), expected)
    tables = scorer.datasets.score(stream.with_format("arrow"), model, precision="fp32")
    assert_answers([row for table in tables for row in table.to_pylist()], expected)
    splits = datasets.DatasetDict({"train": stored(text=texts), "test": stored(text=texts)})
    scored = scorer.datasets.score(splits, model, precision="fp32")
    assert list(scored) == ["train", "test"]
    assert_answers(list(scored["test"]), expected)
    generated = datasets.IterableDataset.from_generator(lambda: ({"text": text} for text in texts))
    assert_answers(list(scorer.datasets.score(generated, model, precision="fp32")), expected)


def test_no_rows(model):
    empty = datasets.Dataset.from_dict({"text": []}, features=datasets.Features({"text": datasets.Value("string")}))
    assert scorer.datasets.score(empty, model).column_names == ["text", *ADDED]


@pytest.mark.parametrize(
    ("columns", "match"),
    [({"text": ["a"], "score": [1]}, "a column 'score' already"), ({"what": ["a"]}, "which column holds the text")],
)
def test_what_cannot_be_scored(model, columns, match):
    with pytest.raises(UsageError, match=match):
        scorer.datasets.score(datasets.Dataset.from_dict(columns), model)


def test_what_is_no_data_set(model):
    with pytest.raises(UsageError, match=r"a data set of `datasets` is expected, not list"):
        scorer.datasets.score([{"text": "a"}], model)
