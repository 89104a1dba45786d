"""What a path leads to: a file, a standard stream, or an open file of somebody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scorer.errors import InputMissing, OutputRefused, UsageError
from scorer.stores.checks import Inputs, check_file
from scorer.stores.location import Location, open_descriptor
from scorer.stores.object_path import ObjectPath

ROOT = Path(__file__).parents[2]
ASK = "import sys; from scorer.stores.location import Location; print(Location.of_output(sys.argv[1]).scheme)"

Ask = Callable[..., str]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """`ask(path)`: the scheme of an output `path` in a process whose stdout is `stdout`: a file, a pipe ..."""

    def run(path: str | Path, stdout: str = "file") -> str:
        command = [sys.executable, "-c", ASK, str(path)]
        if stdout == "pipe":
            return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        with (tmp_path / "told").open("w") as stream:
            subprocess.run(command, cwd=ROOT, stdout=stream, check=True)
        return (tmp_path / "told").read_text().strip()

    return run


@pytest.mark.parametrize("stdout", ["file", "pipe"])
@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("-", "stdout"),
        ("/dev/stdout", "stdout"),
        ("/dev/fd/1", "stdout"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/thread-self/fd/1", "stdout"),
        ("/dev/../dev/stdout", "stdout"),
        ("/dev/stderr", "stderr"),
        ("/dev/null", "local"),
        ("out.csv", "local"),
        ("", "local"),
    ],
)
def test_what_leads_to_a_standard_stream(ask: Ask, path: str, scheme: str, stdout: str) -> None:
    assert ask(path, stdout) == scheme


@pytest.mark.parametrize("stdout", ["file", "pipe"])
def test_a_chain_of_links_is_followed(tmp_path: Path, ask: Ask, stdout: str) -> None:
    (tmp_path / "one").symlink_to("/dev/stdout")
    (tmp_path / "folder").symlink_to("/dev")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("one", "two", "folder/stdout", "folder/fd/1"):
        assert ask(tmp_path / name, stdout) == "stdout", name
    assert ask(tmp_path / "loop") == "local"


def test_the_file_that_stdout_was_sent_to_is_a_file_under_its_own_name(tmp_path: Path, ask: Ask) -> None:
    assert ask(tmp_path / "told") == "local"


def test_another_number_of_the_same_stream(tmp_path: Path) -> None:
    script = (
        f"exec 5>&1; {sys.executable} -c '{ASK}' /dev/fd/5 | cat; {sys.executable} -c '{ASK}' /dev/fd/5 6>{tmp_path}/x"
    )
    told = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    # In the first, 5 is the pipe of this test and 1 the pipe to cat.
    assert told.stdout.split() == ["local", "stdout"]


def test_an_open_file_is_no_place_for_an_output(tmp_path: Path) -> None:
    path = tmp_path / "opened.csv"
    with path.open("w") as stream, subprocess.Popen(["sleep", "60"], stdout=stream) as other:
        own = Path(f"/proc/self/fd/{stream.fileno()}")
        (tmp_path / "link").symlink_to(own)
        assert open_descriptor(own) == (os.getpid(), stream.fileno())
        for target in (own, tmp_path / "link", Path(f"/proc/{other.pid}/fd/1")):
            with pytest.raises(OutputRefused, match="open file"):
                check_file(target, Inputs([]), force=True)
        other.kill()
    assert open_descriptor(path) is None
    check_file(path, Inputs([]), force=True)


def test_a_url_is_a_place_in_a_store_or_none_that_we_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("ftp://host/out.csv", "ftp:/host/out.csv"):
        with pytest.raises(OutputRefused, match=r"ftp://host/out.csv: outputs are local or in s3:"):
            Location.of_output(url)
        with pytest.raises(InputMissing, match=r"ftp://host/out.csv: inputs are local or in s3:"):
            Location.of_input(Path(url))
    with pytest.raises(OutputRefused, match=r"https://host/out.csv: outputs are local"):
        Location.of_output("https://host/out.csv")
    for url in ("s3://bucket/a/out.csv", "S3://bucket/a/out.csv", "s3:/bucket/a/out.csv"):
        for found in (Location.of_output(url), Location.of_input(Path(url)), Location.of_path(ObjectPath.of(url))):
            assert (found.scheme, found.said, found.is_stream) == ("object", "s3://bucket/a/out.csv", False)
            assert (found.name, found.ending, found.path) == ("out.csv", ".csv", ObjectPath.of(url))
    for url in ("s3://", "s3:///key", "s3://bucket/a//b", "gs://bucket/../b", "https://host/a.csv?version=1"):
        with pytest.raises(UsageError):
            Location.of_input(url)
    Path("s3:/bucket").mkdir(parents=True)
    Path("s3:/bucket/out.csv").touch()
    assert Location.of_output("s3://bucket/out.csv").scheme == "local"
    assert Location.of_input("s3://bucket/out.csv").path == Path("s3:/bucket/out.csv")


def test_what_a_place_is_called_and_whether_something_is_there(tmp_path):
    there, absent = Location.of_path(tmp_path), Location.of_path(tmp_path / "no.such.gz")
    assert (there.exists, absent.exists, Location.of_output("-").exists) == (True, False, False)
    assert (absent.name, absent.ending, Location.of_path("a/b").ending) == ("no.such.gz", ".gz", "")
    assert Location.of_path("-").scheme == "local"
