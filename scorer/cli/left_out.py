"""A library that is installed, and that a process is to do without: whoever imports it hears that it is missing.

pyarrow imports pandas at the first list that it makes an array of, to ask whether that is a series. That is a twelfth
of a start, and nobody hands it one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader


def leave_out(name: str) -> None:
    """Let `import name` fail from now on in this process, as if it were not installed."""
    sys.meta_path.insert(0, _LeftOut(name))


class _LeftOut:
    """A finder and a loader, as `importlib.abc` has them, which takes long to import."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that cannot be loaded: to raise here would also meet who only asks whether there is one."""
        if fullname != self._name or PathFinder.find_spec(fullname, path, target) is None:
            return None
        return ModuleSpec(fullname, cast("Loader", self))

    def create_module(self, spec: ModuleSpec) -> None:
        """None: such a module as any is made."""

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError(f"{module.__name__} is left out here", name=module.__name__)
