"""`--rejects` of every command that reads data: malformed records are set aside once, and the rest is read."""

from __future__ import annotations

import json

import pytest

from tests.training.fits import reviews

HOW = ("--precision", "fp32", "--device", "cpu")
SHORT = ("--max-length", 32, "--max-steps", 1, "--batch-size", 8)
COMMANDS = {
    "fit": lambda model, name="in.csv": ("fit", name, "--base-model", model, "-o", "fitted", *SHORT, *HOW),
    "check": lambda model, name="in.csv": ("check", name, "--base-model", model),
    "evaluate": lambda model, name="in.csv": ("evaluate", name, "-m", model, "--label-column", "label", *HOW),
    "diff": lambda model, name="in.csv": ("diff", model, model, name, "--label-column", "label", *HOW),
}


@pytest.fixture
def data(tmp_path):
    plain = (("".join(character for character in text if character not in '",'), mood) for text, mood in reviews(60))
    lines = [f"{text},{1 if mood == 'bad' else 5}\n" for text, mood in plain]
    wrong = ["one field\n", 'a "stray" quote,1\n']
    content = "".join(["sentence,label\n", *lines[:20], wrong[0], *lines[20:40], wrong[1], *lines[40:]])
    (tmp_path / "in.csv").write_text(content, encoding="utf-8")
    return wrong


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_sets_malformed_records_aside(cli, tiny_model, tmp_path, data, command):
    arguments = COMMANDS[command](tiny_model("bert", labels=("1", "5")))
    assert cli(*arguments).code == 65
    ran = cli(*arguments, "--rejects", "rejects.jsonl")
    assert ran.code == 0, ran.err
    assert "rejects.jsonl: 2 malformed records were set aside here" in ran.err
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [record["text"] for record in kept] == data
    assert [record["record"] for record in kept] == [21, 42]
    assert json.loads(ran.out)["rejected"] == 2


@pytest.mark.parametrize(
    ("name", "begin", "between", "end"), [("in.jsonl", "", "\n", "\n"), ("in.json", "[", ",\n", "]")]
)
@pytest.mark.parametrize("command", [*COMMANDS, "score"])
def test_every_command_sets_lines_of_another_type_aside(cli, tiny_model, tmp_path, command, name, begin, between, end):
    rows = [{"id": number, "text": text, "label": mood} for number, (text, mood) in enumerate(reviews(60))]
    wrong = [rows[0] | {"id": "1a"}, rows[1] | {"id": {"of": 1}}, rows[2] | {"label": 5}, rows[3] | {"text": ["x"]}]
    lines = map(json.dumps, [*rows[:30], wrong[0], *rows[30:50], *wrong[1:], *rows[50:]])
    (tmp_path / name).write_text(begin + between.join(lines) + end, encoding="utf-8")
    model = tiny_model("bert", labels=("bad", "good"))
    score = ("score", name, "out.parquet", "-m", model, *HOW)
    arguments = score if command == "score" else COMMANDS[command](model, name)
    refused = cli(*arguments)
    assert refused.code == 65
    assert "column 'id' is text here and a number before" in refused.err
    assert "--rejects FILE" in refused.err
    ran = cli(*arguments, "--rejects", "rejects.jsonl")
    assert ran.code == 0, ran.err
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [json.loads(record["text"]) for record in kept] == wrong
    assert [record["record"] for record in kept] == [31, 52, 53, 54]
    assert json.loads(ran.out)["rejected"] == 4


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "fit"])
def test_only_those_before_the_limit_count(cli, tiny_model, tmp_path, data, command):
    assert data
    arguments = COMMANDS[command](tiny_model("bert", labels=("1", "5")))
    assert cli(*arguments, "--rejects", "rejects.jsonl", "--limit", 30).code == 0
    assert (tmp_path / "rejects.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_fails_leaves_none(cli, tiny_model, tmp_path, command):
    (tmp_path / "in.csv").write_text("sentence,other\nx,1\ny\n")
    arguments = COMMANDS[command](tiny_model("bert", labels=("1", "5")))
    assert cli(*arguments, "--rejects", "rejects.jsonl", "--text-column", "absent").code in (2, 65)
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv"}
    assert cli(*arguments, "--rejects", "in.csv").code == 2
    assert (tmp_path / "in.csv").read_text().startswith("sentence")
