"""Outputs are checked before any work."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scorer.errors import InputMissing, NotPermitted, OutputRefused, StorageError, UsageError
from scorer.stores.checks import check_free_space, check_target


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("a\n")
    return path


def test_46_the_input_is_never_the_output(tmp_path: Path, source: Path) -> None:
    soft, hard = tmp_path / "soft.csv", tmp_path / "hard.csv"
    soft.symlink_to(source)
    hard.hardlink_to(source)
    for target in (source, soft, hard, tmp_path / "." / "in.csv"):
        with pytest.raises(UsageError, match="input itself"):
            check_target(target, [source], force=True)
    with pytest.raises(UsageError, match="lies inside the input"):
        check_target(tmp_path / "out.csv", [tmp_path], force=True)
    with pytest.raises(UsageError, match="folder of the input"):
        check_target(tmp_path, [source], force=True)


def test_47_targets_that_are_no_files(tmp_path: Path, source: Path) -> None:
    folder, fifo, dangling = tmp_path / "folder", tmp_path / "fifo", tmp_path / "dangling"
    folder.mkdir()
    os.mkfifo(fifo)
    dangling.symlink_to(tmp_path / "nowhere")
    for target, message in ((folder, "a folder"), (fifo, "a fifo"), (dangling, "a symlink to nothing")):
        with pytest.raises(OutputRefused, match=message):
            check_target(target, [source], force=True)
    with pytest.raises(OutputRefused, match="its folder does not exist"):
        check_target(tmp_path / "none" / "out.csv", [source], force=True)


def test_an_output_is_local(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("s3://bucket/out.csv", "gs://bucket/folder/out.csv", "https://host/out.csv"):
        with pytest.raises(OutputRefused, match=f"{name}: outputs are local"):
            check_target(Path(name), [source], force=False)
    check_target(Path("a:b.csv"), [source], force=False)
    Path("s3:/bucket").mkdir(parents=True)
    check_target(Path("s3://bucket/out.csv"), [source], force=False)


def test_an_existing_target_needs_force(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.csv"
    check_target(target, [source], force=False)
    target.write_text("old")
    with pytest.raises(OutputRefused, match="--force"):
        check_target(target, [source], force=False)
    check_target(target, [source], force=True)
    with pytest.raises(InputMissing):
        check_target(target, [tmp_path / "none.csv"], force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(NotPermitted):
        check_target(folder / "out.csv", [source], force=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_link_is_replaced_itself_wherever_it_leads(tmp_path: Path, source: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "out.csv").write_text("old")
    locked.chmod(0o500)
    (tmp_path / "link.csv").symlink_to(locked / "out.csv")
    check_target(tmp_path / "link.csv", [source], force=True)


def test_free_space(tmp_path: Path) -> None:
    check_free_space(tmp_path / "out", 1)
    with pytest.raises(StorageError, match="MiB are free"):
        check_free_space(tmp_path / "out", 1 << 60)


def test_free_space_beside_a_link_and_not_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "out").write_text("old")
    (tmp_path / "link").symlink_to("far/out")
    with pytest.raises(StorageError, match=f"free in {re.escape(str(tmp_path.resolve()))};"):
        check_free_space(tmp_path / "link", 1 << 60)
