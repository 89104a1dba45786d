"""`--rejects` of every command that reads data: malformed records are set aside once, and the rest is read."""

from __future__ import annotations

import json

import pytest

from tests.training.fits import reviews

HOW = ("--precision", "fp32", "--device", "cpu")
SHORT = ("--max-length", 32, "--max-steps", 1, "--batch-size", 8)
COMMANDS = {
    "fit": lambda model: ("fit", "in.csv", "--base-model", model, "-o", "fitted", *SHORT, *HOW),
    "check": lambda model: ("check", "in.csv", "--base-model", model),
    "evaluate": lambda model: ("evaluate", "in.csv", "-m", model, "--label-column", "label", *HOW),
    "diff": lambda model: ("diff", model, model, "in.csv", "--label-column", "label", *HOW),
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
