"""Who opens files: in the rooms of jobs nobody does, but for what is listed here with its reason.

Rows come from `tables`, what is written goes through `stores`: so another store than this machine's folders has two
rooms to come into.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "scorer"
ROOMS = ("scoring", "engines", "training")
OPENING = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "NamedTemporaryFile"}
# Neither input nor output, or what a library opens by its path.
REASONS = {
    "training/fit_output.py": "a finished directory is brought to the disk before it gets its name",
    "training/model_directory.py": "a model directory, which transformers writes by its path",
    "training/seeds.py": "weights and their log in the fit's workspace, which safetensors writes by its path",
    "training/resume.py": "checkpoints, which transformers writes by their path",
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


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_is_opened_where_jobs_are_made(room):
    found = {f"{room}/{path.name}" for path in (PACKAGE / room).rglob("*.py") if opened(path)}
    assert found == {name for name in REASONS if name.startswith(f"{room}/")}, "open it through tables or stores"


def test_opening_is_seen(tmp_path):
    for line in ("open('x')", "path.open()", "Path('x').read_text()", "os.fdopen(3)", "a.b.write_bytes(b'')"):
        (tmp_path / "one.py").write_text(line)
        assert opened(tmp_path / "one.py"), line
    (tmp_path / "one.py").write_text("Source.open('x'); store.put('x', b''); Image.open('x')")
    assert not opened(tmp_path / "one.py")
