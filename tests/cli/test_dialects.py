"""Files in other dialects of CSV and other encodings, through every command that reads data: what it says of them is
what it says of the same rows in plain CSV.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.training.fits import reviews

HOW = ("--precision", "fp32", "--device", "cpu")
SHORT = ("--max-length", 32, "--max-steps", 1, "--batch-size", 8)


def latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


def content(delimiter: str, *, quoting: bool = True) -> str:
    rows = [
        ("sentence", "label"),
        *((latin(f"caf\u00e9 {text}"), 1 if mood == "bad" else 5) for text, mood in reviews(60)),
    ]
    if not quoting:
        return "".join(f'{text} 5" x{delimiter}{score}\n' for text, score in rows[1:])
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return stream.getvalue()


DIALECTS: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "semicolons": ("in.csv", content(";").encode(), ("--delimiter", ";")),
    "pipes, Latin-1": ("in.csv", content("|").encode("latin-1"), ("--delimiter", "pipe", "--encoding", "latin-1")),
    "UTF-16 of Excel": ("in.csv", content("\t").encode("utf-16"), ("--delimiter", "tab", "--encoding", "utf-16")),
    "a line that says it": ("in.csv", b"sep=;\r\n" + content(";").encode(), ()),
    "no ending": ("in.data", content(";").encode(), ("--delimiter", "semicolon")),
}
COMMANDS = {
    "score": lambda name, model: ("score", name, "out.parquet", "-m", model, *HOW),
    "fit": lambda name, model: ("fit", name, "--base-model", model, "-o", "fitted", *SHORT, *HOW),
    "check": lambda name, model: ("check", name, "--base-model", model),
    "evaluate": lambda name, model: ("evaluate", name, "-m", model, "--label-column", "label", *HOW),
    "diff": lambda name, model: ("diff", model, model, name, "--label-column", "label", *HOW),
}


FORCE = {"score": ("--force",), "fit": ("--force",)}


def said(out: str) -> dict[str, object]:
    """What a command says of rows."""
    rows = {key: value for key, value in json.loads(out).items() if key.endswith("rows") or key == "statuses"}
    assert rows
    return rows


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_every_dialect(cli, tiny_model, tmp_path, command):
    model = tiny_model("bert", labels=("1", "5"))
    write(tmp_path / "plain.csv", content(",").encode())
    ran = cli(*COMMANDS[command]("plain.csv", model))
    assert ran.code == 0, ran.err
    expected = said(ran.out)
    for name, data, flags in list(DIALECTS.values())[: 2 if command == "fit" else None]:
        write(tmp_path / name, data)
        ran = (
            cli(*COMMANDS[command](name, model), *flags, "--force")
            if command != "check"
            else cli(*COMMANDS[command](name, model), *flags)
        )
        assert ran.code == 0, ran.err
        assert said(ran.out) == expected
        if command == "score":
            assert pq.read_table(tmp_path / "out.parquet")["sentence"].to_pylist()[0].startswith("caf\u00e9 ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_the_standard_input(cli, tiny_model, tmp_path, monkeypatch, command):
    model = tiny_model("bert", labels=("1", "5"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content(",").encode())))
    ran = cli(*COMMANDS[command]("-", model))
    assert ran.code == 0, ran.err
    write(tmp_path / "plain.csv", content(",").encode())
    assert said(ran.out) == said(cli(*COMMANDS[command]("plain.csv", model), *FORCE.get(command, ())).out)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "fit"])
def test_bare_quotes_without_a_header(cli, tiny_model, tmp_path, command):
    """As in the files of GLUE."""
    write(tmp_path / "in.tsv", content("\t", quoting=False).encode())
    model = tiny_model("bert", labels=("1", "5"))
    arguments = (*COMMANDS[command]("in.tsv", model), "--no-header", "--columns", "sentence,label")
    refused = cli(*arguments)
    assert refused.code == 65
    assert "try: --quote none" in refused.err
    assert cli(*arguments, "--quote", "none").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_refusal_says_the_flags(cli, tiny_model, tmp_path, command):
    write(tmp_path / "in.csv", content(";").encode("windows-1252"))
    refused = cli(*COMMANDS[command]("in.csv", tiny_model("bert", labels=("1", "5"))))
    assert refused.code == 65
    assert "try: --delimiter ';' --encoding windows-1252" in refused.err
    assert refused.err.count("\n") == 1
    assert "caf" not in refused.err


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_that_make_no_sense(cli, tiny_model, tmp_path, command):
    write(tmp_path / "in.csv", content(",").encode())
    write(tmp_path / "in.jsonl", b'{"sentence": "x", "score": 1}\n')
    arguments = COMMANDS[command]("in.csv", tiny_model("bert"))
    for flags in (("--delimiter", "||"), ("--delimiter", "a"), ("--delimiter", ""), ("--encoding", "rot13")):
        refused = cli(*arguments, *flags)
        assert (refused.code, refused.out) == (2, ""), flags
        assert flags[0] in refused.err
    refused = cli(*COMMANDS[command]("in.jsonl", tiny_model("bert")), "--delimiter", ";")
    assert (refused.code, "--delimiter is for CSV and TSV" in refused.err) == (2, True)


def test_another_dialect_is_another_job(cli, tiny_model, tmp_path):
    write(tmp_path / "in.csv", b"sentence;a\nx,1;2\n")
    ran = cli("score", "in.csv", "out.csv", "-m", tiny_model("bert"), *HOW, "--delimiter", ";")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out.csv").read_text().startswith('sentence,a,score,confidence,score_status\n"x,1",2,')
    arguments = ("score", "in.csv", "out.parquet", "-m", tiny_model("bert"), *HOW)
    assert cli(*arguments, "--delimiter", ";").code == 0
    assert cli(*arguments, "--delimiter", ";").code == 0
    refused = cli(*arguments, "--delimiter", ";", "--encoding", "latin-1")
    assert refused.code == 73


def test_settings_from_the_environment_and_a_file(cli, tiny_model, tmp_path):
    write(tmp_path / "in.csv", content(";").encode("latin-1"))
    write(tmp_path / "how.json", b'{"encoding": "latin-1"}')
    arguments = ("score", "in.csv", "out.parquet", "-m", tiny_model("bert"), *HOW, "--config", "how.json")
    assert cli(*arguments, SCORER_DELIMITER=";").code == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 60


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_the_sheet_that_is_asked_for(cli, tiny_model, tmp_path, command):
    pytest.importorskip("fastexcel")
    xlsxwriter = pytest.importorskip("xlsxwriter")
    with xlsxwriter.Workbook(str(tmp_path / "in.xlsx")) as book:
        book.add_worksheet("notes").write(0, 0, "made in May")
        sheet = book.add_worksheet("my data")
        for row, values in enumerate(csv.reader(io.StringIO(content(",")))):
            sheet.write_row(row, 0, values)
    arguments = COMMANDS[command]("in.xlsx", tiny_model("bert", labels=("1", "5")))
    refused = cli(*arguments)
    assert refused.code == 65
    assert "2 sheets have cells: 'notes', 'my data'; try: --sheet notes" in refused.err
    assert cli(*arguments, "--sheet", "May").code == 2
    assert cli(*arguments, SCORER_SHEET="my data").code == 0


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
