"""Windows: every row once, in order, within both bounds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.errors import ConfigError, UsageError
from scorer.tables.reader import check_names, check_types, regroup
from scorer.tables.texts import is_text, texts

ROWS = st.lists(st.one_of(st.none(), st.integers(0, 9).map(lambda size: "\u00e9" * size)), max_size=30)


def slow_windows(rows: list[str | None], *, max_rows: int, max_bytes: int) -> list[list[str | None]]:
    windows: list[list[str | None]] = []
    size = max_bytes + 1
    for row in rows:
        length = len((row or "").encode())
        if not windows or len(windows[-1]) == max_rows or size + length > max_bytes:
            windows.append([])
            size = 0
        windows[-1].append(row)
        size += length
    return windows


@settings(max_examples=250, deadline=None)
@given(ROWS, st.lists(st.integers(1, 7)), st.integers(1, 6), st.integers(0, 40))
def test_windows_are_those_of_a_slow_grouping(
    rows: list[str | None], cuts: list[int], max_rows: int, max_bytes: int
) -> None:
    table = pa.table({"text": pa.array(rows, pa.string()), "n": list(range(len(rows)))})
    pieces, begin = [], 0
    for cut in [*cuts, len(rows)]:
        pieces.append(table.slice(begin, cut))
        begin += cut
    windows = list(regroup(iter(pieces), ["text"], max_rows=max_rows, max_bytes=max_bytes))
    expected = slow_windows(rows, max_rows=max_rows, max_bytes=max_bytes)
    assert [window["text"].to_pylist() for window in windows] == expected
    assert [n for window in windows for n in window["n"].to_pylist()] == list(range(len(rows)))
    assert all(column.num_chunks == 1 for window in windows for column in window.columns)


def test_bytes_of_all_text_columns_count() -> None:
    table = pa.table({"a": ["xx"] * 6, "b": pa.array(["yyy"] * 6).dictionary_encode(), "c": ["zzzzzzzzz"] * 6})
    sizes = [w.num_rows for w in regroup(iter([table]), ["a", "b"], max_rows=100, max_bytes=11)]
    assert sizes == [2, 2, 2]


def test_bytes_of_other_columns_count_less() -> None:
    table = pa.table({"a": ["x"] * 64, "b": pa.array([bytes(1000)] * 64)})
    sizes = [w.num_rows for w in regroup(iter([table]), ["a"], max_rows=100, max_bytes=4_040, others=4)]
    assert sizes == [16, 16, 16, 16]


def test_dictionaries_of_several_pieces_are_joined_or_left_in_chunks() -> None:
    narrow = pa.dictionary(pa.int8(), pa.string())
    pieces = [pa.table({"d": pa.array([f"{begin + index}" for index in range(100)], narrow)}) for begin in (0, 100)]
    (window,) = regroup(iter(pieces), [], max_rows=1000, max_bytes=1000)
    assert window["d"].to_pylist() == [str(index) for index in range(200)]
    assert window.schema.field("d").type == narrow


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_of_each_kind(kind: pa.DataType) -> None:
    values = ["a", None, ""]
    plain = pa.array(values, pa.string()).cast(kind)
    assert is_text(kind)
    assert texts(pa.table({"t": plain}), "t").to_pylist() == values
    if kind != pa.string_view():
        coded = pa.array(values, pa.string()).cast(kind).dictionary_encode()
        column = texts(pa.table({"t": coded}), "t")
        assert column.to_pylist() == values
        assert column.type == kind


def test_missing_and_wrong_columns() -> None:
    with pytest.raises(UsageError, match=r"here: no column 'tetx'; did you mean 'Text', 'text2'\?"):
        check_names(["id", "Text", "text2"], ["tetx"], where="here")
    with pytest.raises(UsageError, match=r"there are 'c0', .* and 5 more"):
        check_names([f"c{index}" for index in range(25)], ["zzz"], where="here")
    with pytest.raises(ConfigError, match="column 'a' is int64, not text"):
        check_types(pa.schema([("a", pa.int64())]), ["a"], where="here")
