"""Finding the columns of a training file, and telling those that scorer wrote from the data's own."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import UsageError
from scorer.examples.example_columns import LABEL_NAMES, TEXT_NAMES, Columns, find_columns, holds_predictions
from scorer.tables.source import Source
from tests.scoring.files import write


def find(columns: dict[str, pa.DataType], *texts: str, label: str | None = None) -> Columns:
    return find_columns(pa.schema(columns), texts=texts, labels=() if label is None else (label,), where="train.csv")


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_every_usual_text_name_is_found_in_any_case(name: str) -> None:
    assert find({"id": pa.string(), name.upper(): pa.string(), "score": pa.int64()}).texts == (name.upper(),)


@pytest.mark.parametrize("name", LABEL_NAMES)
def test_every_usual_label_name_is_found(name: str) -> None:
    assert find({"sentence": pa.string(), name: pa.int64(), "id": pa.int64()}).label == name


@pytest.mark.parametrize("type_", [pa.int8(), pa.uint64(), pa.string(), pa.bool_(), pa.float32(), pa.large_string()])
def test_labels_of_every_scalar_kind_are_found(type_: pa.DataType) -> None:
    assert find({"text": pa.string(), "label": type_}) == Columns(("text",), ("label",))


def test_dictionaries_of_texts_count_as_texts_and_labels() -> None:
    coded = pa.dictionary(pa.int8(), pa.string())
    assert find({"text": coded, "label": coded}) == Columns(("text",), ("label",))


def test_a_column_of_the_wrong_type_is_not_found_by_its_name() -> None:
    assert find({"comment": pa.int64(), "text": pa.string(), "label": pa.int64()}).texts == ("text",)
    assert find({"text": pa.string(), "topic": pa.list_(pa.string()), "label": pa.int64()}).label == "label"


def test_named_columns_win_over_usual_names() -> None:
    columns = {"text": pa.string(), "title": pa.string(), "label": pa.int64(), "stars": pa.int64()}
    assert find(columns, "title", "text", label="stars") == Columns(("title", "text"), ("stars",))


def test_a_label_column_that_is_taken_as_text_is_not_found_again() -> None:
    assert find({"class": pa.string(), "label": pa.int64()}, "class") == Columns(("class",), ("label",))


def test_two_candidates_are_an_error_that_says_both_flags() -> None:
    with pytest.raises(UsageError, match="--text-column review or --text-column text") as caught:
        find({"review": pa.string(), "text": pa.string(), "label": pa.int64()})
    assert "review (string), text (string), label (int64)" in str(caught.value)


def test_no_candidate_is_an_error_with_the_near_miss() -> None:
    with pytest.raises(UsageError, match=r"did you mean --text-column review_body\?"):
        find({"review_body": pa.string(), "label": pa.int64()})
    with pytest.raises(UsageError, match=r"did you mean --label-column lable\?"):
        find({"text": pa.string(), "lable": pa.int64()})
    with pytest.raises(UsageError, match="say --label-column NAME; columns: text"):
        find({"text": pa.string(), "n": pa.int64()})


def test_a_named_column_that_is_not_there_is_an_error_with_the_near_miss() -> None:
    with pytest.raises(UsageError, match=r"no column 'Txt' \(did you mean 'text'\?\); --text-column takes one of"):
        find({"text": pa.string(), "label": pa.int64()}, "Txt")
    with pytest.raises(UsageError, match="no column 'zzz'; --label-column takes one of"):
        find({"text": pa.string(), "label": pa.int64()}, label="zzz")
    with pytest.raises(UsageError, match="no column ''; --label-column takes one of"):
        find({"text": pa.string(), "label": pa.int64()}, label="")


@pytest.mark.parametrize(("texts", "label"), [(("a", "a"), "label"), (("a",), "a"), (("a", "b", "c"), "label")])
def test_contradictions_are_errors(texts: tuple[str, ...], label: str) -> None:
    with pytest.raises(UsageError):
        find({name: pa.string() for name in ("a", "b", "c", "label")}, *texts, label=label)


def test_a_long_list_of_columns_is_cut() -> None:
    with pytest.raises(UsageError, match="and 38 more"):
        find({f"column_{number}": pa.int64() for number in range(50)})


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
