"""Formats and compressions that are read and never written: JSON arrays, lines of text, bzip2, xz, zip."""

from __future__ import annotations

import bz2
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scorer.errors import DataError, InputMissing, ScorerError, UsageError
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import output_format
from scorer.tables.rejects import Rejects
from scorer.tables.sink import open_sink
from scorer.tables.source import Source


def table(path: Path, *texts: str, rejects: Rejects | None = None, **said: Any) -> dict[str, list[Any]]:
    reader = Source.open(str(path), dialect=Dialect(**said), rejects=rejects).read(texts)
    windows = list(reader.windows(max_rows=100_000, max_bytes=1 << 30))
    found: dict[str, list[Any]] = pa.concat_tables(windows).to_pydict() if windows else {}
    return found


def zipped(data: bytes, *names: str) -> bytes:
    path = Path("a.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("a.csv",):
            archive.writestr(name, data)
    return path.read_bytes()


PACKED: dict[str, Callable[[bytes], bytes]] = {"bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}
CSV = "text,n\n" + "".join(f"caf\u00e9 {number},{number}\n" for number in range(20_000))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_compressed_files_are_read(tmp_path: Path, ending: str, name: str) -> None:
    rows = [{"text": f"caf\u00e9 {number}", "n": number} for number in range(20_000)]
    content = CSV if name == "a.csv" else "".join(map("{}\n".format, map(json.dumps, rows)))
    if name == "a.json":
        content = json.dumps(rows, indent=2)
    path = tmp_path / f"{name}.{ending}"
    path.write_bytes(PACKED[ending](content.encode()))
    assert table(path) == {"text": [row["text"] for row in rows], "n": [row["n"] for row in rows]}


@pytest.mark.parametrize("ending", PACKED)
def test_what_is_damaged_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.csv.{ending}"
    whole = PACKED[ending](CSV.encode())
    wrong = [whole[:cut] for cut in (len(whole) - 1, len(whole) // 2, 12, 5)]
    wrong += [whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 255]) + whole[len(whole) // 2 + 1 :]]
    if ending != "zip":
        wrong.append(whole + b"behind it")
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            table(path)
        assert "\n" not in str(caught.value)


def test_streams_one_after_the_other_are_one_text(tmp_path: Path) -> None:
    for ending, pack in (("bz2", bz2.compress), ("xz", lzma.compress)):
        path = tmp_path / f"a.csv.{ending}"
        path.write_bytes(pack(b"a,b\n1") + pack(b"") + pack(b",2\n"))
        assert table(path) == {"a": [1], "b": [2]}
    path.write_bytes(lzma.compress(b"a,b\n1,2\n") + bytes(4 * 50_000))
    assert table(path) == {"a": [1], "b": [2]}


@pytest.mark.parametrize("names", [(), ("a.csv", "b.csv")])
def test_a_zip_has_one_member(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "x.csv.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "a,b\n1,2\n")
    with pytest.raises(DataError, match=f"holds {len(names)} files; exactly one"):
        table(tmp_path / "x.csv.zip")


def test_the_member_says_the_format(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.tsv", "a\tb\n1\t2\n")
        archive.writestr("__MACOSX/folder/._a.tsv", "x")
    assert table(tmp_path / "x.zip") == {"a": [1], "b": [2]}


def test_an_encrypted_zip_is_called_so(tmp_path: Path) -> None:
    data = bytearray(zipped(b"a,b\n1,2\n"))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    (tmp_path / "a.csv.zip").write_bytes(data)
    with pytest.raises(DataError, match="encrypted"):
        table(tmp_path / "a.csv.zip")


def test_a_text_that_begins_like_bzip2_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("BZh9,b\n1,2\n")
    assert table(tmp_path / "a.csv") == {"BZh9": [1], "b": [2]}


BOMB = """
import resource, sys
from scorer.errors import DataError
from scorer.tables.source import Source
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
try:
    Source.open(sys.argv[1]).read()
except DataError as error:
    print(error)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *(pytest.param("a.csv", ending, marks=[pytest.mark.slow] * (ending != "bz2")) for ending in PACKED),
        # A document takes twenty seconds until its memory is bounded; what unpacks it has been tried with CSV.
        *(pytest.param("a.json", ending, marks=[pytest.mark.slow] * (ending != "xz")) for ending in PACKED),
    ],
)
def test_30_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, ending: str, name: str) -> None:
    begin = b'"' if name == "a.csv" else b'[{"a": "'
    (tmp_path / f"{name}.{ending}").write_bytes(PACKED[ending](begin + b"x" * (66 << 20)))
    done = subprocess.run(
        [sys.executable, "-c", BOMB, f"{name}.{ending}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "64 MiB" in done.stdout, done.stderr
    assert int(done.stdout.split()[-1]) < 900_000


@pytest.mark.parametrize("target", ["a.csv.bz2", "a.jsonl.xz", "a.csv.zip", "a.json", "a.xlsx", "a.json.gz"])
def test_nothing_is_written_so(tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match="for reading alone"):
        output_format(tmp_path / target)


def test_sinks_of_them_are_refused(tmp_path: Path) -> None:
    for name in ("json", "lines", "excel"):
        with pytest.raises(UsageError, match="for reading alone"):
            open_sink(tmp_path / "x", format=name, schema=pa.schema([("a", pa.int64())]))  # type: ignore[arg-type]


def test_in_a_folder_they_are_data_where_nothing_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.csv.bz2").write_bytes(bz2.compress(b"a\n1\n"))
    assert table(folder) == {"a": [1]}
    (folder / "a.csv").write_text("a\n2\n")
    (folder / "about.json").write_text("{}")
    assert table(folder) == {"a": [2]}
    assert Source.open(str(folder)).unread.names == ("about.json", "b.csv.bz2")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("[]", None),
        ('[{"a": 1}]', [1]),
        (' \n[ {"a" : 1},\r\n{"a":2}\n]\n \t', [1, 2]),
        ("\ufeff" + '[{"a": 1}]', [1]),
        ('{"a": 1}\n\n{"a": 2}\n', [1, 2]),
        ('[{"a": {"b": [1, 2]}}, {"a": {"b": []}}]', [{"b": [1, 2]}, {"b": []}]),
        (r'[{"a": "x\"],[{\\"}, {"a": "}"}]', ['x"],[{\\', "}"]),
        ('[{"a": "caf\u00e9 \U0001f600"}]', ["caf\u00e9 \U0001f600"]),
        ('[\n  {\n    "a": "x  y",\n    "b": null\n  }\n]', ["x  y"]),
    ],
)
def test_an_array_is_read_as_its_entries(tmp_path: Path, content: str, rows: list[Any] | None) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    if rows is None:
        with pytest.raises(DataError, match="no entry holds an object"):
            table(path)
        return
    assert table(path)["a"] == rows
    path.write_text(content, encoding="utf-16")
    assert table(path, encoding="utf-16")["a"] == rows


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"a": 1}', "entry 1: the array is cut short"),
        ('[{"a": 1},', "entry 2: the array is cut short"),
        ('[{"a": "x', "entry 1: the array is cut short"),
        ("[", "entry 1: the array is cut short"),
        ('[{"a": 1}] x', "entry 1: text behind the end"),
        ('[{"a": 1}][]', "text behind the end"),
        ('[{"a": 1},]', "entry 2: nothing stands there"),
        ('[,{"a": 1}]', "entry 1: nothing stands there"),
        ('[{"a": 1} {"a": 2}]', "entry 1: not JSON"),
        ("[{}}]", "entry 1: a brace that nothing opens"),
        ('[{"a": "x\ny"}]', "entry 1: a line break inside a text"),
        ('[{"a": 1}, 2]', "entry 2: a number instead of an object"),
        ('[{"a": 1}, {"a": NaN}]', "entry 2: NaN is not JSON"),
        ('[{"a": 1, "a": 2}]', "entry 1: a key stands twice"),
        ('[{"a": 1\n2}]', "entry 1: not JSON"),
        ('"text"', "neither an array"),
        ("text,n\n", "neither an array"),
        ("", "the file is empty"),
    ],
)
def test_what_is_no_array_of_objects(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=what):
        table(path)


def test_malformed_entries_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1}, {"a": NaN}, 7, {"a": 2}]')
    rejects = Rejects(tmp_path / "rejects.jsonl")
    assert table(path, rejects=rejects) == {"a": [1, 2]}
    rejects.commit()
    assert [json.loads(line)["record"] for line in (tmp_path / "rejects.jsonl").read_text().splitlines()] == [2, 3]


def test_entries_at_any_edge_of_what_is_read(tmp_path: Path) -> None:
    rows = [{"a": "x" * length + '"\\\n\u00e9', "b": [length]} for length in range(0, 4000, 3)] * 2
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    assert path.stat().st_size > 4 << 20
    assert table(path) == {"a": [row["a"] for row in rows], "b": [row["b"] for row in rows]}


def test_an_array_in_a_file_of_lines_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('[{"a": 1}]\n')
    with pytest.raises(DataError, match="try: --input-format json"):
        table(tmp_path / "a.jsonl")
    assert table(tmp_path / "a.jsonl", format="json") == {"a": [1]}


def test_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('one, "two\n\n007\t8\r\n sep=; \n', newline="")
    assert table(path, format="lines") == {"text": ['one, "two', "", "007\t8", " sep=; "]}
    assert table(path, "text", format="lines") == {"text": ['one, "two', "", "007\t8", " sep=; "]}
    path.write_bytes("caf\u00e9\n7".encode("latin-1"))
    assert table(path, format="lines", encoding="iso8859-1") == {"text": ["caf\u00e9", "7"]}
    with pytest.raises(DataError, match="try: --encoding windows-1252"):
        table(path, format="lines")
    with pytest.raises(UsageError, match="no column 'x'"):
        table(path, "x", format="lines", encoding="iso8859-1")
    with pytest.raises(UsageError, match="--no-header is for CSV and TSV"):
        table(path, format="lines", names=())
    with pytest.raises(ScorerError, match="--input-format"):
        table(path)


def test_a_folder_of_nothing_else_says_the_endings(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputMissing, match=r"\.json \.xlsx"):
        table(tmp_path / "in")
