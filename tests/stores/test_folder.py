"""A folder that libraries write by its name: what is in it, how it appears whole, the link to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.errors import OutputRefused
from scorer.stores.folder import Folder, temporary_folder


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def filled(name: str, content: str = "{}") -> Folder:
    folder = Folder.of(name)
    folder.path.mkdir(parents=True)
    folder.write("scorer.json", content)
    return folder


def names() -> set[str]:
    return {path.name for path in Path().iterdir()}


def test_what_is_in_it() -> None:
    folder = filled("one", "zwölf")
    folder.folder("inner").path.mkdir()
    assert folder.names() == ["inner", "scorer.json"]
    assert (folder.has("scorer.json"), folder.has("inner"), folder.has("absent")) == (True, False, False)
    assert (folder.read("scorer.json"), folder.read("absent")) == ("zwölf", None)
    assert (folder.folder("inner").is_folder, folder.folder("absent").exists) == (True, False)
    assert Path(folder.at("scorer.json")).read_text(encoding="utf-8") == "zwölf"
    assert (Folder.of("absent").names(), Folder.of("one/scorer.json").names()) == ([], [])
    folder.delete("scorer.json")
    folder.delete("scorer.json")
    folder.make_anew()
    assert folder.names() == []


def test_what_a_library_writes_has_its_name_once_it_is_whole() -> None:
    folder = filled("one")
    with folder.written("weights") as path:
        Path(path).write_bytes(b"1")
        assert not folder.has("weights")
    assert folder.read("weights") == "1"
    with pytest.raises(IsADirectoryError), folder.written("weights") as path:
        Path(folder.at("")).write_bytes(path.encode())
    assert folder.read("weights") == "1"


def test_two_folders_are_beside_each_other_whatever_their_names() -> None:
    filled("one/a")
    Path("link").symlink_to("one")
    assert Folder.of("link/b").is_beside(Folder.of("one/a"))
    assert not Folder.of("b").is_beside(Folder.of("one/a"))
    assert str(Folder.of("one/a").beside("b")) == "one/b"


def test_publish_moves_and_replaces() -> None:
    output = Folder.of("out")
    for content in ("new", "newer"):
        filled("built", content).publish(output, force=True)
        assert output.read("scorer.json") == content
        assert names() == {"out"}
    with pytest.raises(OutputRefused, match="out: appeared while this was made"):
        filled("newest", "newest").publish(output, force=False)
    assert output.read("scorer.json") == "newer"
    filled("built", "first").publish(Folder.of("other"), force=False)
    assert Folder.of("other").read("scorer.json") == "first"


def test_what_stood_there_is_put_back_when_the_new_one_cannot_take_its_place() -> None:
    """Nothing can be moved into itself."""
    built, output = filled("built", "new"), filled("built/out", "old")
    with pytest.raises(OSError, match="Invalid argument"):
        built.publish(output, force=True)
    assert output.read("scorer.json") == "old"
    assert built.names() == ["out", "scorer.json"]


def test_a_link_is_relative_and_moves(workdir: Path) -> None:
    latest = Folder.of("models/latest")
    for target in (filled("models/one"), filled(str(workdir / "elsewhere" / "two"))):
        latest.point_to(target)
        assert latest.resolved == target.resolved
        assert not Path("models/latest").readlink().is_absolute()
    assert Folder.of("models").names() == ["latest", "one"]


def test_a_temporary_folder_is_gone_in_the_end() -> None:
    with temporary_folder("scorer-test-") as folder:
        folder.write("a", "b")
        assert folder.path.name.startswith("scorer-test-")
    assert not folder.exists
