"""Columns that scorer wrote are told from the data's own, by what stands beside them or by the lineage."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.examples.origin import holds_predictions
from scorer.tables.source import Source
from tests.scoring.files import write


def holds(path, column):
    return holds_predictions(Source.open(str(path)), column)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow"])
def test_answers_are_told_from_the_labels_beside_them(tiny_model, tmp_path, kind):
    labelled = write(tmp_path / f"in.{kind}", pa.table({"text": ["good room", "bad soup"], "score": [5, 1]}))
    target = tmp_path / f"out.{kind}"
    scorer.score(labelled, target, model=str(tiny_model("bert")), prefix="my_")
    assert holds(target, "my_score")
    assert not holds(target, "score")
    assert not holds(target, "text")
    assert not holds(labelled, "score")


def test_a_lineage_tells_of_answers_without_a_status(tiny_model, tmp_path):
    source, target = write(tmp_path / "in.parquet", pa.table({"text": ["good room"]})), tmp_path / "out.parquet"
    scorer.score(source, target, model=str(tiny_model("bert")))
    own = pq.read_metadata(target).metadata[b"scorer"]
    bare = pq.read_table(target).drop_columns(["score_status"])
    foreign = (b'{"diff": true}', b"{}", b'{"kind": "score"}', b"of a match", None)
    for metadata, expected in ((own, True), *((metadata, False) for metadata in foreign)):
        pq.write_table(bare.replace_schema_metadata({"scorer": metadata} if metadata else None), target)
        assert holds(target, "score") is expected


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_ranked_rows_hold_answers(tmp_path, kind):
    ranked = pa.table({"text": ["good"], "label": [1], "score": [5], "suspect_rank": [1]})
    path = write(tmp_path / f"rows.{kind}", ranked)
    assert holds(path, "score")
    assert not holds(path, "label")
