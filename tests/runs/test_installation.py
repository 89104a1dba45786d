"""What is installed is told from what pyproject.toml asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scorer.runs.installation import EXTRAS, OLDEST_PYTHON, REQUIRED, Extra, look_at_extras, look_at_libraries

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# For those who work on scorer itself.
DEVELOPERS = {"bench", "dev"}


def packages(extra: str) -> list[str]:
    """The packages of an extra, those of the extras in it in their place."""
    found = []
    for package in PROJECT["optional-dependencies"][extra]:
        inner = package.removeprefix("scorer[").rstrip("]") if package.startswith("scorer[") else None
        found += packages(inner) if inner else [package]
    return found


def test_the_requirements_are_those_of_the_project():
    assert list(REQUIRED) == PROJECT["dependencies"]
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, OLDEST_PYTHON))
    extras = {name: packages(name) for name in PROJECT["optional-dependencies"] if name not in DEVELOPERS}
    assert {name: list(extra.packages) for name, extra in EXTRAS.items()} == extras


@pytest.mark.parametrize(
    ("needed", "state"),
    [("pytest>=1", "ok"), ("pytest>=1.20.3", "ok"), ("pytest>=999", "wrong"), ("no-such-package>=1", "wrong")],
)
def test_a_library_is_there_and_new_enough_or_not(needed, state):
    (found,) = look_at_libraries([needed])
    assert found.state == state
    assert found.advice == (() if state == "ok" else (f"pip install '{needed}'",))


def test_an_extra_that_lacks_something_says_how_to_install_it():
    (found,) = look_at_extras({"some": Extra("a purpose", ("pytest>=1", "no-such-package==1.0"))})
    assert (found.state, found.details["installed"]) == ("note", False)
    assert found.said == "lacks no-such-package==1.0, for a purpose: pip install 'scorer[some]'"
