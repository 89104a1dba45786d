"""What is told of a file before it is read: whether it is empty, and whether it may have so many records."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scorer.tables.dialect import UNSAID
from scorer.tables.part_names import PartFile, part_files, without_empty

LINES = b"text\n" + b"good\n" * 99  # and a header


def file_of(path: Path, content: bytes) -> PartFile:
    path.write_bytes(content)
    (file,), _ = part_files(str(path), UNSAID, output_format=None)
    return file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", LINES),
        ("a.csv", LINES.removesuffix(b"\n")),
        ("a.tsv", LINES.replace(b"\n", b"\r\n")),
        ("a.csv", LINES.replace(b"\n", b"\r")),
        ("a.csv.gz", gzip.compress(LINES, mtime=0)),
        ("a.jsonl", b'{"text": "a"}\n' * 99 + b'{"text": "a"}'),
    ],
)
def test_a_text_may_have_as_many_records_as_lines(tmp_path, name, content):
    file = file_of(tmp_path / name, content)
    assert file.may_have(100)
    assert not file.may_have(102)


def test_what_has_no_lines_may_have_as_many_as_its_bytes_have_room_for(tmp_path):
    file = file_of(tmp_path / "a.json", b"[" + b'{"text": "a"},' * 99 + b'{"text": "a"}]')
    assert file.may_have(100)
    assert not file.may_have(1_000)


def test_what_cannot_be_read_is_left_to_whoever_reads_it(tmp_path):
    damaged = file_of(tmp_path / "a.csv.gz", gzip.compress(LINES)[:-9])
    gone = file_of(tmp_path / "b.csv", LINES)
    gone.path.unlink()
    assert [(file.may_have(1_000), file.is_empty) for file in (damaged, gone)] == [(False, False)] * 2


def test_empty_files_are_left_out_where_others_are_left_and_they_have_no_part(tmp_path):
    for name, content in (("a.csv", b""), ("b.csv.gz", gzip.compress(b"")), ("c.csv", LINES), ("d.parquet", b"")):
        (tmp_path / name).write_bytes(content)
    files, unread = part_files(str(tmp_path), UNSAID, output_format=None)
    left, told = without_empty(files, unread, standing=["a.csv"])
    assert [file.name for file in left] == ["a.csv", "c.csv", "d.parquet"]
    assert [Path(name).name for name in told.empty] == ["b.csv.gz"]
    assert without_empty(files[:2], unread, standing=[]) == (files[:2], unread)
