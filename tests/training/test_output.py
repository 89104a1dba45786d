"""Where a model goes, and what is refused to take its place."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from scorer.errors import OutputRefused, UsageError
from scorer.stores.checks import Inputs
from scorer.stores.location import Location
from scorer.training.fit_job import default_output, refuse_output


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "scorer.json").write_text("{}")
    return path


def refuse(name: str, inputs: Inputs | None = None, *, force: bool = False) -> None:
    refuse_output(Location.of_output(name), inputs or Inputs([]), force=force)


def test_the_default_name_tells_the_file_and_the_time() -> None:
    now = datetime(2024, 5, 6, 7, 8, 9)
    name = "models/train-20240506-070809"
    for expected in (name, f"{name}-2", f"{name}-3"):
        assert default_output("some/train.csv.gz", now=now) == Location.of_output(expected)
        Path(expected + (".unfinished" if expected.endswith("2") else "")).mkdir(parents=True)


def test_a_free_place_is_accepted() -> None:
    refuse("models/new")


def test_a_place_on_another_machine_is_refused() -> None:
    with pytest.raises(OutputRefused, match="outputs are local"):
        refuse("s3://bucket/model")


def test_an_existing_output_needs_force() -> None:
    model(Path("out"))
    with pytest.raises(OutputRefused, match="exists already"):
        refuse("out")
    refuse("out", force=True)


def test_force_replaces_models_and_nothing_else() -> None:
    Path("precious").mkdir()
    refuse("precious", force=True)
    Path("precious/thesis.txt").touch()
    Path("file").touch()
    Path("link").symlink_to("precious")
    for name in ("precious", "file", "link"):
        with pytest.raises(OutputRefused):
            refuse(name, force=True)


def test_what_is_read_is_not_replaced() -> None:
    """Not even with --force, which replaces a model: the base model is one."""
    model(Path("base"))
    Path("train.csv").touch()
    inputs = Inputs(["train.csv"], models=["base"])
    for name in ("train.csv", "base", "base/new", ".", "-", "/dev/stdout"):
        with pytest.raises(UsageError):
            refuse(name, inputs, force=True)


def test_a_real_folder_in_the_place_of_the_link_is_refused() -> None:
    Path("models/latest").mkdir(parents=True)
    with pytest.raises(OutputRefused, match="not a symbolic link"):
        refuse("out")


def test_what_stands_at_models_latest_matters_only_to_a_model_that_is_to_take_its_place() -> None:
    model(Path("models/latest"))
    with pytest.raises(OutputRefused, match="models/latest: not a symbolic link"):
        refuse("new")
    refuse_output(Location.of_output("new"), Inputs([]), force=False, latest=False)
