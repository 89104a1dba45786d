"""Reading a training file: its usable rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import ConfigError, DataError, InputMissing, UsageError
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import Examples, read_examples
from tests.tables.views import categories, lists_of_categories


def read(path: Path, *texts: str, label: str | None = None, limit: int | None = None) -> Examples:
    return read_examples(str(path), text_columns=texts, label_columns=(label,) if label else (), limit=limit)


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "train.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_without_a_text_are_dropped_and_counted(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label", "good,1", ",2", '"",1', '" \u200b\u00a0",2', "bad,2", "NA,1")
    examples = read(path)
    assert examples.texts == (["good", "bad", "NA"],)
    assert examples.labels == [1, 2, 1]
    assert (examples.rows, examples.dropped) == (6, 3)


def test_a_pair_needs_both_texts_but_one_may_be_empty(tmp_path: Path) -> None:
    table = {"a": ["x", None, "", "", "y"], "b": ["1", "2", "3", " ", None], "label": [1, 2, 3, 4, 5]}
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table(table), path)
    examples = read(path, "a", "b")
    assert examples.texts == (["x", ""], ["1", "3"])
    assert examples.labels == [1, 3]


def test_leading_zeros_and_numbers_in_a_named_text_column_stay_text(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "code,label", "007,1", "12,2"), "code").texts == (["007", "12"],)


def test_the_numbers_of_rows_are_those_of_the_file_and_other_columns_come_along(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,shop", ",1,x", "good,1,y", '"",2,x', "bad,2,", "fine,1,z")
    examples = read_examples(str(path), text_columns=(), others=("shop",))
    assert examples.numbers().tolist() == [2, 4, 5]
    assert examples.others == {"shop": ["y", None, "z"]}
    taken = examples.take(np.array([2, 0]))
    assert (taken.others, taken.dropped, taken.numbers().tolist()) == ({"shop": ["z", "y"]}, 0, [1, 2])


def test_limit_takes_the_first_rows(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "text,label", "a,1", "b,2", "c,3"), limit=2).labels == [1, 2]


def test_null_labels_are_refused_even_where_the_text_is_null_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels: 2 null or empty of 3 rows"):
        read(csv(tmp_path, "text,label", "a,1", "b,", ","))


@pytest.mark.parametrize("lines", [("text,label",), ("text,label", ",1", '" ",2')])
def test_a_file_without_usable_rows_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(DataError):
        read(csv(tmp_path, *lines), "text", label="label")


def test_a_missing_file_and_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="no column 'texts'"):
        read(csv(tmp_path, "text,label", "a,1"), "texts")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    class WhenAsked(LabelOptions):
        """Somebody writes to the file when it is open and none of its rows is read."""

        def check_types(self, *_: Any, **__: Any) -> None:
            with path.open("a") as stream:
                stream.write("c,1\n")

    path = csv(tmp_path, "text,label", "a,1", "b,2")
    with pytest.raises(DataError, match="changed while it was read"):
        read_examples(str(path), text_columns=(), options=WhenAsked())


def test_a_text_column_of_numbers_in_parquet_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"n": [1, 2], "label": [1, 2]}), path)
    with pytest.raises(ConfigError, match="'n' is int64"):
        read(path, "n")


def test_rows_are_taken_with_all_their_texts() -> None:
    first, second = ["a", "a", "a"], ["b", "c", "b"]
    train = Examples(None, (first, second), [1, 2, 3], 3, "")  # type: ignore[arg-type]
    taken = train.take(np.array([2, 0]))
    assert (taken.texts, taken.labels) == ((["a", "a"], ["b", "b"]), [3, 1])


def test_blank_lines_are_no_rows_and_told(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\ngood,1\n\nbad,2\n\n", encoding="utf-8")
    examples = read_examples(str(path), text_columns=())
    assert (examples.rows, examples.blank_lines) == (2, 2)
    assert "2 blank lines are no records and were passed over" in examples.remarks("train.csv")[0]


@pytest.mark.parametrize("several", [False, True])
def test_categories_of_polars_are_labels_and_texts(tmp_path: Path, several: bool) -> None:
    names = ["bad", "good", "good", "fair"]
    labels = lists_of_categories([[name] for name in names]) if several else categories(names)
    table = pa.table({"text": categories(["a", "b", "c", "d"]), "label": labels})
    with pa.ipc.new_file(tmp_path / "train.arrow", table.schema) as sink:
        sink.write_table(table)
    examples = read(tmp_path / "train.arrow", "text", label="label")
    assert examples.texts == (["a", "b", "c", "d"],)
    found = examples.labels
    assert [list(one) if several else one for one in found] == [[name] if several else name for name in names]
