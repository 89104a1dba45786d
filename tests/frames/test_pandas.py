"""pandas: frames and series, through Arrow."""

from __future__ import annotations

import pandas as pd
import pytest

import scorer
from scorer.errors import ConfigError, DataError, UsageError
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

ADDED = ["score", "confidence", "score_status"]


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


def rows_of(frame):
    found = frame[ADDED].astype(object)
    return found.where(found.notna(), None).to_dict("records")


def test_a_frame_keeps_its_columns_and_index(model):
    texts = mixed_texts(30, seed=1)
    frame = pd.DataFrame(
        {"id": range(30), "text": texts, "what": [object()] * 30, "when": pd.date_range("2026-01-01", periods=30)},
        index=[7] * 30,
    )
    before = frame.copy()
    scored = scorer.pandas.score(frame, model, precision="fp32")
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(scored[list(frame.columns)], frame)
    assert list(scored.columns) == [*frame.columns, *ADDED]
    assert_answers(rows_of(scored), Oracle(model).rows(texts))


def test_types_have_nulls(model, tiny_model):
    scored = scorer.pandas.score(pd.DataFrame({"text": ["good", None]}), model, top_k=1, token_count=True)
    assert scored.dtypes[ADDED].astype(str).to_dict() == {
        "score": "Int64",
        "confidence": "Float32",
        "score_status": "category",
    }
    assert scored["score"].isna().tolist() == [False, True]
    assert str(scored.dtypes["token_count"]) == "Int32"
    named = scorer.pandas.score(pd.Series(["good", None]), tiny_model("bert", labels=("joy", "anger")))
    assert named["score"].isna().tolist() == [False, True]
    assert named["score"][0] in ("joy", "anger")


@pytest.mark.parametrize("dtype", ["str", "string", "object", "category", "string[pyarrow]"])
def test_a_series_of_any_kind_of_text(model, dtype):
    texts = ["good room", None, "bad soup"]
    series = pd.Series(texts, index=["a", "b", "b"], dtype=dtype)
    scored = scorer.pandas.score(series, model, precision="fp32")
    assert scored.index.tolist() == ["a", "b", "b"]
    assert_answers(rows_of(scored), Oracle(model).rows(texts))


@pytest.mark.parametrize("dtype", [None, "float64", "Int64", "object", "str", "category", "datetime64[ns]"])
def test_a_part_whose_texts_are_all_missing(model, dtype):
    series = pd.Series([None, None], index=[3, 4], dtype=dtype)
    scored = scorer.pandas.score(series, model)
    assert scored["score_status"].tolist() == ["null", "null"]
    assert scored["score"].isna().all()
    assert scored.index.tolist() == [3, 4]


def test_parts_of_a_file_in_which_one_has_no_text(model, tmp_path):
    pd.DataFrame({"text": ["good room", "bad soup", None, None]}).to_csv(tmp_path / "in.csv")
    parts = [scorer.pandas.score(part, model) for part in pd.read_csv(tmp_path / "in.csv", chunksize=2)]
    assert [row for part in parts for row in part["score_status"]] == ["ok", "ok", "null", "null"]


def test_no_rows(model):
    scored = scorer.pandas.score(pd.DataFrame({"text": pd.Series([], dtype="str")}), model)
    assert list(scored.columns) == ["text", *ADDED]


def test_pairs(model):
    frame = pd.DataFrame({"a": ["good room", "x"], 5: [1, 2], "b": ["bad soup", None]})
    scored = scorer.pandas.score(frame, model, text_column=("a", "b"), precision="fp32")
    assert_answers(rows_of(scored), Oracle(model).rows(["good room", "x"], ["bad soup", None]))
    frame["b"] = float("nan")
    assert rows_of(scorer.pandas.score(frame, model, text_column=("a", "b")))[0]["score_status"] == "null"


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        ([1], UsageError, "a pandas DataFrame or Series is expected, not list"),
        (pd.DataFrame({"text": ["a"], "score": [1]}), UsageError, "a column 'score' already"),
        (pd.DataFrame({"text": [1]}), ConfigError, "column 'text' is int64"),
        (pd.DataFrame({"text": [{"a": "x", "b": "y"}]}), ConfigError, "column 'text' is struct<.*>, not text"),
        (pd.DataFrame({"text": ["a secret", 1.5]}, dtype=object), DataError, "column 'text' holds other values"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), UsageError, "columns: text, text"),
    ],
)
def test_what_cannot_be_scored(model, data, error, match):
    with pytest.raises(error, match=match) as caught:
        scorer.pandas.score(data, model)
    assert "secret" not in str(caught.value)


def test_half_of_a_surrogate_pair_is_no_text(model):
    texts = ["good", "a\ud800"]
    with pytest.raises(DataError, match="column 'text': a text is no Unicode"):
        scorer.pandas.score(pd.DataFrame({"text": pd.Series(texts, dtype=object)}), model)
    with pytest.raises(DataError, match="score_texts: a text is no Unicode"):
        scorer.load(model).score_texts(texts)


def test_a_series_has_no_text_column(model):
    with pytest.raises(UsageError, match="the series is the text"):
        scorer.pandas.score(pd.Series(["good"]), model, text_column="text")
