"""Where a model goes: refusals, the atomic move, the link to the latest."""

from __future__ import annotations

import errno
from datetime import datetime
from pathlib import Path

import pytest

from scorer.errors import OutputRefused, UsageError
from scorer.stores.checks import Inputs
from scorer.training.fit_output import check_output, default_output, point_latest, publish


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model(path: Path, content: str = "{}") -> Path:
    path.mkdir(parents=True)
    (path / "scorer.json").write_text(content)
    return path


def test_the_default_name_tells_the_file_and_the_time() -> None:
    now = datetime(2024, 5, 6, 7, 8, 9)
    name = "models/train-20240506-070809"
    for expected in (name, f"{name}-2", f"{name}-3"):
        assert default_output(Path("some/train.csv.gz"), now=now) == Path(expected)
        Path(expected + (".unfinished" if expected.endswith("2") else "")).mkdir(parents=True)


def test_a_free_place_is_accepted() -> None:
    check_output(Path("models/new"), Inputs([]), force=False)


def test_a_place_on_another_machine_is_refused() -> None:
    with pytest.raises(OutputRefused, match="outputs are local"):
        check_output(Path("s3://bucket/model"), Inputs([]), force=False)


def test_an_existing_output_needs_force() -> None:
    model(Path("out"))
    with pytest.raises(OutputRefused, match="exists already"):
        check_output(Path("out"), Inputs([]), force=False)
    check_output(Path("out"), Inputs([]), force=True)


def test_force_replaces_models_and_nothing_else() -> None:
    Path("precious").mkdir()
    check_output(Path("precious"), Inputs([]), force=True)
    Path("precious/thesis.txt").touch()
    Path("file").touch()
    Path("link").symlink_to("precious")
    for name in ("precious", "file", "link"):
        with pytest.raises(OutputRefused):
            check_output(Path(name), Inputs([]), force=True)


def test_what_is_read_is_not_replaced() -> None:
    """Not even with --force, which replaces a model: the base model is one."""
    model(Path("base"))
    Path("train.csv").touch()
    inputs = Inputs(["train.csv"], models=["base"])
    for name in ("train.csv", "base", "base/new", ".", "-", "/dev/stdout"):
        with pytest.raises(UsageError):
            check_output(Path(name), inputs, force=True)


def test_a_real_folder_in_the_place_of_the_link_is_refused() -> None:
    Path("models/latest").mkdir(parents=True)
    with pytest.raises(OutputRefused, match="not a symbolic link"):
        check_output(Path("out"), Inputs([]), force=False)


def test_publish_moves_and_replaces() -> None:
    publish(model(Path("built"), "new"), Path("out"))
    assert (Path("out") / "scorer.json").read_text() == "new"
    publish(model(Path("built"), "newer"), Path("out"))
    assert (Path("out") / "scorer.json").read_text() == "newer"
    assert [path.name for path in Path().iterdir()] == ["out"]


def test_what_stood_there_is_put_back_when_the_new_one_cannot_take_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    built, output, rename = model(Path("built"), "new"), model(Path("out"), "old"), Path.rename

    def fail_for_the_new(path: Path, target: Path) -> Path:
        if path == built:
            raise OSError(errno.EIO, "broken")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new)
    with pytest.raises(OSError, match="broken"):
        publish(built, output)
    assert (output / "scorer.json").read_text() == "old"
    assert {path.name for path in Path().iterdir()} == {"built", "out"}


def test_the_latest_link_is_relative_and_moves(workdir: Path) -> None:
    for target in (model(Path("models/one")), model(workdir / "elsewhere" / "two")):
        point_latest(target)
        assert Path("models/latest").resolve() == target.resolve()
        assert not Path("models/latest").readlink().is_absolute()
    assert {path.name for path in Path("models").iterdir()} == {"latest", "one"}
