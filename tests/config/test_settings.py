"""Every field says what it affects, and identities have those fields that affect something, no more and no fewer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from scorer.config import FitConfig, Setting, affecting, declared_of, identity, material
from tests.config.seconds import FIRSTS, cases, names

EVERYTHING = ("logits", "answers", "output", "weights")


def resolutions(config: type) -> dict[str, str]:
    """An answer for every field whose value does not tell."""
    return {field.name: f"resolved {field.name}" for field, said, _ in declared_of(config) if said.known_by != "value"}


def test_every_configuration_is_tested():
    sources = (Path(__file__).parents[2] / "scorer" / "config").glob("*.py")
    classes = {
        line.split("class ")[1].split("(")[0]
        for source in sources
        for line in source.read_text(encoding="utf-8").splitlines()
        if line.startswith("class ") and "Config(" in line
    }
    assert classes == {config.__name__ for config in FIRSTS}


@pytest.mark.parametrize("config", FIRSTS, ids=names)
def test_every_field_says_what_it_affects(config):
    said = {field.name for field, _, _ in declared_of(config)}
    assert said == {field.name for field in dataclasses.fields(config)}


def test_a_setting_that_does_not_say_it_is_a_bug():
    @dataclass(frozen=True)
    class Silent:
        loud: Annotated[bool, "help"] = False

    with pytest.raises(AssertionError, match=r"Silent\.loud does not say what it affects"):
        list(declared_of(Silent))
    with pytest.raises(TypeError, match="affects"):
        Setting("help")  # type: ignore[call-arg]
    with pytest.raises(AssertionError, match="nothing beside something"):
        Setting("help", affects=("nothing", "logits"))


@pytest.mark.parametrize(("config", "name", "said", "second"), cases(*FIRSTS), ids=names)
def test_a_second_value_changes_the_identities_that_the_field_affects(config, name, said, second):
    """A field that is known by its value changes them itself; of another, what it was resolved to does."""
    first, resolved = FIRSTS[config], resolutions(config)
    changed = dataclasses.replace(first, **{name: second})
    again = resolved | ({name: "something else"} if name in resolved else {})
    for effect in EVERYTHING:
        before, after = identity(first, effect, resolved=resolved), identity(changed, effect, resolved=resolved)
        differs = before != identity(changed, effect, resolved=again)
        assert differs == (effect in said.effects)
        assert name in resolved or (before != after) == differs
    assert (name in material(config)) == (said.effects != ("nothing",))


def test_what_does_not_tell_by_its_value_must_be_resolved():
    config, resolved = FIRSTS[FitConfig], resolutions(FitConfig)
    resolved.pop("precision")
    with pytest.raises(KeyError, match="precision"):
        identity(config, "weights", resolved=resolved)
    with pytest.raises(AssertionError, match="this is a bug"):
        identity(config, "weights", resolved={"seed": 7})


def test_a_fit_says_of_no_setting_that_it_affects_logits():
    """What it changes of those it changes by the weights."""
    assert affecting(FitConfig, "logits") == {}
