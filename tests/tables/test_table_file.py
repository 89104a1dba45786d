"""Table files that appear whole: compressed as their ending says, and not there when the writing failed."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from scorer.tables.sink import table_file

TABLE = pa.table({"a": [1, 2]})


def test_the_ending_of_the_target_decides_the_compression(tmp_path):
    target = tmp_path / "changed.csv.gz"
    with table_file(target, format="csv", schema=TABLE.schema, metadata={}) as sink:
        sink.write(TABLE)
        assert not target.exists()
    assert gzip.decompress(target.read_bytes()).split() == [b"a", b"1", b"2"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_stood_there_stays_when_the_writing_fails(tmp_path):
    target = tmp_path / "changed.csv"
    target.write_text("before")

    def write():
        with table_file(target, format="csv", schema=TABLE.schema, metadata={}) as sink:
            sink.write(TABLE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
