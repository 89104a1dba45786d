"""The house keeps its floors: every import of the package is read, also those inside functions and type checks.

The checker is a function from a folder to a list of complaints; the tests below show on small houses that it complains.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "scorer"
LONGEST_FILE = 400

FLOORS = (
    {"errors", "version"},
    {"config"},
    {"stores"},
    {"records"},
    {"tables", "classifier", "runs"},
    {"metrics", "examples"},
    {"reports"},
    {"scoring"},
    {"engines"},
    {"checking"},
    {"training"},
    {"adapting"},
    {"evaluation", "advising"},
    {"exporting", "serving", "automation", "frames"},
    {"cli", "testing", "datasets", "duckdb", "pandas", "polars"},
)

# An outside library and the rooms that may import it.
DOORS = {
    "pyarrow.parquet": {"tables"},
    "pyarrow.csv": {"tables"},
    "pyarrow.ipc": {"tables"},
    "pyarrow.json": {"tables"},
    "pyarrow.dataset": {"tables"},
    "pyarrow.feather": {"tables"},
    "csv": {"tables"},
    "torch": {"classifier", "training", "adapting", "advising"},
    "transformers": {"classifier", "training", "adapting"},
    "tokenizers": {"classifier", "training", "adapting", "exporting"},
    "onnxruntime": {"classifier", "exporting"},
    "openvino": {"classifier"},
    "nncf": {"exporting"},
    "safetensors": {"classifier", "training", "adapting"},
    "accelerate": {"classifier", "training"},
    "peft": {"training"},
    "click": {"cli"},
    "datasets": {"datasets"},
    "duckdb": {"duckdb"},
    "pandas": {"pandas"},
    "obstore": {"stores"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "prometheus_client": {"serving"},
}
ONE_FILE_ONLY = {"obstore", "peft", "prometheus_client", "ray", "uvicorn"}
COMPUTED = "(computed)"


@dataclass(frozen=True)
class Import:
    """`module` imports `target`, a dotted name; `from a import b` counts as `a` and as `a.b`."""

    module: str
    target: str
    line: int


def complaints(package: Path) -> list[str]:
    """What is wrong with the imports and files of the package in the folder `package`, sorted."""
    modules = {_module_name(path, package): path for path in package.rglob("*.py")}
    imports = [found for name, path in modules.items() for found in _imports(name, path)]
    name = package.name
    return sorted(
        [
            *(f"{found.module}:{found.line}: relative import" for found in imports if found.target.startswith(".")),
            *(f"{found.module}:{found.line}: computed import" for found in imports if found.target == COMPUTED),
            *(_floor_complaint(found, name) for found in imports if _points_up_or_across(found, name)),
            *(f"{found.module}:{found.line}: {door} has another door" for found, door in _wrong_doors(imports, name)),
            *_second_files(imports),
            *_circles(imports, modules),
            *(f"{module}: named utils" for module in modules if {"utils", "util", "helpers"} & set(module.split("."))),
            *(
                f"{module}: over {LONGEST_FILE} lines"
                for module, path in modules.items()
                if _lines(path) > LONGEST_FILE
            ),
        ]
    )


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(module: str, path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield Import(module, "." * node.level + (node.module or ""), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield Import(module, node.module, node.lineno)
            yield from (Import(module, f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            assert node.args, "import_module without arguments"
            target = node.args[0]
            folder = f"{module if path.stem == '__init__' else module.rpartition('.')[0]}."
            if isinstance(target, ast.JoinedStr) and _begins(target) == folder:  # a registry: any file beside it
                names = {other.stem for other in path.parent.glob("*.py")} - {path.stem, "__init__"}
                yield from (Import(module, folder + name, node.lineno) for name in sorted(names))
                continue
            # A name that is computed could be anything; say so rather than overlook it.
            yield Import(module, target.value if isinstance(target, ast.Constant) else COMPUTED, node.lineno)


def _begins(text: ast.JoinedStr) -> str:
    """What stands before the first value in an f-string."""
    first = text.values[0]
    return str(first.value) if isinstance(first, ast.Constant) else ""


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _room(module: str, package: str) -> str | None:
    """The room of a module of the package; None for the package itself, its `__main__` and the world outside."""
    parts = module.split(".")
    known = parts[0] == package and len(parts) > 1 and any(parts[1] in floor for floor in FLOORS)
    return parts[1] if known else None


def _floor(room: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


def _points_up_or_across(found: Import, package: str) -> bool:
    here, there = _room(found.module, package), _room(found.target, package)
    if here is None or there is None or here == there:
        return False
    return _floor(there) > _floor(here) or _floor(there) == _floor(here)


def _floor_complaint(found: Import, package: str) -> str:
    here, there = _room(found.module, package), _room(found.target, package)
    return f"{found.module}:{found.line}: {here} imports {there}"


def _wrong_doors(imports: list[Import], package: str) -> Iterator[tuple[Import, str]]:
    for found in imports:
        for library, rooms in DOORS.items():
            inside = found.target == library or found.target.startswith(library + ".")
            if inside and _room(found.module, package) not in rooms:
                yield found, library


def _second_files(imports: list[Import]) -> list[str]:
    users = {
        library: {found.module for found in imports if found.target.split(".")[0] == library}
        for library in ONE_FILE_ONLY
    }
    return [f"{library}: imported by {', '.join(sorted(files))}" for library, files in users.items() if len(files) > 1]


def _circles(imports: list[Import], modules: dict[str, Path]) -> list[str]:
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in imports:
        if found.target in modules and found.target != found.module:
            graph[found.module].add(found.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"circle: {' <- '.join(error.args[1])}"]
    return []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_house_keeps_its_floors():
    found = complaints(PACKAGE)
    assert not found, "\n" + "\n".join(found)


def test_every_module_lies_in_a_known_room():
    rooms = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert rooms == set().union(*FLOORS) | {"__init__", "__main__"}


def test_every_module_begins_with_what_it_owns():
    undocumented = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert undocumented == []


@pytest.fixture
def house(tmp_path):
    """`house({"tables/reader.py": "import os"})`: the complaints about a package of these files."""

    def build(files: dict[str, str]) -> list[str]:
        package = tmp_path / "scorer"
        for name, text in files.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return complaints(package)

    return build


def test_a_sound_house_is_left_in_peace(house):
    found = house(
        {
            "__init__.py": "def score():\n    from scorer.cli.main import run",
            "errors.py": "",
            "config/settings.py": "from scorer.errors import ScorerError",
            "tables/__init__.py": "",
            "tables/formats/parquet.py": "import pyarrow.parquet as pq\nfrom pyarrow import ipc\nimport scorer.errors",
            "classifier/forward/padded.py": "import torch\nfrom transformers import AutoModel",
            "scoring/shards.py": "from scorer.tables.source import Source\nimport scorer.classifier.forward.padded",
            "engines/ray.py": "def start():\n    import ray",
            "cli/main.py": "import click\nfrom scorer.engines import score_job",
            "duckdb.py": "import duckdb\nfrom scorer.frames.models import known_model",
        }
    )
    assert found == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("tables/a.py", "from scorer.scoring.tasks import run", "scorer.tables.a:1: tables imports scoring"),
        ("tables/a.py", "import scorer.cli", "scorer.tables.a:1: tables imports cli"),
        ("tables/a.py", "from scorer import classifier", "scorer.tables.a:1: tables imports classifier"),
        ("runs/a.py", "def f():\n    from scorer.tables import x", "scorer.runs.a:2: runs imports tables"),
        (
            "classifier/a.py",
            "if TYPE_CHECKING:\n    import scorer.runs.lock",
            "scorer.classifier.a:2: classifier imports runs",
        ),
        ("checking/a.py", "import scorer.training.fit_job", "scorer.checking.a:1: checking imports training"),
        ("config.py", "import scorer.tables", "scorer.config:1: config imports tables"),
        ("tables/a.py", "from . import b", "scorer.tables.a:1: relative import"),
        ("tables/a.py", "import torch.nn as nn", "scorer.tables.a:1: torch has another door"),
        (
            "scoring/a.py",
            "def f():\n    from transformers import x",
            "scorer.scoring.a:2: transformers has another door",
        ),
        ("scoring/a.py", "from pyarrow import parquet", "scorer.scoring.a:1: pyarrow.parquet has another door"),
        ("scoring/a.py", "import csv", "scorer.scoring.a:1: csv has another door"),
        ("scoring/a.py", "importlib.import_module('torch')", "scorer.scoring.a:1: torch has another door"),
        ("scoring/a.py", "importlib.import_module(name)", "scorer.scoring.a:1: computed import"),
        ("scoring/a.py", "importlib.import_module(f'{name}.a')", "scorer.scoring.a:1: computed import"),
        ("scoring/a.py", "importlib.import_module(f'scorer.tables.{name}')", "scorer.scoring.a:1: computed import"),
        ("runs/a.py", "import click", "scorer.runs.a:1: click has another door"),
        ("errors.py", "import click", "scorer.errors:1: click has another door"),
        ("tables/utils.py", "", "scorer.tables.utils: named utils"),
        ("utils/text.py", "", "scorer.utils.text: named utils"),
        ("tables/a.py", "\n" * 401, "scorer.tables.a: over 400 lines"),
    ],
)
def test_a_wrong_import_is_found(house, name, text, complaint):
    assert complaint in house({name: text})


def test_a_circle_is_found_even_when_it_is_lazy(house):
    found = house(
        {
            "tables/a.py": "from scorer.tables.b import x",
            "tables/b.py": "def f():\n    import scorer.tables.c",
            "tables/c.py": "from scorer.tables import a",
        }
    )
    assert len(found) == 1
    assert found[0].startswith("circle: ")
    assert all(f"scorer.tables.{name}" in found[0] for name in "abc")


def test_ray_has_one_file(house):
    found = house({"scoring/a.py": "import ray", "scoring/b.py": "def f():\n    from ray import data"})
    assert found == ["ray: imported by scorer.scoring.a, scorer.scoring.b"]
