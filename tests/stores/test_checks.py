"""Outputs are checked before any work."""

from __future__ import annotations

import errno
import inspect
import os
import re
import tempfile
from pathlib import Path

import pytest

from scorer.errors import InputMissing, NotPermitted, OutputRefused, StorageError, UsageError, from_os_error
from scorer.stores.checks import Inputs, check_file, check_files, check_folder, check_free_space, require


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
            check_file(target, Inputs([source]), force=True)
    with pytest.raises(UsageError, match="would be part of the input"):
        check_file(tmp_path / "out.csv", Inputs([tmp_path]), force=True)
    with pytest.raises(UsageError, match="folder of the input"):
        check_file(tmp_path, Inputs([source]), force=True)


@pytest.mark.parametrize("beside", [None, "_SUCCESS"])
def test_a_pattern_of_folders_has_no_output_within(tmp_path: Path, beside: str | None) -> None:
    if beside is not None:
        (tmp_path / beside).touch()
    for name in ("day=1/a.csv", "day=2/b.csv", "other/c.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("a\n")
    for pattern in ("day=*/", "day=*", "*/", "*"):
        for target in ("day=1/out.csv", "day=3", "day=2/parts"):
            with pytest.raises(UsageError, match="would be part of the input"):
                check_file(tmp_path / target, Inputs([f"{tmp_path}/{pattern}"]), force=True)
    check_file(tmp_path / "other" / "out.csv", Inputs([f"{tmp_path}/day=*/"]), force=True)
    # Where files match, folders are not read.
    (tmp_path / "day=0.csv").write_text("a\n")
    check_file(tmp_path / "day=1" / "out.csv", Inputs([f"{tmp_path}/day=*"]), force=True)


def test_47_targets_that_are_no_files(tmp_path: Path, source: Path) -> None:
    folder, fifo, dangling = tmp_path / "folder", tmp_path / "fifo", tmp_path / "dangling"
    folder.mkdir()
    os.mkfifo(fifo)
    dangling.symlink_to(tmp_path / "nowhere")
    for target, message in ((folder, "a folder"), (fifo, "a fifo"), (dangling, "a symlink to nothing")):
        with pytest.raises(OutputRefused, match=message):
            check_file(target, Inputs([source]), force=True)
    with pytest.raises(OutputRefused, match="its folder does not exist"):
        check_file(tmp_path / "none" / "out.csv", Inputs([source]), force=True)


def test_an_output_is_local(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("s3://bucket/out.csv", "gs://bucket/folder/out.csv", "https://host/out.csv"):
        with pytest.raises(OutputRefused, match=f"{name}: outputs are local"):
            check_file(Path(name), Inputs([source]), force=False)
    check_file(Path("a:b.csv"), Inputs([source]), force=False)
    Path("s3:/bucket").mkdir(parents=True)
    check_file(Path("s3://bucket/out.csv"), Inputs([source]), force=False)


def test_an_existing_target_needs_force(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.csv"
    check_file(target, Inputs([source]), force=False)
    target.write_text("old")
    with pytest.raises(OutputRefused, match="--force"):
        check_file(target, Inputs([source]), force=False)
    check_file(target, Inputs([source]), force=True)
    check_file(target, Inputs([tmp_path / "none.csv"]), force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(NotPermitted):
        check_file(folder / "out.csv", Inputs([source]), force=False)


@pytest.mark.parametrize("force", [False, True])
def test_a_link_to_a_file_is_refused_by_what_it_links_to(tmp_path: Path, source: Path, force: bool) -> None:
    (tmp_path / "far.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("far.csv")
    said = f"link.csv: a link, which a file would replace; name {tmp_path.resolve() / 'far.csv'}"
    with pytest.raises(OutputRefused, match=re.escape(said)):
        check_file(tmp_path / "link.csv", Inputs([source]), force=force)
    with pytest.raises(OutputRefused, match=re.escape(said)):
        check_files({"--report": tmp_path / "link.csv"}, Inputs([source]), force=force)
    check_file(tmp_path / "far.csv", Inputs([source]), force=True)


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


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model directory, and models/latest that leads to it."""
    path = tmp_path / "models" / "mine"
    path.mkdir(parents=True)
    (path / "model.safetensors").touch()
    (tmp_path / "models" / "latest").symlink_to("mine")
    return path


@pytest.mark.parametrize("named", ["models/mine", "models/latest", "models/../models/mine/"])
@pytest.mark.parametrize(
    "target", ["models/mine/model.safetensors", "models/mine/out.csv", "models/latest/out.csv", "models/mine"]
)
@pytest.mark.usefixtures("model")
def test_nothing_is_written_into_a_model_that_is_read(tmp_path: Path, named: str, target: str) -> None:
    inputs = Inputs([], models=[tmp_path / named])
    with pytest.raises(UsageError, match="inside the model"):
        check_file(tmp_path / target, inputs, force=True)
    with pytest.raises(UsageError, match="inside the model"):
        check_folder(tmp_path / target, inputs, replaced=True)


def test_a_link_to_a_file_of_the_model_is_that_file(tmp_path: Path, model: Path) -> None:
    (tmp_path / "hard").hardlink_to(model / "model.safetensors")
    (tmp_path / "soft").symlink_to(model / "model.safetensors")
    for name in ("hard", "soft"):
        with pytest.raises(UsageError, match="the model"):
            check_file(tmp_path / name, Inputs([], models=[model]), force=True)
    check_file(tmp_path / "other", Inputs([], models=[model, "some/hub-name", None]), force=True)


def test_no_folder_is_made_of_a_file_a_stream_or_an_input(tmp_path: Path, source: Path) -> None:
    check_folder(tmp_path / "new", Inputs([source]), replaced=True)
    check_folder(tmp_path / "folder" / "new", Inputs([source]), replaced=True)
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "fifo", "/dev/null"):
        with pytest.raises(OutputRefused, match="a folder is to be written"):
            check_folder(tmp_path / name, Inputs([source]), replaced=True)
    for name in ("-", "/dev/stderr", "/proc/self/fd/1"):
        with pytest.raises(UsageError, match="a stream"):
            check_folder(Path(name), Inputs([source]), replaced=True)
    with pytest.raises(UsageError, match="input itself"):
        check_folder(source, Inputs([source]), replaced=True)


def test_a_folder_that_is_only_added_to_may_hold_what_is_read(tmp_path: Path, source: Path, model: Path) -> None:
    """As the working directory does where --cache is."""
    inputs = Inputs([source], models=[model])
    for folder in (tmp_path, model.parent):
        check_folder(folder, inputs, replaced=False)
        with pytest.raises(UsageError, match="is the folder of the"):
            check_folder(folder, inputs, replaced=True)


def test_a_file_has_one_flag_and_is_no_stream(tmp_path: Path, source: Path) -> None:
    page = tmp_path / "page"
    (tmp_path / "link").symlink_to("/dev/stdout")
    for path in (Path("-"), Path("/dev/stdout"), Path("/dev/fd/2"), tmp_path / "link"):
        with pytest.raises(UsageError, match=r"--report .*a file is needed"):
            check_files({"--report": path}, Inputs([source]), force=True)
    for rows, besides in ((page, []), (tmp_path / "." / "page", []), (None, [page])):
        with pytest.raises(UsageError, match="named twice"):
            check_files({"--rows": rows, "--report": page}, Inputs([source]), force=True, besides=besides)
    check_files({"--rows": None, "--report": page}, Inputs([source, "-"]), force=True)


def test_inputs_that_are_asked_for(tmp_path: Path, source: Path) -> None:
    require(source, str(source), tmp_path, "-", None, "no/such/*.csv")
    with pytest.raises(InputMissing, match=r"none.csv: no such file or folder"):
        require(source, tmp_path / "none.csv")
    with pytest.raises(InputMissing, match=r"abfs://bucket/in.csv: inputs are local .* \(az storage blob download\)"):
        require("abfs://bucket/in.csv")
    with pytest.raises(InputMissing, match=r"foo://in.csv: inputs are local"):
        require("foo://in.csv")


def test_no_folder_for_temporary_files_is_no_missing_input() -> None:
    # As Python says it, whatever its version.
    assert "No usable temporary directory" in inspect.getsource(tempfile)
    error = from_os_error(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"))
    assert isinstance(error, StorageError)
    assert "TMPDIR=" in str(error)
