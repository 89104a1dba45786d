"""Dialects of CSV: what each reads, what a first line may say, what is advised where one does not fit."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import DataError, UsageError
from scorer.tables.dialect import Dialect, delimiter_flag, delimiter_named
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source


def table(path: Path, **said: Any) -> dict[str, list[Any]]:
    (window,) = Source.open(str(path), dialect=Dialect(**said)).read().windows(max_rows=1000, max_bytes=1 << 20)
    found: dict[str, list[Any]] = window.to_pydict()
    return found


def written(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("tab", "\t"),
        ("\\t", "\t"),
        ("\t", "\t"),
        ("Pipe", "|"),
        ("|", "|"),
        ("semicolon", ";"),
        ("space", " "),
        ("\x01", "\x01"),
    ],
)
def test_delimiters_and_their_words(tmp_path: Path, text: str, delimiter: str) -> None:
    assert delimiter_named(text) == delimiter
    path = written(tmp_path, f'a{delimiter}b\n"x{delimiter}y"{delimiter}1\n')
    assert table(path, delimiter=delimiter) == {"a": [f"x{delimiter}y"], "b": [1]}


@pytest.mark.parametrize("text", ["", "||", "::", '"', "\n", "a", "7", "\u00a7", "\0"])
def test_what_cannot_delimit(text: str) -> None:
    with pytest.raises(UsageError, match="replace"):
        delimiter_named(text)


def test_without_quotes_a_quote_is_a_character(tmp_path: Path) -> None:
    path = written(tmp_path, 'a\tb\n"x\t5" z\n""\t"\n\t7\n', "in.tsv")
    assert table(path, quotes=False) == {"a": ['"x', '""', None], "b": ['5" z', '"', "7"]}
    with pytest.raises(DataError, match=r"try: --quote none$"):
        table(path)


def test_without_quotes_numbers_have_types(tmp_path: Path) -> None:
    assert table(written(tmp_path, "a|b\n1|x\n2|y\n"), quotes=False, delimiter="|") == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("begin", ["sep=;", "\ufeffsep=;", "SEP=;"])
def test_a_first_line_says_the_delimiter(tmp_path: Path, begin: str, end: str) -> None:
    path = written(tmp_path, begin + end + end.join(["a;b", "x,y;1"]) + end)
    assert table(path) == {"a": ["x,y"], "b": [1]}
    assert table(path, delimiter=";") == {"a": ["x,y"], "b": [1]}
    assert table(path, names=()) == {"c1": ["a", "x,y"], "c2": ["b", "1"]}
    with pytest.raises(DataError, match="line 1 says sep=;; leave --delimiter out, or say --delimiter ';'"):
        table(path, delimiter="|")


def test_what_is_no_such_line(tmp_path: Path) -> None:
    for header in ("sep=", "sep=a", "sep=;x", '"sep=;"', "sep =;", "xsep=;"):
        path = written(tmp_path, f"{header}\nx\n")
        assert list(table(path)) == [header.strip('"')]
    assert table(written(tmp_path, "# a comment\n# x\n")) == {"# a comment": ["# x"]}


def test_record_and_line_numbers_count_from_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "sep=;\na;b\n1;2\n1;2;3\n")
    with pytest.raises(DataError, match=r"record 2 \(line 4\): 3 fields instead of 2"):
        table(path)


def test_files_of_one_folder_may_say_it_each(tmp_path: Path) -> None:
    written(tmp_path, "sep=;\na;b\n1;2\n", "1.csv")
    written(tmp_path, "a,b\n3,4\n", "2.csv")
    assert table(tmp_path) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("content", "said", "flags"),
    [
        ("a;b\n1;2,5\n", {}, "--delimiter ';'"),
        ("a|b\n1|x, y\n", {}, "--delimiter '|'"),
        ("a\tb\n1\tx, y\n", {}, "--delimiter tab"),
        ("a,b\n1,2\n1,2;3\n", {"delimiter": ";"}, "--delimiter ','"),
        ('a,b\n5" x,1\n', {}, "--quote none"),
        ('a;b\n5" x;1\n', {}, "--delimiter ';' --quote none"),
        ('a;b\n"5;x";1,\n', {}, "--delimiter ';'"),
        ('a,b\n"x,y",1\n', {"quotes": False}, "--quote double"),
        ("a;b\ncaf\u00e9;1\n".encode("latin-1"), {}, "--delimiter ';' --encoding windows-1252"),
        ('a,b\n"caf\u00e9, x",1\n'.encode("latin-1"), {}, "--encoding windows-1252"),
        ("a;1\nb;2,5\n", {"names": ()}, "--delimiter ';'"),
        ("a;1\nb;2\n", {"names": ("x", "y")}, "--delimiter ';'"),
    ],
)
def test_what_to_try_was_tried(tmp_path: Path, content: str | bytes, said: dict[str, Any], flags: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        table(path, **said)
    assert str(caught.value).endswith(f"; try: {flags}")


@pytest.mark.parametrize("content", ["a,b\n1\n", 'a,b\n"x" y\n', "a;b\n1;2,\n3;4;5\n", "a,b\n1,2\n3\n", "a\n1,2\n"])
def test_nothing_is_advised_that_does_not_help(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError) as caught:
        table(written(tmp_path, content))
    assert "try:" not in str(caught.value)


def test_flags_are_for_a_shell() -> None:
    assert [delimiter_flag(character) for character in ";\t|"] == [
        "--delimiter ';'",
        "--delimiter tab",
        "--delimiter '|'",
    ]


def test_a_record_with_a_byte_that_the_encoding_lacks_is_set_aside_as_it_is(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl")
    where = written(tmp_path, b"a,b\n1,x\x81\n2,y\n")
    assert Source.open(str(where), dialect=Dialect(encoding="cp1252"), rejects=rejects).read().rows == 1
    rejects.commit()
    assert f'"base64": "{base64.b64encode(b"1,x" + bytes([0x81, 10])).decode()}"' in rejects.target.read_text()


def test_records_are_set_aside_in_utf_8(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl")
    content = "a;b\ncaf\u00e9\nx;1\n".encode("latin-1")
    source = Source.open(
        str(written(tmp_path, content)), dialect=Dialect(delimiter=";", encoding="latin-1"), rejects=rejects
    )
    assert source.read().rows == 1
    rejects.commit()
    assert '"text": "caf\u00e9\\n"' in (tmp_path / "rejects.jsonl").read_text()
