"""Private names of outside libraries stand behind a door that can do without them, and nowhere else.

A name is private when it begins with one underscore. It is ours when the package defines it; every other one is that of
a library, which may take it away. The checker is a function from a folder to what it found; small houses show that it
finds what it should.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "scorer"

# The module that may use private names of a library, and which. tests/classifier/test_torch_internals.py makes each of
# them vanish.
DOORS = {
    "scorer.classifier.torch_internals": {
        "_reorder_linear_weight",
        "_linear_pointwise",
        "_is_avx512_bf16_supported",
        "_is_amx_tile_supported",
        "_addmm_activation",
        "_scaled_dot_product_efficient_attention",
        "_flash_attention_forward",
    }
}
# Documented, for all their underscores (a named tuple has `_replace`); two endings of words; two names of files; a
# variable that click reads.
PUBLIC = {
    *("_exit", "_replace", "_implementation", "_label_classification", "_rels", "_SUCCESS"),
    "_SCORER_COMPLETE",
}


def private_names(package: Path) -> set[tuple[str, str]]:
    """Each private name of an outside library in the package, with the module that uses it: read, written, imported,
    spelt in a string, or defined anew in a class that inherits it from outside."""
    trees = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
    }
    ours = {name for tree in trees.values() for name in _defined(tree)} | PUBLIC
    found = {
        (module, name)
        for module, tree in trees.items()
        for node in ast.walk(tree)
        for name in _used(node)
        if _is_private(name) and name not in ours
    }
    inherited = {(module, name) for module, tree in trees.items() for name in _redefined(tree, package.name)}
    return found | inherited


def _is_private(name: str) -> bool:
    return name.isidentifier() and name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes, constants, fields and attributes that this module makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in (part for whole in targets for part in ast.walk(whole)):
                if isinstance(target, ast.Name):
                    yield target.id
                elif isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                    yield target.attr


def _used(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.name for alias in node.names)
        yield from (node.module or "").split(".")
    elif isinstance(node, ast.Import):
        yield from (part for alias in node.names for part in alias.name.split("."))
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        # For getattr, wherever the call stands.
        yield node.value


def _redefined(tree: ast.Module, package: str) -> Iterator[str]:
    """Private names that a class of this module takes from a base outside of the package."""
    origins = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for base in node.bases:
            module, name = origins.get(getattr(base, "id", ""), ("", ""))
            if not module or module.split(".")[0] in (package, "typing", "abc", "enum"):
                continue
            inherited = getattr(importlib.import_module(module), name)
            own = {*_defined(ast.Module([node], []))}
            yield from (found for found in own if _is_private(found) and hasattr(inherited, found))


def test_private_names_of_libraries_stand_behind_their_doors():
    allowed = {(module, name) for module, names in DOORS.items() for name in names}
    assert private_names(PACKAGE) == allowed


@pytest.fixture
def house(tmp_path):
    """`house(text)`: the private names of libraries in a package of one file."""

    def build(text: str) -> set[str]:
        package = tmp_path / "scorer"
        package.mkdir(exist_ok=True)
        (package / "a.py").write_text(text, encoding="utf-8")
        return {name for _, name in private_names(package)}

    return build


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import torch\ntorch.ops.mkldnn._linear_pointwise(1)", {"_linear_pointwise"}),
        ("getattr(torch.cpu, '_is_amx_tile_supported')", {"_is_amx_tile_supported"}),
        ("[getattr(torch.cpu, name) for name in ('_a', 'b')]", {"_a"}),
        ("arguments._n_gpu = 1", {"_n_gpu"}),
        ("arguments._n_gpu -= 1", {"_n_gpu"}),
        ("from torch._dynamo import config", {"_dynamo"}),
        ("from torch import _C", {"_C"}),
        ("import torch._inductor.config", {"_inductor"}),
        ("model.save_model(_internal_call=True)", {"_internal_call"}),
        ("class A:\n    def _f(self): return self._f()", set()),
        ("class A:\n    def g(self): self._h = 1\nA()._h", set()),
        ("class A:\n    _field: int\nA()._field", set()),
        ("import os\nos._exit(1)", set()),
        ("[1 for _ in range(3)]\n__name__", set()),
        ("from ast import NodeVisitor\nclass A(NodeVisitor):\n    def _own(self): pass", set()),
        ("from logging import Formatter\nclass A(Formatter):\n    def _usesTime(self): pass", set()),
        ("from threading import Thread\nclass A(Thread):\n    def _bootstrap(self): pass", {"_bootstrap"}),
    ],
)
def test_what_the_checker_finds(house, text, found):
    assert house(text) == found


def test_every_door_is_there():
    for module in DOORS:
        assert importlib.import_module(module).__doc__
        assert module in sys.modules
