"""polars: expressions, series and frames, eager and lazy, in memory and streamed."""

from __future__ import annotations

import pickle

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import scorer.polars
from scorer.errors import ConfigError, ModelError, UsageError
from tests.models import sentences
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

ADDED = ["score", "confidence", "score_status"]


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


@pytest.fixture(scope="module")
def oracle(model):
    return Oracle(model)


def scored_by(model, **options):
    return pl.col("text").scorer.score(model, precision="fp32", **options)


def test_an_expression_gives_a_struct_for_each_row(model, oracle):
    texts = mixed_texts(40, seed=1)
    frame = pl.DataFrame({"id": range(40), "text": texts})
    found = frame.with_columns(scored_by(model))
    assert found.columns == ["id", "text", "scored"]
    assert found.select("id", "text").equals(frame)
    assert found["scored"].null_count() == 0
    assert_answers(found.unnest("scored").select(ADDED).to_dicts(), oracle.rows(texts))


def test_a_lazy_frame_knows_its_types_before_a_model_is_loaded(model, monkeypatch):
    monkeypatch.setattr("scorer.frames.models.FrameScorer", None)
    options = {"max_length": 100, "top_k": 2, "probabilities": True}
    lazy = pl.LazyFrame({"text": ["a"]}).with_columns(scored_by(model, **options))
    said = lazy.collect_schema()["scored"]
    monkeypatch.undo()
    assert lazy.collect().schema["scored"] == said
    assert [field.name for field in said.fields] == [*ADDED, "probabilities", "top_k"]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_engines_give_what_a_frame_gives(model, tmp_path, engine):
    texts = [*sentences(1000, seed=4), None, "", *sentences(1000, seed=5)]
    frame = pl.DataFrame({"id": range(len(texts)), "text": texts})
    eager = frame.scorer.score(model, precision="fp32")
    frame.write_parquet(tmp_path / "in.parquet", row_group_size=250)
    lazy = pl.scan_parquet(tmp_path / "in.parquet").with_columns(scored_by(model)).unnest("scored")
    found = lazy.collect(engine=engine).sort("id")
    assert_frame_equal(found, eager, abs_tol=1e-5, check_exact=False)
    other = pl.scan_parquet(tmp_path / "in.parquet").scorer.score(model, precision="fp32").collect(engine=engine)
    assert_frame_equal(other.sort("id"), eager, abs_tol=1e-5, check_exact=False)


def test_only_rows_that_are_asked_for_are_scored(model):
    texts = sentences(2000, seed=6)
    seen: list[int] = []
    work = scorer.polars._Work

    class Counting(work):
        def __call__(self, series):
            seen.append(len(series))
            return super().__call__(series)

    scorer.polars._Work = Counting
    try:
        head = pl.LazyFrame({"text": texts}).with_columns(scored_by(model)).head(7).collect()
    finally:
        scorer.polars._Work = work
    assert head.height == 7
    assert sum(seen) == 7


def test_a_filter_a_group_and_an_over(model):
    frame = pl.DataFrame({"kind": ["a", "b"] * 50, "text": sentences(100, seed=7)})
    scored = frame.with_columns(scored_by(model)).unnest("scored")
    lazy = frame.lazy().with_columns(scored_by(model))
    found = lazy.filter(pl.col("scored").struct.field("score") == 1).collect()
    assert found.height == scored.filter(pl.col("score") == 1).height > 0
    grouped = frame.group_by("kind", maintain_order=True).agg(scored_by(model))
    assert [len(rows) for rows in grouped["scored"]] == [50, 50]
    assert sorted(row["score"] for row in grouped["scored"][0]) == sorted(scored.filter(kind="a")["score"])


def test_a_series(model, oracle):
    texts = mixed_texts(20, seed=2)
    for series in (pl.Series("t", texts), pl.Series("t", texts, dtype=pl.Categorical), pl.Series(texts)):
        found = series.scorer.score(model, precision="fp32")
        assert_answers(found.struct.unnest().to_dicts(), oracle.rows(texts))


def test_no_rows_and_nulls_alone(model):
    none = pl.DataFrame({"text": pl.Series([], dtype=pl.String)})
    assert none.with_columns(scored_by(model)).unnest("scored").columns == ["text", *ADDED]
    assert none.scorer.score(model).height == 0
    nulls = pl.DataFrame({"text": [None, None]}).with_columns(scored_by(model)).unnest("scored")
    assert nulls["score_status"].to_list() == ["null", "null"]
    assert nulls["score"].to_list() == [None, None]


