"""Locations: paths, globs, folders and the standard input; formats by name and by first bytes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import DataError, InputMissing, NotPermitted, UsageError
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.formats.registry import format_of, sniff
from scorer.tables.listing import list_files
from scorer.tables.part_names import part_files
from scorer.tables.source import Source
from tests.stores.buckets import Bucket


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", "parquet"),
        ("a.PQ", "parquet"),
        ("a.b.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.tsv.zst", "tsv"),
        ("a.ndjson.gz", "jsonl"),
        ("a.jsonl", "jsonl"),
        ("a.arrow", "arrow"),
        ("a.feather", "arrow"),
        ("a.parquet.gz", None),
        ("a.gz", None),
        ("csv", None),
        ("a.txt", None),
    ],
)
def test_formats_by_ending(name: str, expected: str | None) -> None:
    assert format_of(name) == expected
    assert format_of(Path("folder.csv") / name) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"PAR1\x15", "parquet"),
        (b"ARROW1\0\0", "arrow"),
        (b"\xff\xff\xff\xff\x10\0\0\0", "arrow"),
        (b'{"a": 1}\n', "jsonl"),
        (b"\xef\xbb\xbf{}", "jsonl"),
        (b"{x},b\n", "csv"),
        (b"a\tb\n1,5\t2\n", "tsv"),
        (b"a,b\tc\n", "csv"),
        (b"text\n", "csv"),
        (b"", None),
        (b"\xff\xfea\0", None),
        (b"a\0b\0c\0", None),
        ("a,b\n\u4e2d,1\n".encode("utf-16-le"), None),
        ("a,b\n\u4e2d,1\n".encode("utf-32-be"), None),
        (b"a\0b", "csv"),
    ],
)
def test_formats_by_first_bytes(first: bytes, expected: str | None) -> None:
    assert sniff(first) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"PAR1....", "parquet"),
        ("a.csv", gzip.compress(b"a,b\n", mtime=0), "add .gz"),
        ("a.csv.gz", b"a,b\n1,2\n", "not gzip"),
        ("a.parquet", b"a,b\n1,2\n", "not those of parquet"),
        ("a.parquet", b"", "empty"),
        ("a.arrow", b"PAR1", "not those of arrow"),
        ("a.jsonl", b"a,b\n", "expected jsonl"),
    ],
)
def test_29_first_bytes_that_contradict_the_ending(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Source.open(str(path))


def test_an_ending_that_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="--input-format"):
        Source.open(str(path))
    assert Source.open(str(path), dialect=Dialect(format="csv")).names == ("a", "b")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "data")
    assert Source.open(str(tmp_path / "data")).format == "parquet"


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    for location in ("none.csv", "*.csv", ".", "none/"):
        with pytest.raises(InputMissing):
            Source.open(str(tmp_path / location))


def test_folders_and_globs_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.csv", "a.csv", "sub/c.csv", ".hidden.csv", "_part.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    (tmp_path / "manifest.json").write_text("{}")
    names = [path.relative_to(tmp_path).as_posix() for path in Source.open(str(tmp_path)).files]
    assert names == ["a.csv", "b.csv", "sub/c.csv"]
    assert [path.name for path in Source.open(str(tmp_path / "[ab].csv")).files] == ["a.csv", "b.csv"]
    (tmp_path / "x[1].csv").write_text("a,b\n1,2\n")
    assert [path.name for path in Source.open(str(tmp_path / "x[1].csv")).files] == ["x[1].csv"]
    pq.write_table(pa.table({"a": [1]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="several formats"):
        Source.open(str(tmp_path))
    (tmp_path / "d.parquet").unlink()
    for name in ("e.jsonl", "f.tsv.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    source = Source.open(str(tmp_path))
    assert len(source.files) == 4
    assert [Path(name).name for name in source.unread.empty] == ["e.jsonl", "f.tsv.gz"]


def test_a_glob_of_all_beneath_reads_what_the_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.csv", "day=1/b.csv", "_temporary/0/c.csv", "day=1/_d.csv", "out.unfinished/e.csv", "_x=1/f.csv"):
        path = tmp_path / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    for root in (str(tmp_path / "lake"), "lake", "./lake"):
        found = list_files(f"{root}/**/*.csv", any_ending=False, one_partitioning=False).files
        assert [path.name for path in found] == ["f.csv", "a.csv", "b.csv"]
        assert found == list_files(root, any_ending=False, one_partitioning=False).files
    (tmp_path / "lake" / ".x").mkdir()
    (tmp_path / "lake" / ".x" / "g.csv").write_text("a,b\n1,2\n")
    assert len(list_files("lake/**/.x/*.csv", any_ending=False, one_partitioning=False).files) == 1
    asked = list_files("lake/**/_d.csv", any_ending=False, one_partitioning=False).files
    assert [path.name for path in asked] == ["_d.csv"]


def names_of(location: str, root: str) -> list[str]:
    """The files of a location, as they are called beneath `root`; those of one are listed once."""
    listing = list_files(location, any_ending=False, one_partitioning=False)
    return [str(path).removeprefix(f"{root}/") for path in listing.files]


LAKE = (
    *("day=1/a.csv", "day=1/deep/b.csv", "day=2/c.csv", "day=2/_SUCCESS", "day=2/.d.csv", "day=2/notes.md"),
    *("_temporary/day=3/e.csv", ".old/day=4/f.csv", "day=5.unfinished/g.csv", "elsewhere/h.csv"),
)
IN_FOLDERS = ["day=1/a.csv", "day=1/deep/b.csv", "day=2/c.csv"]


@pytest.fixture(params=["local", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[str, bytes], object]]:
    """The name of a folder with the files of `LAKE`, here or in a bucket, and what puts a file into it."""
    if request.param == "bucket":
        bucket: Bucket = request.getfixturevalue("bucket")
        root = f"{bucket.url}/lake"

        def put(name: str, content: bytes) -> object:
            return bucket.put(f"lake/{name}", content)
    else:
        root = str(tmp_path / "lake")

        def put(name: str, content: bytes) -> object:
            path = tmp_path / "lake" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.write_bytes(content)

    for name in LAKE:
        put(name, b"a,b\n1,2\n")
    return root, put


def test_a_file_that_a_pattern_matches_in_several_ways_is_read_once(lake) -> None:
    root, put = lake
    assert names_of(f"{root}/**/**/*.csv", root) == [*IN_FOLDERS, "elsewhere/h.csv"]
    assert names_of(f"{root}/**/deep/**/*.csv", root) == ["day=1/deep/b.csv"]
    put("deep/deep/i.csv", b"a,b\n1,2\n")
    assert names_of(f"{root}/**/deep/**/i.csv", root) == ["deep/deep/i.csv"]


@pytest.mark.parametrize("pattern", ["day=*/", "day=*", "d*y=[12]/"])
def test_a_pattern_of_folders_alone_reads_what_lies_in_them(lake, pattern: str) -> None:
    root, _ = lake
    assert names_of(f"{root}/{pattern}", root) == IN_FOLDERS
    listing = list_files(f"{root}/{pattern}", any_ending=False)
    assert listing.partition_names == ("day",)
    assert [Path(name).name for name in listing.unread.names] == ["notes.md"]
    assert [file.name for file in part_files(f"{root}/{pattern}", UNSAID, output_format=None)[0]] == IN_FOLDERS


def test_what_a_pattern_of_folders_asks_for_by_its_own_name(lake) -> None:
    root, put = lake
    assert names_of(f"{root}/_t*/", root) == ["_temporary/day=3/e.csv"]
    assert names_of(f"{root}/.o*/day=*/", root) == [".old/day=4/f.csv"]
    assert names_of(f"{root}/*/deep/", root) == ["day=1/deep/b.csv"]
    with pytest.raises(InputMissing, match=r"none\*/: no file matches"):
        names_of(f"{root}/none*/", root)
    put("empty=1/notes.md", b"x")
    with pytest.raises(InputMissing, match=r"no file matches; there are 1 other files, such as .*notes.md"):
        names_of(f"{root}/empty=*/", root)
    if not root.startswith("s3"):
        assert names_of(f"{root}/day=*/**/", root) == IN_FOLDERS
    # Where a file matches, folders are told as before.
    put("day=0.csv", b"a,b\n1,2\n")
    assert names_of(f"{root}/day=*", root) == ["day=0.csv"]


def test_what_is_no_data_by_its_name_does_not_stand_in_the_way_of_folders(lake) -> None:
    root, put = lake
    for name in ("day=1/_SUCCESS", "_SUCCESS", "_manifest.json"):
        put(name, b"{}")
    assert names_of(f"{root}/*", root) == [*IN_FOLDERS, "elsewhere/h.csv"]
    assert names_of(f"{root}/_m*", root) == ["_manifest.json"]


def test_a_folder_of_patterns_has_data_in_formats_that_are_for_reading_alone(lake) -> None:
    root, put = lake
    put("x=1/rows.csv.bz2", b"x")
    put("x=2/rows.json", b"[]")
    assert names_of(f"{root}/x=*/", root) == ["x=1/rows.csv.bz2", "x=2/rows.json"]
    put("x=2/rows.csv", b"a\n1\n")
    assert names_of(f"{root}/x=*/", root) == ["x=2/rows.csv"]


def test_the_mark_of_a_folder_in_a_bucket_is_no_data_whatever_it_is_called(bucket: Bucket) -> None:
    content = parquet_bytes()
    bucket.put("lake/reviews.parquet/", b"")
    bucket.put("lake/reviews.parquet/part-0.parquet", content)
    bucket.put("lake/old.parquet", b"")
    bucket.put("lake/old.parquet/_SUCCESS", b"")
    bucket.put("lake/new.parquet_$folder$", b"")
    root = f"{bucket.url}/lake"
    for location in (root, f"{root}/**/*.parquet", f"{root}/*.parquet", f"{root}/reviews.parquet/"):
        for any_ending in (False, True):
            found = list_files(location, any_ending=any_ending)
            assert [str(path) for path in found.files] == [f"{root}/reviews.parquet/part-0.parquet"], location
    assert Source.open(root).rows == pq.read_table(io.BytesIO(content)).num_rows


@pytest.mark.parametrize("location", [".", "*.csv"])
def test_a_link_to_nothing_is_not_passed_over(tmp_path: Path, location: str) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").symlink_to("nothing.csv")
    (tmp_path / ".#a.csv").symlink_to("somebody-edits-it")
    with pytest.raises(InputMissing, match=r"b\.csv: a symlink to nothing"):
        Source.open(str(tmp_path / location))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_folder_that_may_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for name in (".locked", "lost+found"):
        (tmp_path / name).mkdir(mode=0o000)
    assert len(Source.open(str(tmp_path)).files) == 1
    (tmp_path / "locked").mkdir(mode=0o000)
    with pytest.raises(NotPermitted, match="locked"):
        Source.open(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter everywhere")
def test_a_folder_that_may_be_listed_and_not_entered(tmp_path: Path) -> None:
    folder = tmp_path / "listed"
    folder.mkdir()
    (folder / "a.csv").write_text("a,b\n1,2\n")
    folder.chmod(0o400)
    try:
        with pytest.raises(NotPermitted, match=r"listed/a\.csv"):
            Source.open(str(tmp_path))
    finally:
        folder.chmod(0o700)


def test_what_another_run_has_not_finished_is_no_input(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("a,b\n1,2\n")
    workspace = Workspace(target)
    (workspace.path / "partial.a.csv").write_text("a,b\n1,2\n")
    for location in (".", "**/*.csv"):
        assert Source.open(str(tmp_path / location)).files == (target,)
    workspace.remove()


def test_a_name_that_arrow_cannot_open(tmp_path: Path) -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    (tmp_path / f"{name}.csv").write_text("a,b\n1,2\n")
    assert Source.open(str(tmp_path)).names == ("a", "b")
    (tmp_path / f"{name}.csv").unlink()
    (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n", mtime=0))
    with pytest.raises(UsageError, match="a name that is not UTF-8"):
        Source.open(str(tmp_path))


def test_rows_and_names_without_reading(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [1], "b": [3]}), tmp_path / "2.parquet")
    source = Source.open(str(tmp_path))
    assert (source.names, source.rows, len(source.files)) == (("a", "b"), 3, 2)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert Source.open(str(tmp_path / "x.csv")).rows is None


@pytest.mark.parametrize("name", ["pipe", "pipe.csv"])
def test_a_fifo_is_read_as_the_standard_input_is(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a,b\n1,x\n2,y,z\n",))
    writer.start()
    source = Source.open(str(pipe), spool=tmp_path)
    writer.join()
    assert (source.format, source.names) == ("csv", ("a", "b"))
    with pytest.raises(DataError, match=f"^{pipe}: record 2 "):
        source.read(["b"])


def test_a_device_is_no_file() -> None:
    with pytest.raises(InputMissing, match="say - instead"):
        Source.open("/dev/zero")


def parquet_bytes() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,x\n", "csv"),
        (b"a\tb\n1\tx\n", "tsv"),
        (b'{"a": 1, "b": "x"}\n', "jsonl"),
        (gzip.compress(b"a,b\n1,x\n", mtime=0), "csv"),
        (parquet_bytes(), "parquet"),
    ],
)
def test_the_standard_input(tmp_path: Path, content: bytes, expected: str) -> None:
    program = """
