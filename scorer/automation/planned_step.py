"""A step as it is done for one day: its configuration, its command line, what it writes, what it is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scorer.config import Data, Setting, declared_of, flag_of
from scorer.config.reading import variable_of
from scorer.errors import ScorerError
from scorer.stores.atomic import make_folder
from scorer.stores.fingerprints import Stamp, combined, content_hashes
from scorer.stores.object_path import ObjectPath, path_of

_STANDING: Final = ("check", "fit", "evaluate", "diff", "export")
_OUTPUTS: Final = ("output", "report", "rows")
# Whatever these say, the same is done.
_HOW: Final = ("force", "quiet", "resume")
_OTHER_OUTPUTS: Final = ("target", "report_html", "textfile", "rejects", "cache")


@dataclass(frozen=True)
class PlannedStep:
    """The step `name` with its `config`, of whose fields `said` have been said; the others have their defaults."""

    name: str
    command: str
    needs: tuple[str, ...]
    config: Any
    said: frozenset[str]

    def arguments(self, *flags: str) -> list[str]:
        """The command line behind `scorer`, with these `flags` besides. Arguments that are taken by place come last."""
        places: list[str] = []
        options: list[str] = []
        for field, declared, _ in declared_of(type(self.config)):
            value = getattr(self.config, field.name)
            if not isinstance(declared, Setting):
                places += value.places if isinstance(value, Data) else [str(value)]
            elif field.name in self.said:
                options += _option(field.name, value, by_default=field.default)
        return [self.command, *options, *flags, "--", *places]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables of the process that does it: those that are `inherited`, without what the step says itself."""
        said = {variable_of(name) for name in self.said}
        return {name: value for name, value in inherited.items() if name not in said}

    @property
    def can_stand(self) -> bool:
        """Whether what it did once need not be done again while nothing has changed. A score knows that itself."""
        return self.command in _STANDING

    @property
    def takes_force(self) -> bool:
        return hasattr(self.config, "force")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The files and folders that it writes under names of its own."""
        paths = (getattr(self.config, name, None) for name in _OUTPUTS)
        return tuple(path for path in paths if path is not None)

    def make_folders(self) -> None:
        """Make the folders in which it writes, which may have the day in their names; those of this machine."""
        others = (getattr(self.config, name, None) for name in _OTHER_OUTPUTS)
        for place in (*self.outputs, *(path_of(said) for said in others if said is not None)):
            if not isinstance(place, ObjectPath):
                make_folder(place.parent)

    @property
    def settings(self) -> str:
        """BLAKE2b of the command and its settings as they are for this day (hexadecimal), without those that have their
        defaults: a later version may have more of them."""
        declared = declared_of(type(self.config))
        values = {field.name: (getattr(self.config, field.name), field.default) for field, _, _ in declared}
        said = {name: repr(value) for name, (value, default) in values.items() if value != default}
        return _hash([self.command, {name: said[name] for name in said.keys() - set(_HOW)}])

    def identity(self) -> str | None:
        """The same with the content of what it reads; None when that cannot be looked at, which the step will tell."""
        try:
            return _hash([self.settings, [_content(place) for place in self._read()]])
        except (ScorerError, OSError):
            return None

    def _read(self) -> Iterator[str]:
        for field, declared, _ in declared_of(type(self.config)):
            value = getattr(self.config, field.name)
            if value is None:
                continue
            if declared.known_by == "content":
                yield from value.places if isinstance(value, Data) else [str(value)]
            elif declared.names_model and Path(str(value), "config.json").is_file():
                yield str(value)


def _option(name: str, value: Any, *, by_default: Any) -> list[str]:
    flag = flag_of(name)
    if isinstance(value, bool):
        return [] if value == by_default else [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, tuple):
        return [f"{flag}={part}" for part in value]
    return [] if value is None else [f"{flag}={value}"]


def _content(place: str) -> list[str]:
    """The names and the content of what lies at `place`: a file, a folder, a pattern, a model directory. What is
    neither there nor a pattern is a name of the hub, or missing."""
    from scorer.tables.listing import list_files

    path = path_of(place)
    if not isinstance(path, ObjectPath) and (path / "config.json").is_file():
        files = sorted(file for file in path.iterdir() if file.is_file())
    else:
        files = list(list_files(place, any_ending=path.is_file()).files)
    stamps = [Stamp.of(file) for file in files]
    return [*map(str, files), combined(content_hashes(stamps))]


def _hash(parts: Any) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=32).hexdigest()
