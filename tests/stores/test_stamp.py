"""Stamps and fingerprints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scorer.errors import DataError, InputMissing
from scorer.stores.stamp import Stamp, check_unchanged, fingerprint


def test_the_fingerprint_is_that_of_the_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    assert fingerprint([Stamp.of(one)]) == fingerprint([Stamp.of(two)])
    both = fingerprint([Stamp.of(one), Stamp.of(two)])
    two.write_bytes(b"abd")
    assert fingerprint([Stamp.of(one)]) != fingerprint([Stamp.of(two)])
    assert fingerprint([Stamp.of(one), Stamp.of(two)]) != both
    assert fingerprint([Stamp.of(two), Stamp.of(one)]) != fingerprint([Stamp.of(one), Stamp.of(two)])
    assert len(both) == 64


def test_of_large_files_samples_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = bytearray(os.urandom(16 << 20))
    path.write_bytes(content)
    before = Stamp.of(path)
    first = fingerprint([before], whole_up_to=0)
    for position in (0, len(content) - 1, (len(content) - (64 << 10)) * 31 // 63 + 5):
        content[position] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
        assert fingerprint([Stamp.of(path)], whole_up_to=0) != first
        content[position] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert fingerprint([Stamp.of(path)], whole_up_to=0) == first
    os.utime(path, ns=(1, 1))
    assert fingerprint([Stamp.of(path)], whole_up_to=0) != first


def test_a_change_is_noticed_by_size_time_and_inode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    stamp = Stamp.of(path)
    check_unchanged([stamp])
    os.utime(path, ns=(1, stamp.mtime_ns + 1))
    with pytest.raises(DataError):
        check_unchanged([stamp])
    os.utime(path, ns=(1, stamp.mtime_ns))
    check_unchanged([stamp])
    copy = tmp_path / "copy"
    copy.write_bytes(b"abc")
    os.utime(copy, ns=(1, stamp.mtime_ns))
    copy.replace(path)
    with pytest.raises(DataError):
        check_unchanged([stamp])


def test_a_missing_file_has_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        Stamp.of(tmp_path / "none")