def test_a_pair_of_series_of_one_name(model):
    one, other = pl.Series("text", ["good room", "bad"]), pl.Series("text", ["soup", None])
    found = one.scorer.score(model, pair=other, precision="fp32").struct.unnest()
    apart = one.scorer.score(model, pair=other.rename("b"), precision="fp32").struct.unnest()
    assert_frame_equal(found, apart)
    with pytest.raises(UsageError, match="pair: 1 texts beside 2"):
        one.scorer.score(model, pair=other[:1])


def test_pairs(model, oracle):
    frame = pl.DataFrame({"a": ["good room", "x", None], "b": ["bad soup", None, "y"]})
    expected = oracle.rows(frame["a"].to_list(), frame["b"].to_list())
    for pair in ("b", pl.col("b")):
        found = frame.select(pl.col("a").scorer.score(model, pair=pair, precision="fp32")).unnest("scored")
        assert_answers(found.to_dicts(), expected)
    found = frame["a"].scorer.score(model, pair=frame["b"], precision="fp32")
    assert_answers(found.struct.unnest().to_dicts(), expected)
    asked = {"text_column": ("a", "b"), "precision": "fp32"}
    assert_answers(frame.scorer.score(model, **asked).to_dicts(), expected)
    assert_answers(frame.lazy().scorer.score(model, **asked).collect().to_dicts(), expected)


def test_frames_keep_their_columns_and_find_their_text(model):
    frame = pl.DataFrame({"scored": [1], "review": ["good room"], "when": [None]})
    assert frame.scorer.score(model).columns == [*frame.columns, *ADDED]
    lazy = frame.lazy().scorer.score(model)
    assert lazy.collect_schema().names() == [*frame.columns, *ADDED]
    assert lazy.collect().equals(frame.scorer.score(model))


def test_an_expression_travels(model):
    work = scorer.polars._Work(scorer.polars.known_model(model, precision="fp32"))
    again = pickle.loads(pickle.dumps(work))
    series = pl.Series("text", ["good room", None])
    assert again(series).equals(work(series))


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (pl.DataFrame({"text": ["a"], "score": [1]}), UsageError, "a column 'score' already"),
        (pl.DataFrame({"what": ["a"]}), UsageError, "which column holds the text"),
    ],
)
def test_what_cannot_be_scored(model, frame, error, match):
    with pytest.raises(error, match=match):
        frame.scorer.score(model)
    with pytest.raises(error, match=match):
        frame.lazy().scorer.score(model)


def test_columns_without_texts_and_wrong_options(model, tmp_path):
    numbers = pl.DataFrame({"text": [1]})
    with pytest.raises(ConfigError, match="column 'text' is int64"):
        numbers.scorer.score(model)
    with pytest.raises(ConfigError, match="column 'text' is int64"):
        numbers.with_columns(scored_by(model))
    with pytest.raises(UsageError, match="text_column: the expression is the text"):
        pl.col("text").scorer.score(model, text_column="text")
    with pytest.raises(UsageError, match="no column 'b'"):
        numbers.scorer.score(model, text_column="b")
    with pytest.raises(ModelError, match="no such model directory"):
        pl.col("text").scorer.score(tmp_path / "nothing")


@pytest.mark.parametrize("fields", [("a", "b", "c"), ("a", "b"), ("a",)])
def test_a_struct_is_no_text_and_no_pair(model, fields):
    frame = pl.DataFrame({"review": [dict.fromkeys(fields, "good room")] * 3, "other": ["bad soup"] * 3})
    review = pl.col("review").scorer
    works = {
        "expression": lambda: frame.with_columns(review.score(model)),
        "lazy": lambda: frame.lazy().with_columns(review.score(model)).collect(),
        "pair": lambda: frame.with_columns(review.score(model, pair="other")),
        "second": lambda: frame.with_columns(pl.col("other").scorer.score(model, pair="review")),
        "series": lambda: frame["review"].scorer.score(model),
        "frame": lambda: frame.scorer.score(model, text_column="review"),
        "lazy frame": lambda: frame.lazy().scorer.score(model, text_column="review").collect(),
    }
    for work in works.values():
        with pytest.raises(ConfigError, match=r"is struct<.*>, not text"):
            work()
