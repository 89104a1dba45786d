"""What lies beside the data of a location and is not read, and how people are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scorer.stores.object_path import path_of

_SHOWN: Final = 5


@dataclass(frozen=True)
class Unread:
    """The `names` of what lies in a location beside its data and is read by nobody, and `links`, those of links to data
    that is read under its own name; `empty` are files of 0 bytes beside others; `lack` says which columns some of the
    files that are read do not have."""

    location: str = ""
    names: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    lack: tuple[str, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """Lines for a person, if there is anything."""
        return (*self._of_names(), *self._of_links(), *self._of_empty(), *self._of_columns())

    def _of_columns(self) -> tuple[str, ...]:
        if not self.lack:
            return ()
        more = f" and {len(self.lack) - _SHOWN} more columns" if len(self.lack) > _SHOWN else ""
        return (
            f"not all files have the same columns; null where a file has none: {', '.join(self.lack[:_SHOWN])}{more}",
        )

    def _of_empty(self) -> tuple[str, ...]:
        if not self.empty:
            return ()
        more = f" and {len(self.empty) - _SHOWN} more" if len(self.empty) > _SHOWN else ""
        return (f"{self.location}: {', '.join(self.empty[:_SHOWN])}{more}: not read, being empty, of 0 bytes",)

    def _of_links(self) -> tuple[str, ...]:
        if not self.links:
            return ()
        more = f" and {len(self.links) - _SHOWN} more" if len(self.links) > _SHOWN else ""
        return (
            f"{self.location}: {', '.join(self.links[:_SHOWN])}{more}: not read a second time, being a link to a file "
            "that is read under its own name",
        )

    def _of_names(self) -> tuple[str, ...]:
        if not self.names:
            return ()
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        count = "1 entry is" if len(self.names) == 1 else f"{len(self.names)} entries are"
        return (
            f"{self.location}: {count} not read, being no file with an ending that we know: "
            f"{', '.join(self.names[:_SHOWN])}{more}; rename what is data, move away what is none",
        )

    def and_empty(self, files: Sequence[Path]) -> Unread:
        """These, and `files` of 0 bytes beside others."""
        return replace(self, location=self.location or str(files[0].parent), empty=tuple(map(str, files)))

    def in_full(self, names: Sequence[str]) -> Iterator[str]:
        """`names` of these as they are called outside of a folder."""
        folder = path_of(self.location)
        yield from (str(folder / name) if folder.is_dir() else name for name in names)

    def as_dict(self) -> dict[str, Any]:
        """How many there are, and the names of the first."""
        names = (*self.names, *self.links, *self.empty)
        return {"count": len(names), "first": list(names[:_SHOWN])}
