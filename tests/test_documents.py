"""The pages keep to what exists: links, paths, commands, flags, targets, exit codes. Each page has its length, each
sentence its one place."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command, Context, Group, Option

from jobs.make_reference import reference
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import SCHEMA_VERSION, ModelMetadata
from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES, UNKNOWN_EDGES, Profile
from scorer.cli.main import main
from scorer.errors import Interrupted, ScorerError
from tests.test_architecture import FLOORS

ROOT = Path(__file__).parents[1]
FRONT_PAGES = ("README.md", "README.zh.md")
FRONT_PAGE_LINES = 120
PICTURE_BYTES = 150_000
# A line of fewer characters may stand on several pages, as heads of tables do.
SENTENCE = 60


def pages() -> list[str]:
    """Every page that a person wrote, by its path from the root; model cards are none of them."""
    found = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", ROOT / "models/README.md"]
    for folder in ("scorer", "jobs", "data", "tests"):
        found += (ROOT / folder).rglob("README.md")
    return sorted(str(path.relative_to(ROOT)) for path in found)


PAGES = pages()
SCRIPTS = [*(ROOT / "jobs").rglob("*.py"), ROOT / "data/make_reviews.py"]
# What the commands on the pages make.
MADE = {
    *("data/reviews.parquet", "data/reviews.scored.parquet", "data/held-out.csv"),
    *("data/rated.html", "data/takeaway.html"),
    *("models/latest", "models/latest-previous", "models/current", "models/candidate", "models/moderation"),
    "models/hotels",
}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands_of(command: Command) -> dict[str, Command]:
    """The commands beneath, by their names."""
    if not isinstance(command, Group):
        return {}
    context = Context(command)
    found = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {name: below for name, below in found.items() if below is not None}


def flags_of(command: Command) -> set[str]:
    own = {
        flag
        for option in command.params
        if isinstance(option, Option)
        for flag in (*option.opts, *option.secondary_opts)
    }
    below = commands_of(command).values()
    return own.union({"--help"}, *(flags_of(child) for child in below))


def flags_of_script(path: Path) -> set[str]:
    return set(re.findall(r'add_argument\("(--[a-z-]+)"', path.read_text(encoding="utf-8"))) | {"--help"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def code(text: str) -> Iterator[str]:
    """The code of a page: lines of blocks that have no language, and spans."""
    for block in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command of a page that is ours to check, the variables before it left out."""
    for line in code(text):
        for part in re.split(r"\s\|\s|\s&&\s|;\s|\|$", line.strip().removeprefix("$ ")):
            bare = re.sub(r"^(?:[A-Z_]+=\S* )+|\$\(.*\)", "", part.strip())
            if re.match(r"(?:scorer|make|python3?|pip) ", bare):
                yield shlex.split(bare, comments=True)


def without_commands(text: str) -> str:
    """The prose of a page and its spans, but no script, no target and no other program, whose flags are their own."""
    return re.sub(
        r"`(?:[A-Z_]+=\S* )*(?:python|make|pip|systemctl)[^`]*`|^(?:python|make|pip).*$", "", text, flags=re.MULTILINE
    )


def wrong_with(words: list[str]) -> str | None:
    """What does not exist of a command: a subcommand, a flag, a script, a file of tests, a target."""
    program, *rest = words
    flags = {re.split("=", word)[0] for word in rest if re.match(r"--?[a-z]", word)}
    if program == "scorer":
        if not rest or rest[0] == "COMMAND":
            known = flags_of(main)
        elif rest[0] not in commands_of(main):
            return f"no command {rest[0]}"
        else:
            known = flags_of(commands_of(main)[rest[0]])
    elif program == "make":
        assigned = {word.partition("=")[0]: word.partition("=")[2] for word in rest if "=" in word}
        if unknown := {word for word in rest if "=" not in word} - targets():
            return f"no target {unknown}"
        flags = {word for value in assigned.values() for word in value.split() if word.startswith("--")}
        known = set().union(*map(flags_of_script, SCRIPTS))
    elif program in ("python", "python3") and rest[0].endswith(".py"):
        if not (ROOT / rest[0]).exists():
            return f"no script {rest[0]}"
        known = flags_of_script(ROOT / rest[0])
    else:
        known = flags
    files = [word for word in (part.removeprefix("TESTS=") for part in rest) if re.match(r"tests/", word)]
    missing = [file for file in files if not (ROOT / file).exists() and "FILE" not in file]
    return f"no {missing}" if missing else f"no flag {flags - known}" if flags - known else None


def links(page: str) -> list[tuple[Path, str]]:
    """The files that a page links to, each with the heading that is meant or ""."""
    found = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", read(page))
    here = ROOT / page
    return [((here.parent / path).resolve() if path else here, anchor) for path, anchor in found]


