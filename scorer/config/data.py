"""The data of a job as a person names them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import PurePath


@dataclass(frozen=True, init=False)
class Data:
    """What rows are read from: a path, a folder, a pattern or a stream; or several paths, folders and patterns, one
    after the other. As a text it is what messages call it."""

    places: tuple[str, ...]

    def __init__(self, *places: str | PathLike[str]) -> None:
        object.__setattr__(self, "places", tuple(map(fspath, places)))
        assert self.places, "data that nobody named; this is a bug"

    def __str__(self) -> str:
        return self.places[0] + self._more

    @property
    def name(self) -> str:
        """The last part of what a person named, without the folders before it."""
        return PurePath(self.places[0]).name + self._more

    @property
    def named(self) -> str | list[str]:
        """As JSON has it: one text, or the list of several."""
        return self.places[0] if len(self.places) == 1 else list(self.places)

    @property
    def _more(self) -> str:
        return f" and {len(self.places) - 1} more" if len(self.places) > 1 else ""
