"""Files appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scorer.errors import ScorerError
from scorer.stores.atomic import AtomicFile, write_whole


def test_commit_replaces_the_target_at_once(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    target.chmod(0o640)
    file = AtomicFile(target, temporary=tmp_path / ".out.tmp")
    file.stream.write(b"new")
    assert target.read_text() == "old"
    file.commit()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    file.discard()
    assert target.read_text() == "new"


def test_discard_leaves_the_target_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    file = AtomicFile(target, temporary=tmp_path / ".out.tmp")
    file.stream.write(b"new")
    file.discard()
    file.discard()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_what_an_interrupted_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".out.tmp"
    left.write_text("longer than what comes now")
    file = AtomicFile(tmp_path / "out", temporary=left)
    file.stream.write(b"x")
    file.commit()
    assert (tmp_path / "out").read_text() == "x"


def test_a_symlink_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (tmp_path / ".out.tmp").symlink_to(precious)
    file = AtomicFile(tmp_path / "out", temporary=tmp_path / ".out.tmp")
    file.stream.write(b"x")
    file.commit()
    assert precious.read_text() == "keep"
    assert not (tmp_path / "out").is_symlink()


def test_a_missing_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ScorerError):
        AtomicFile(tmp_path / "none" / "out", temporary=tmp_path / "none" / ".out.tmp")


def test_a_name_that_is_not_utf8_can_be_told_in_a_file(tmp_path: Path) -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    write_whole(tmp_path / "run.json", json.dumps(["größe", name], ensure_ascii=False))
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == ["größe", name]
