"""Several files, folders and patterns that are read as one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from scorer.config import Data
from scorer.errors import DataError, InputMissing, UsageError
from scorer.tables.source import Source


def put(path: Path, *texts: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("t\n" + "".join(f"{text}\n" for text in texts))
    return str(path)


def read(*places: str | Path) -> pa.Table:
    return pa.concat_tables(Source.open(Data(*places)).read(["t"]).windows(max_rows=3, max_bytes=1 << 20))


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_places_are_read_one_after_the_other_each_by_name() -> None:
    put(Path("b/2.csv"), "three")
    put(Path("b/1.csv"), "two")
    put(Path("a.csv"), "four")
    put(Path("c.csv"), "one")
    assert read("c.csv", "b", "a*.csv")["t"].to_pylist() == ["one", "two", "three", "four"]
    assert str(Data("x/c.csv", "b", "a")) == "x/c.csv and 2 more"
    assert Data("x/c.csv", "b").name == "c.csv and 1 more"
    assert (Data("c.csv").named, Data("c.csv", "b").named) == ("c.csv", ["c.csv", "b"])


def test_a_file_that_two_places_have_is_refused() -> None:
    put(Path("b/1.csv"), "one")
    Path("c.csv").symlink_to("b/1.csv")
    for second in ("b/1.csv", "b/*.csv", "c.csv", "./b"):
        with pytest.raises(UsageError, match=r"is named twice, by b and by .*; name it once"):
            Source.open(Data("b", second))


def test_each_place_must_be_there_and_be_no_stream() -> None:
    put(Path("a.csv"), "one")
    for missing in ("none.csv", "none*.csv"):
        with pytest.raises(InputMissing, match="none"):
            Source.open(Data("a.csv", missing))
    with pytest.raises(UsageError, match="-: a stream, which is read alone"):
        Source.open(Data("a.csv", "-"))


def test_partitions_lie_beneath_the_folder_that_all_have_in_common() -> None:
    places = [put(Path(f"hive/day={day}/{day}.csv"), f"text {day}") for day in (1, 2)]
    whole = read("hive")
    assert whole["day"].to_pylist() == [1, 2]
    # As a shell makes them of hive/day=*/*.csv and of hive/day=*.
    assert read(*places) == read("hive/day=*/*.csv") == read("hive/day=1", Path("hive/day=2").absolute()) == whole
    put(Path("other.csv"), "text")
    with pytest.raises(DataError, match="lies in the partitions none"):
        read("hive", "other.csv")


def test_what_is_not_read_is_called_as_outside_of_its_folder() -> None:
    put(Path("a/1.csv"), "one")
    put(Path("b/1.csv"), "one")
    Path("a/notes.doc").touch()
    Path("b/2.csv").symlink_to("1.csv")
    unread = Source.open(Data("a", "b")).unread
    assert (unread.names, unread.links) == (("a/notes.doc",), ("b/2.csv",))
    assert unread.warnings()[0].startswith("a and 1 more: 1 entry is not read")
