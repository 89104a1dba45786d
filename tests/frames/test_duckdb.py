"""DuckDB: a function of SQL that gives a struct for each text, over vectors and threads."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

import scorer
import scorer.duckdb
from scorer.errors import ModelError, UsageError
from scorer.scoring.frames import FrameScorer
from tests.models import sentences
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

TEXTS = sentences(1000)


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("bert")


@pytest.fixture
def con():
    with duckdb.connect() as opened:
        yield opened


def rows_of(con, sql, **parameters):
    found = con.execute(sql, parameters)
    return [dict(zip([column[0] for column in found.description], row, strict=True)) for row in found.fetchall()]


def test_a_struct_for_each_text_nulls_kept(con, model):
    texts = mixed_texts(40, seed=1)
    scorer.duckdb.register(con, model, precision="fp32")
    rows = rows_of(con, "SELECT score(text) AS s FROM (SELECT unnest($texts) AS text)", texts=texts)
    assert_answers([row["s"] for row in rows], Oracle(model).rows(texts))


def test_vectors_of_several_threads_give_what_a_table_gives(con, model, tmp_path):
    texts = [*sentences(3000, seed=2), None, *sentences(3000, seed=3)]
    source = tmp_path / "in.parquet"
    pl.DataFrame({"id": range(len(texts)), "text": texts}).write_parquet(source, row_group_size=2048)
    con.execute("SET threads TO 4")  # each takes row groups
    scorer.duckdb.register(con, model, precision="fp32")
    con.execute(f"CREATE TABLE scored AS SELECT id, score(text) AS s FROM '{source}'")
    found = rows_of(con, "SELECT s.score AS score, s.score_status AS status FROM scored ORDER BY id")
    expected = scorer.load(model, precision="fp32").score_texts(texts)
    assert [row["status"] for row in found] == [row["score_status"] for row in expected]
    assert [row["score"] for row in found] == [row["score"] for row in expected]


def test_files_filters_and_groups(con, model, tmp_path):
    con.execute(
        "COPY (SELECT unnest($texts) AS text) TO '%s' (FORMAT parquet)" % (tmp_path / "in.parquet"),
        {"texts": sentences(500)},
    )
    scorer.duckdb.register(con, model)
    source = f"(SELECT score(text) AS s FROM '{tmp_path / 'in.parquet'}')"
    counts = rows_of(con, f"SELECT s.score AS score, count(*) AS n FROM {source} GROUP BY 1")
    assert sum(row["n"] for row in counts) == 500
    ones = rows_of(con, f"SELECT count(*) AS n FROM {source} WHERE s.score = 1")
    assert ones[0]["n"] == next(row["n"] for row in counts if row["score"] == 1)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("WITH scored AS MATERIALIZED {scored} SELECT id, s.score FROM scored WHERE s.score = 1", 1000),
        ("WITH scored AS MATERIALIZED {scored} SELECT s FROM scored WHERE s.score = 1 AND s.confidence > 0.1", 1000),
        ("CREATE TABLE kept AS SELECT s FROM {scored}", 1000),
        ("SELECT score(text).score, score(text).confidence FROM reviews", 1000),
        ("SELECT s.score AS score, count(*), avg(s.confidence) FROM {scored} GROUP BY 1", 1000),
        ("SELECT id, s.score FROM {scored} ORDER BY id LIMIT 5", 5),
        ("SELECT s.score FROM {scored} WHERE id < 10", 10),
    ],
)
def test_each_row_is_handed_over_once(con, model, monkeypatch, query, rows):
    handed = []
    whole = FrameScorer.score_columns

    def counted(self, texts, *, where):
        handed.append(texts.num_rows)
        return whole(self, texts, where=where)

    monkeypatch.setattr(FrameScorer, "score_columns", counted)
    con.execute("CREATE TABLE reviews AS SELECT unnest(range(1000)) AS id, unnest($texts) AS text", {"texts": TEXTS})
    scorer.duckdb.register(con, model)
    con.execute(query.format(scored="(SELECT id, score(text) AS s FROM reviews)")).fetchall()
    assert sum(handed) == rows


def test_the_types_of_all_columns(con, tiny_model):
    names = tiny_model("bert", labels=("joy", "anger"))
    scorer.duckdb.register(con, names, name="mood", probabilities=True, top_k=1, token_count=True, prefix="m_")
    said = rows_of(con, "SELECT typeof(mood('x')) AS t")[0]["t"]
    assert said == (
        "STRUCT(m_score VARCHAR, m_confidence FLOAT, m_score_status VARCHAR, "
        "m_probabilities STRUCT(joy FLOAT, anger FLOAT), "
        'm_top_k STRUCT("label" VARCHAR, probability FLOAT)[], m_token_count INTEGER)'
    )
    row = rows_of(con, "SELECT mood('good room') AS m")[0]["m"]
    assert row["m_score"] in ("joy", "anger")
    assert row["m_top_k"][0]["label"] == row["m_score"]
    assert sum(row["m_probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_pairs_and_several_functions(con, model):
    scorer.duckdb.register(con, model, name="entails", pairs=True, precision="fp32")
    scorer.duckdb.register(con, model, precision="fp32")
    row = rows_of(
        con, "SELECT entails('good room', 'bad soup') AS p, score('good room') AS s, entails('x', NULL) AS n"
    )[0]
    assert_answers([row["p"]], Oracle(model).rows(["good room"], ["bad soup"]))
    assert_answers([row["s"]], Oracle(model).rows(["good room"]))
    assert row["n"]["score_status"] == "null"


def test_a_function_is_replaced_when_it_is_registered_again(con, model, tiny_model):
    scorer.duckdb.register(con, model)
    scorer.duckdb.register(con, tiny_model("bert", labels=("joy", "anger")))
    assert rows_of(con, "SELECT score('x') AS s")[0]["s"]["score"] in ("joy", "anger")


def test_what_is_wrong_is_said(con, model, tmp_path):
    with pytest.raises(ModelError, match="no such model directory"):
        scorer.duckdb.register(con, tmp_path / "nothing")
    with pytest.raises(UsageError, match="text_column: the function's argument is the text"):
        scorer.duckdb.register(con, model, text_column="text")
    with pytest.raises(UsageError, match="--top-k 9: this model has 5 labels"):
        scorer.duckdb.register(con, model, top_k=9)
    scorer.duckdb.register(con, model)
    with pytest.raises(duckdb.BinderException, match="score"):
        con.execute("SELECT score(1)")
    assert rows_of(con, "SELECT score(text) AS s FROM (SELECT 'x' AS text) WHERE text = 'y'") == []