def anchors(text: str) -> set[str]:
    """The headings of a page as GitHub links to them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def errors_below(error: type[ScorerError]) -> set[type[ScorerError]]:
    return {error}.union(*(errors_below(child) for child in error.__subclasses__()))


@pytest.mark.parametrize("page", FRONT_PAGES)
def test_a_front_page_is_short_and_its_pictures_are_small(page):
    assert len(read(page).splitlines()) <= FRONT_PAGE_LINES
    pictures = [path for path, _ in links(page) if path.suffix == ".png"]
    assert all(path.stat().st_size < PICTURE_BYTES for path in pictures)
    assert {ROOT / other for other in FRONT_PAGES} - {ROOT / page} <= {path for path, _ in links(page)}


def test_every_page_is_found_from_the_front_page():
    found, new = set(), {ROOT / "README.md"}
    while new:
        found |= new
        linked = {path for page in new for path, _ in links(str(page.relative_to(ROOT))) if path.name.endswith(".md")}
        new = linked - found
    assert {ROOT / page for page in PAGES} <= found


def test_nothing_stands_twice():
    lines = [line.strip() for page in PAGES for line in set(read(page).splitlines())]
    again = [line for line, count in Counter(lines).items() if count > 1 and len(line) > SENTENCE]
    assert again == []


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_lead_somewhere(page):
    text = read(page)
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), anchor
    named = set(re.findall(r"`((?:scorer|tests|data|jobs|models)/[\w./-]*\w)`", text)) - MADE
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    files = set(re.findall(r"`([\w/-]+\.(?:py|md))`", text))
    assert [
        path for path in sorted(files) if not any((at / path).exists() for at in (ROOT, (ROOT / page).parent))
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_scripts_and_targets_exist(page):
    wrong = {" ".join(words): found for words in commands(read(page)) if (found := wrong_with(words))}
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES)
def test_flags_exist(page):
    known = flags_of(main)
    if not page.startswith("scorer/"):
        known = known.union(*map(flags_of_script, SCRIPTS))
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", without_commands(read(page))))
    assert mentioned <= known


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("scorer fitt TRAIN", "no command fitt"),
        ("scorer fit TRAIN --max-flips 2%", "no flag {'--max-flips'}"),
        ("scorer fit TRAIN --epochs=1 -o DIR", None),
        ("make demo", None),
        ("make demonstration", "no target {'demonstration'}"),
        ("make torture TESTS=tests/test_none.py", "no ['tests/test_none.py']"),
        ("python jobs/bench/none.py", "no script jobs/bench/none.py"),
        ("python jobs/bench/cache_speed.py --unknown 0.5", "no flag {'--unknown'}"),
        ("python -m pytest tests/none", "no ['tests/none']"),
    ],
)
def test_a_wrong_command_is_found(command, wrong):
    assert [wrong_with(words) for words in commands(f"```\n$ {command}   # why\n```")] == [wrong]
    assert [wrong_with(words) for words in commands(f"Try `X=1 {command}` once")] == [wrong]


def test_every_command_is_listed():
    assert isinstance(main, Group)
    listed = {words[1] for words in commands(read("scorer/cli/README.md")) if words[0] == "scorer"}
    assert listed - {"COMMAND"} == set(commands_of(main))


def test_the_commands_without_a_configuration_file_are_told():
    found = {name for name, command in commands_of(main).items() if "--config" not in flags_of(command)}
    (told,) = re.findall(r"`--config FILE`, JSON or TOML \((.*) have none\)", read("scorer/cli/README.md"))
    assert set(re.findall("`(.*?)`", told)) == found


def test_the_reference_is_that_of_the_commands():
    assert read("scorer/cli/REFERENCE.md") == reference(), "run make reference"


def test_the_exit_codes_are_those_of_the_error_tree():
    table = read("scorer/cli/README.md").split("## Exit codes")[1].split("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    cells = [cell for row in rows for cell in row.strip("|").split("|")[::2]]
    listed = {int(number) for cell in cells for number in re.findall(r"\d+", cell)}

    raised = {error.exit_code for error in errors_below(ScorerError)}
    signals = {Interrupted(number).exit_code for number in (1, 2, 15)}
    assert listed == raised | signals | {0, 141}


def test_there_is_advice_for_every_exit_code():
    text = read("scorer/cli/README.md")
    rows = text.split("### What to do")[1].split("\n#")[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")][2:]
    advised = [int(number) for cell, *_ in cells for number in re.findall(r"\d+", cell)]
    signals = {Interrupted(number).exit_code for number in (1, 2, 15)}
    assert sorted(advised) == sorted({error.exit_code for error in errors_below(ScorerError)} | signals | {0, 141})
    assert all(what and advice for _, what, advice in cells)


def test_the_floors_are_those_that_the_imports_keep():
    line = next(line for line in read("CONTRIBUTING.md").splitlines() if line.startswith("`errors < "))
    floor = {room: number for number, rooms in enumerate(line.strip("`").split(" < ")) for room in rooms.split(", ")}
    enforced = {room: number for number, rooms in enumerate(FLOORS) for room in rooms - {"version"}}
    assert set(enforced) == set(floor)
    upside_down = [(a, b) for a in enforced for b in enforced if enforced[a] < enforced[b] and floor[a] > floor[b]]
    assert upside_down == []
    assert set(re.findall(r"^\| `(\w+)` \|", read("CONTRIBUTING.md"), re.MULTILINE)) == set(floor)


SCHEMA = read("models/README.md")


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
