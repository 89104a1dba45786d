"""The README keeps to what exists: commands, flags, exit codes, paths."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from click import Group, Option

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import SCHEMA_VERSION, ModelMetadata
from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES, UNKNOWN_EDGES, Profile
from scorer.cli.main import main
from scorer.errors import Interrupted, ScorerError

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def flags_of(command: object) -> set[str]:
    own = {
        flag
        for option in command.params
        if isinstance(option, Option)
        for flag in (*option.opts, *option.secondary_opts)
    }
    below = command.commands.values() if isinstance(command, Group) else ()
    return own.union({"--help"}, *(flags_of(child) for child in below))


def errors_below(error: type[ScorerError]) -> set[type[ScorerError]]:
    return {error}.union(*(errors_below(child) for child in error.__subclasses__()))


def test_every_flag_in_the_readme_exists():
    # Scripts have flags of their own.
    ours = re.sub(r"`python [^`]*`", "", README)
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert len(mentioned) >= 8
    assert mentioned <= flags_of(main)


def test_every_command_in_the_readme_exists_and_none_is_missing():
    assert isinstance(main, Group)
    mentioned = set(re.findall(r"^(?:.*\| )?scorer ([a-z]+) ", README, re.MULTILINE))
    assert mentioned == set(main.commands)


def test_the_exit_codes_of_the_readme_are_those_of_the_error_tree():
    table = README.split("## Exit codes")[1].split("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    cells = [cell for row in rows for cell in row.strip("|").split("|")[::2]]
    listed = {int(number) for cell in cells for number in re.findall(r"\d+", cell)}

    raised = {error.exit_code for error in errors_below(ScorerError)}
    signals = {Interrupted(number).exit_code for number in (1, 2, 15)}
    assert listed == raised | signals | {0, 141}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "data/README.md", "jobs/README.md"])
def test_links_and_paths_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    paths = re.findall(r"`((?:scorer|tests|data|jobs)/[\w./-]*\w)`", text)
    made = {"data/reviews.parquet", "data/reviews.scored.parquet"}
    for link in links:
        assert (ROOT / page).parent.joinpath(link).exists(), link
    for path in set(paths) - made:
        assert (ROOT / path).exists(), path


SCHEMA = (ROOT / "models/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("## `scorer.json`", ModelMetadata),
        ("### `labels`", LabelSet),
        ("### `long_text`", LongText),
        ("### `decision`", Decision),
        ("### `profile`", Profile),
    ],
)
def test_every_key_of_the_metadata_is_documented_and_no_other(title, kind):
    section = SCHEMA.split(f"\n{title}\n")[1].split("\n#")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    fields = [field.name for field in dataclasses.fields(kind)]
    assert documented == (["schema_version", *fields] if kind is ModelMetadata else fields)


def test_every_object_within_the_metadata_has_its_table():
    nested = {name for name, hint in ModelMetadata.__annotations__.items() if re.match("[A-Z]", str(hint))}
    assert nested == set(re.findall(r"^### `(\w+)`", SCHEMA, re.MULTILINE))


def test_the_version_and_the_edges_are_those_of_the_code():
    history = SCHEMA.split("### Versions")[1]
    assert re.findall(r"^\| (\d+) \|", history, re.MULTILINE) == [str(n) for n in range(1, SCHEMA_VERSION + 1)]
    assert f"version of this schema: {SCHEMA_VERSION} |" in SCHEMA
    assert " ".join(map(str, LENGTH_EDGES)) in SCHEMA
    assert " ".join(f"{edge:g}" for edge in UNKNOWN_EDGES) in SCHEMA
    assert (*(tenth / 10 for tenth in range(1, 10)), 0.95, 0.99) == CONFIDENCE_EDGES
