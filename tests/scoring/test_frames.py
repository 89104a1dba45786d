"""Tables in memory: the same kind comes back, its own columns unchanged."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

import scorer
from scorer.errors import ConfigError, UsageError
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

ADDED = ["score", "confidence", "score_status"]


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


@pytest.fixture(scope="module")
def loaded(model):
    return scorer.load(model, precision="fp32")


@pytest.fixture(scope="module")
def oracle(model):
    return Oracle(model)


def test_a_polars_frame(loaded, oracle):
    texts = mixed_texts(30, seed=8)
    frame = pl.DataFrame(
        {
            "id": [f"{n:03d}" for n in range(30)],
            "text": texts,
            "kind": pl.Series(["a", "b", None] * 10, dtype=pl.Categorical),
            "many": pl.Series([[n, None] for n in range(30)], dtype=pl.List(pl.Int16)),
            "when": pl.Series([None] + [0] * 29, dtype=pl.Datetime("us", "Asia/Tokyo")),
        }
    )
    scored = loaded.score_frame(frame)
    assert isinstance(scored, pl.DataFrame)
    assert scored.columns == [*frame.columns, *ADDED]
    assert scored.select(frame.columns).equals(frame)
    assert scored.select(frame.columns).schema == frame.schema
    assert scored.schema["score"] == pl.Int64
    assert_answers(scored.select(ADDED).to_dicts(), oracle.rows(texts))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)
def test_an_arrow_table(loaded, oracle, kind):
    texts = mixed_texts(30, seed=9)
    table = pa.table({"n": range(30), "text": pa.array(texts, pa.string()).cast(kind)}).replace_schema_metadata(
        {"a": "b"}
    )
    table = pa.concat_tables([table.slice(0, 4), table.slice(4, 0), table.slice(4)])
    scored = loaded.score_frame(table)
    assert isinstance(scored, pa.Table)
    assert scored.select(["n", "text"]).equals(table, check_metadata=True)
    assert_answers(scored.select(ADDED).to_pylist(), oracle.rows(texts))


def test_what_other_programs_tell_of_the_columns_is_left_out(loaded):
    told = {"org.apache.spark.sql.parquet.row.metadata": "{}", "parquet.avro.schema": "{}", "a": "b"}
    table = pa.table({"text": ["good room"]}).replace_schema_metadata(told)
    assert loaded.score_frame(table).schema.metadata == {b"a": b"b"}


def test_no_rows(loaded):
    empty = pl.DataFrame({"text": pl.Series([], dtype=pl.String)})
    assert loaded.score_frame(empty).columns == ["text", *ADDED]
    assert loaded.score_frame(empty.to_arrow()).num_rows == 0


def test_texts_and_pairs(loaded, oracle):
    texts = ["good room", "", "x " * 300, "good room"]
    assert_answers(loaded.score_texts(texts), oracle.rows(texts))
    assert_answers(loaded.score_texts(texts, texts[::-1]), oracle.rows(texts, texts[::-1]))
    assert loaded.score_texts([]) == []


def test_one_text_is_no_list_of_letters(loaded):
    with pytest.raises(UsageError, match="a list of texts is expected"):
        loaded.score_texts("good")
    with pytest.raises(UsageError, match="2 texts and 1 others"):
        loaded.score_texts(["good", "bad"], ["x"])


def test_options_of_the_frame(model):
    rich = scorer.load(
        model, precision="fp32", prefix="x_", probabilities=True, expected=True, top_k=2, token_count=True
    )
    frame = rich.score_frame(pl.DataFrame({"a": ["good room"], "b": ["bad"], "text": ["bad soup"], "score": [1]}))
    names = ["score", "confidence", "score_status", "probabilities", "expected", "top_k", "token_count"]
    assert frame.columns == ["a", "b", "text", "score", *("x_" + name for name in names)]
    row = frame.row(0, named=True)
    assert sum(row["x_probabilities"].values()) == pytest.approx(1.0, abs=1e-6)
    assert row["x_expected"] == pytest.approx(sum(int(k) * v for k, v in row["x_probabilities"].items()), abs=1e-5)
    assert row["x_top_k"][0]["label"] == row["x_score"]


def test_two_text_columns(model, oracle):
    pairs = scorer.load(model, precision="fp32", text_column=("a", "b"))
    frame = pl.DataFrame({"b": ["bad soup", None], "a": ["good room", "x"]})
    assert_answers(pairs.score_frame(frame).to_dicts(), oracle.rows(["good room", "x"], ["bad soup", None]))


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        ([{"text": "a"}], UsageError, "a polars DataFrame or a pyarrow Table is expected, not list"),
        (pl.DataFrame({"text": ["a"]}).lazy(), UsageError, "not LazyFrame"),
        (pl.DataFrame({"text": ["a"], "score": [1]}), UsageError, "a column 'score' already"),
        (pl.DataFrame({"what": ["a"]}), UsageError, "which column holds the text"),
        (pl.DataFrame({"text": [1]}), ConfigError, "column 'text' is int64"),
        (pa.table([["a"], ["b"]], ["text", "text"]), UsageError, "columns: text, text"),
    ],
)
def test_what_cannot_be_scored(loaded, frame, error, match):
    with pytest.raises(error, match=match):
        loaded.score_frame(frame)


def test_a_text_column_that_stands_twice(model):
    asked = scorer.load(model, text_column=("a",))
    with pytest.raises(UsageError, match="the column name 'a' stands more than once"):
        asked.score_frame(pa.table([["a"], ["b"]], ["a", "a"]))
    assert asked.score_frame(pa.table([["a"], [1], [2]], ["a", "n", "n"])).num_rows == 1
