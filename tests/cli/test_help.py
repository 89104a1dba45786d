"""The pages of help: each option in a group, examples that can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from scorer.cli.main import main
from scorer.config import settings_of
from scorer.config.groups import GENERAL, GROUP_OF, GROUPS
from tests.config.seconds import FIRSTS
from tests.test_documents import commands_of

ROOT = Path(__file__).parents[2]
COMMANDS = commands_of(main)
by_command = pytest.mark.parametrize("name", COMMANDS)
# What is no setting.
OWN = {"--config", "--html", "--json", "--debug", "--help", "--verify"}


def test_every_setting_has_a_group_and_every_group_has_settings():
    names = {field.name for config in FIRSTS for field, _, _ in settings_of(config)}
    assert set(GROUP_OF) == names
    assert set(GROUP_OF.values()) == set(GROUPS)
    assert GROUPS[-1] == GENERAL


def page_of(name: str) -> str:
    command = COMMANDS[name]
    return command.get_help(click.Context(command, info_name=name, parent=click.Context(main, info_name="scorer")))


@by_command
def test_help_shows_every_option_once_in_its_group(name):
    page, command = page_of(name), COMMANDS[name]
    sections = dict(re.findall(r"^(\w+):\n(.*?)(?=^\w+:\n|\Z)", page, re.MULTILINE | re.DOTALL))
    shown = {
        flag: title
        for title, text in sections.items()
        for line in re.findall(r"^  (-.*)$", text, re.MULTILINE)
        for flag in re.findall(r"--[a-z0-9-]+", re.split(r"\s{2,}", line)[0])
    }
    one_group = "Options" in sections
    context = click.Context(command)
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            group = "Options" if one_group else GROUP_OF.get(option.name or "", GENERAL)
            flag = next(flag for flag in option.opts if flag.startswith("--"))
            assert shown.pop(flag) == group
            shown.pop(next(iter(option.secondary_opts), ""), None)
            assert flag in OWN or option.name in GROUP_OF
    assert shown == {}


@by_command
def test_examples_are_on_the_page_and_can_be_typed(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = COMMANDS[name]
    assert 2 <= len(command.examples) <= 3
    assert page_of(name).endswith("\n".join(f"  {line}" for line in command.examples))
    for line in command.examples:
        assert len(line) <= 110
        program, called, *arguments = typed(line)
        assert (program, called) == ("scorer", name)
        assert command.make_context(name, arguments).args == []


def test_the_examples_of_all_commands_are_commands():
    page = main.get_help(click.Context(main, info_name="scorer"))
    for line in main.examples:
        assert line in page
        program, name, *arguments = typed(line)
        assert program == "scorer"
        COMMANDS[name].make_context(name, arguments)


def typed(line: str) -> list[str]:
    """The words of the command in a line of a shell: without what it is piped with, its streams and a comment."""
    (found,) = re.findall(r"(?:^|[(|] ?)(scorer [^()|<>#]+)", line)
    return shlex.split(found)


def test_nothing_is_written_in_colour(on_terminal, monkeypatch, tmp_path, tiny_model):
    monkeypatch.setenv("TERM", "xterm-256color")
    (tmp_path / "in.csv").write_text("text\n" + "a good room\n" * 50)
    score = ("score", "in.csv", "out.csv", "-m", str(tiny_model("bert")))
    for arguments in (("score", "--help"), ("score", "none.csv", "out.csv"), score):
        _, seen = on_terminal(*arguments)
        assert not re.search(r"\x1b\[[\d;]*m", seen)
        assert seen
