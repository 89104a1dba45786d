"""Who opens files, and who knows paths: in the rooms of jobs nobody does, but for what is listed here with its reason.

Rows come from `tables`, what is written goes through `stores`: so another store than this machine's folders has two
rooms to come into.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "scorer"
ROOMS = ("scoring", "engines", "training", "adapting", "advising", "checking", "evaluation")
# Where inputs and outputs are locations and plain text, and what libraries need by its name is a folder of `stores`.
WITHOUT_PATHS = ROOMS
OPENING = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "NamedTemporaryFile"}
PATHS = {
    "training/fit_job.py": "what the Python function `fit` gives back says as a path where the model is",
    "adapting/adapt_job.py": "what the Python function `adapt` gives back says as a path where the model is",
}


def opened(path: Path) -> list[str]:
    """The calls in the file `path` that open a file; `Source.open` and the like, of a class, are none."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = [call.id for call in calls if isinstance(call, ast.Name)]
    names += [
        call.attr
        for call in calls
        if isinstance(call, ast.Attribute) and not (isinstance(call.value, ast.Name) and call.value.id[0].isupper())
    ]
    return [name for name in names if name in OPENING]


def paths_in(path: Path) -> list[str]:
    """The names in the file `path` that mean a path of this machine, and the modules that know them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names):
                found += [module, *(f"{module}.{alias.name}" for alias in names)]
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.append(name)
    return [name for name in found if name in {"pathlib", "os", "os.path", "shutil", "tempfile", "glob", "Path"}]


@pytest.mark.parametrize("room", WITHOUT_PATHS)
def test_no_path_is_known_where_places_are_locations(room):
    found = {f"{room}/{path.name}" for path in (PACKAGE / room).rglob("*.py") if paths_in(path)}
    assert found == {name for name in PATHS if name.startswith(f"{room}/")}, "use scorer.stores"


def test_paths_are_seen(tmp_path):
    for line in ("import pathlib", "from pathlib import PurePath", "a: Path", "import os.path", "from os import open"):
        (tmp_path / "one.py").write_text(line)
        assert paths_in(tmp_path / "one.py"), line
    (tmp_path / "one.py").write_text("from scorer.stores.location import Location; a.path; Folder.of(a.said)")
    assert not paths_in(tmp_path / "one.py")


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_is_opened_where_jobs_are_made(room):
    found = {f"{room}/{path.name}" for path in (PACKAGE / room).rglob("*.py") if opened(path)}
    assert not found, "open it through tables or stores"


def test_opening_is_seen(tmp_path):
    for line in ("open('x')", "path.open()", "Path('x').read_text()", "os.fdopen(3)", "a.b.write_bytes(b'')"):
        (tmp_path / "one.py").write_text(line)
        assert opened(tmp_path / "one.py"), line
    (tmp_path / "one.py").write_text("Source.open('x'); store.put('x', b''); Image.open('x')")
    assert not opened(tmp_path / "one.py")