import sys
from pathlib import Path
from scorer.tables.listing import list_files
from scorer.tables.part_names import part_files
from scorer.tables.source import Source
from tests.stores.buckets import Bucket
source = Source.open("-", spool=Path(sys.argv[1]))
(window,) = source.read(["b"]).windows(max_rows=10, max_bytes=1000)
print(source.format, window.to_pylist(), len(list(Path(sys.argv[1]).iterdir())))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], input=content, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == f"{expected} [{{'a': 1, 'b': 'x'}}] 1"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", "a,b\n".encode("utf-16")])
def test_a_standard_input_without_data(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(DataError, match="standard input"):
        Source.open("-", spool=tmp_path)
    assert list(tmp_path.iterdir()) == []


SCANNED = {
    "a.csv": "text,code,n,note\na,007,1,x\nb,12,2,\n",
    "a.tsv": "text\tcode\tn\tnote\na\t12\t1\t\nb\t13\t2\ty\n",
    "a.jsonl": '{"text": "a", "code": "1", "note": {"k": 1}}\n{"text": "b", "code": "2", "note": {"j": 2}}\n',
}


@pytest.mark.parametrize("name", SCANNED)
@pytest.mark.parametrize("folder", [".", "day=01"])
def test_a_text_column_that_is_named_later_needs_no_second_scan(tmp_path: Path, name: str, folder: str) -> None:
    path = tmp_path / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(SCANNED[name])

    def rows(source: Source, columns: tuple[str, ...]) -> pa.Table:
        return pa.concat_tables(source.read(columns).windows(max_rows=9, max_bytes=999))

    fresh = {columns: rows(Source.open(str(tmp_path)), columns) for columns in [("text",), ("code",), ("text", "code")]}
    scanned = Source.open(str(tmp_path))
    typed = scanned.read().schema
    for columns, table in fresh.items():
        found = rows(scanned, columns)
        assert found.schema.equals(table.schema, check_metadata=True)
        assert found.equals(table)
    assert scanned.read().schema.equals(typed), "what is text for one reader is not for the next"
    with pytest.raises(UsageError, match="no column 'words'"):
        scanned.read(("words",))
    content = path.read_bytes()
    path.unlink()
    reader = scanned.read(("text",))
    with pytest.raises(InputMissing):
        next(reader.windows(max_rows=9, max_bytes=999))
    path.write_bytes(content + b"\n")
    with pytest.raises(DataError, match="changed while it was read"):
        reader.check_unchanged()


@pytest.mark.parametrize("location", ["abfs://b/a.csv", Path("abfs://b/a.csv"), "abfs://b/*.csv"])
def test_what_lies_elsewhere_is_said_with_what_to_try(location):
    with pytest.raises(InputMissing, match=r"^abfs://.*: inputs are local .* \(az storage blob download\)"):
        Source.open(location)


def test_a_location_is_opened_as_it_was_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    for location in (path, str(path), Location.of_input(path)):
        assert Source.open(location).files == (path,)
