"""Which files a path, a glob or a folder stands for, which ones beside them are not read, and their hive partitions.

Decides by names; opens nothing.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, takewhile
from pathlib import Path, PurePath
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from scorer.config import UNFINISHED
from scorer.errors import DataError, InputMissing, UsageError, from_os_error
from scorer.stores.object_path import ObjectPath, path_of
from scorer.tables.formats.registry import endings, format_of, is_read_alone

NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
_SHOWN: Final = 5
_FOLDER_MARK: Final = "_$folder$"

Partition = tuple[tuple[str, str | None], ...]
"""The names and values (None is null) of the folders `name=value` that a file lies in, from the outermost."""


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


@dataclass(frozen=True)
class Listing:
    """The `files` of a location in the order in which they are read, with the partition of each, which all have the
    same names; `unread` is what lies beside them and is no data that we know."""

    files: tuple[Path, ...]
    partitions: tuple[Partition, ...]
    unread: Unread = field(default_factory=Unread)

    @property
    def partition_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.partitions[0])

    def without(self, is_empty: Callable[[Path], bool]) -> Listing:
        """The same without files that are empty, such as Spark writes for parts without rows, if others are left."""
        full = [not is_empty(path) for path in self.files]
        if all(full) or not any(full):
            return self
        empty = [path for path, read in zip(self.files, full, strict=True) if not read]
        return Listing(
            tuple(compress(self.files, full)), tuple(compress(self.partitions, full)), self.unread.and_empty(empty)
        )


def list_files(location: str, *, any_ending: bool, one_partitioning: bool = True) -> Listing:
    """The files that `location` stands for, by name.

    In a folder hidden ones and those that begin with `_` are not data, nor is anywhere what another run works in.
    InputMissing for a link to nothing and NotPermitted for a folder that may not be read: rows would be missing.
    DataError where some files lie in other partitions than the rest; without `one_partitioning`, where each file stays
    in its own folder, there are no partitions.
    """
    found = _files_of(location, any_ending=any_ending)
    partitions = _partitions(found.files, found.root) if one_partitioning else ((),) * len(found.files)
    return Listing(tuple(found.files), partitions, found.unread)


def list_together(locations: Sequence[str], *, any_ending: bool) -> Listing:
    """The files of all `locations`, one location after the other, as those of one; partitions are the folders beneath
    the one that all have in common. Errors as of `list_files`; UsageError for a file that is named twice."""
    if len(locations) == 1:
        return list_files(locations[0], any_ending=any_ending)
    found = [_files_of(location, any_ending=any_ending) for location in locations]
    _refuse_again(locations, found)
    files = [file for part in found for file in part.files]
    root = _common([part.root.absolute() for part in found])
    parts = [part.unread for part in found]
    unread = Unread(
        f"{locations[0]} and {len(locations) - 1} more",
        tuple(name for part in parts for name in part.in_full(part.names)),
        tuple(name for part in parts for name in part.in_full(part.links)),
    )
    return Listing(tuple(files), _partitions([file.absolute() for file in files], root), unread)


@dataclass(frozen=True)
class _Found:
    """The `files` that lie beneath `root`, and what else does."""

    files: list[Path]
    root: Path
    unread: Unread = field(default_factory=Unread)


def _refuse_again(locations: Sequence[str], found: Sequence[_Found]) -> None:
    """UsageError for a file that is read at two of the `locations`: its rows would come twice."""
    seen: dict[Path, str] = {}
    for location, part in zip(locations, found, strict=True):
        here = {}
        for file in part.files:
            here[file.resolve()] = location
            if (other := seen.get(file.resolve())) is not None:
                raise UsageError(f"{file}: is named twice, by {other} and by {location}; name it once")
        seen |= here


def _common(roots: list[Path]) -> Path:
    """The folder that all lie in. UsageError where there is none."""
    level = zip(*(root.parts for root in roots), strict=False)
    parts = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, level)]
    if not parts or (isinstance(roots[0], ObjectPath) and len({_store(root) for root in roots}) > 1):
        other = next(root for root in roots if _store(root) != _store(roots[0]))
        raise UsageError(f"{roots[0]} and {other}: lie in different places; name what lies in one bucket, or here")
    return type(roots[0])(*parts)


def _store(root: Path) -> object:
    """The bucket that a place lies in; of a path of this machine its root."""
    return root.bucket if isinstance(root, ObjectPath) else root.anchor


def _files_of(location: str, *, any_ending: bool) -> _Found:
    path = path_of(location)
    if path.is_dir():
        return _in_folder(path, location, any_ending=any_ending)
    if path.exists():
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputMissing(f"{location}: neither a file nor a folder; pipe it in and say - instead")
        return _Found([path], path.parent)
    if not glob.has_magic(location):
        raise InputMissing(f"{location}: no such file or folder")
    return _matching(location, any_ending=any_ending)


def _in_folder(folder: Path, location: str, *, any_ending: bool) -> _Found:
    files, unread = [], []
    for path in sorted(_beneath(folder, any_ending=any_ending)):
        if not _is_file(path):
            unread.append(f"{path.relative_to(folder)}{'/' if path.is_dir() else ''}")
        elif any_ending or format_of(path):
            files.append(path)
        else:
            unread.append(str(path.relative_to(folder)))
    if not any_ending and not all(alone := [is_read_alone(path) for path in files]):
        # What is for reading alone is often no data: what describes them, or an archive of the same rows.
        unread += [str(path.relative_to(folder)) for path, aside in zip(files, alone, strict=True) if aside]
        files = [path for path, aside in zip(files, alone, strict=True) if not aside]
    if not files:
        found = ""
        if unread:
            found = f"; it holds {len(unread)} other files, such as {unread[0]}; if they are data, say --input-format"
        raise InputMissing(f"{location}: the folder holds no data file ({' '.join(endings())}){found}")
    files, links = _once(files, folder)
    names = tuple(str(link.relative_to(folder)) for link in links)
    return _Found(files, folder, Unread(location, tuple(sorted(unread)), names))


def _matching(pattern: str, *, any_ending: bool) -> _Found:
    named = sorted(
        file for file in _matched(pattern, any_ending=any_ending) if not file.parent.name.endswith(UNFINISHED)
    )
    root = fixed_part(pattern)
    wanted = path_of(pattern).parts[len(root.parts) :]
    if "**" in wanted and not any(part.startswith(("_", ".")) for part in wanted):
        # It matches all that lies beneath, as a folder does: also where Spark is about to write.
        named = [file for file in named if all(map(_visible, file.relative_to(root).parts))]
    files = [file for file in named if _is_file(file)]
    if not files:
        raise InputMissing(f"{pattern}: no file matches")
    # With ** a folder is matched beside the files in it.
    rest = [] if "**" in wanted else [f"{file}/" for file in named if file.is_dir() and _visible(file.name)]
    files, links = _once(files, root)
    return _Found(files, root, Unread(pattern, tuple(rest), tuple(map(str, links))))


def _matched(pattern: str, *, any_ending: bool) -> Iterator[Path]:
    place = path_of(pattern)
    if isinstance(place, ObjectPath):
        root = fixed_part(pattern)
        assert isinstance(root, ObjectPath)
        # As a glob has it, what is hidden is matched by its own dot alone.
        wanted = place.parts[len(root.parts) :]
        hidden = any(part.startswith(".") for part in wanted)
        found = (path for path in root.matching(wanted) if hidden or "/." not in path.key)
        yield from _without_marks(list(found), any_ending=any_ending)
        return
    yield from map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


def _once(files: list[Path], root: Path) -> tuple[list[Path], list[Path]]:
    """`files`, which lie beneath `root`, without links to others of them; and these links.

    The rows of a file would else come twice: `latest.csv` links to the newest. Where several links lead to what is not
    read under a name of its own, all are kept: a store of contents has one file for two that are equal.
    """
    if isinstance(root, ObjectPath):
        return files, []
    base = root.resolve()
    folders = {
        folder: (base / folder.relative_to(root), folder.resolve()) for folder in {file.parent for file in files}
    }
    plain = {file: folders[file.parent][0] / file.name for file in files}
    real = {file: file.resolve() if file.is_symlink() else folders[file.parent][1] / file.name for file in files}
    own = {real[file] for file in files if real[file] == plain[file]}
    links = [file for file in files if real[file] in own and real[file] != plain[file]]
    again = set(links)
    return [file for file in files if file not in again], links


def fixed_part(pattern: str) -> Path:
    """The folder that a glob begins in: its parts before the first with a wildcard."""
    place = path_of(pattern)
    parts = place.parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return type(place)(*parts[:fixed])


def _partitions(files: list[Path], root: Path) -> tuple[Partition, ...]:
    partitions = [partition_of(file, root) for file in files]
    first = [name for name, _ in partitions[0]]
    for file, partition in zip(files, partitions, strict=True):
        names = [name for name, _ in partition]
        if len(set(names)) < len(names):
            raise DataError(f"{file}: two of its folders give the partition column {names[0]!r} a value; rename one")
        if names != first:
            raise DataError(
                f"{file}: lies in the partitions {_listed(names)}, and {files[0]} in {_listed(first)}; move the files "
                "so that all lie in folders of the same names, or score them on their own"
            )
    return tuple(partitions)


def partition_of(file: PurePath, root: PurePath) -> Partition:
    """What the names of the folders between `root` and the file say: columns and values."""
    found = []
    for folder in file.relative_to(root).parts[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            found.append((_decoded(name, file), None if value == NULL_PARTITION else _decoded(value, file)))
    return tuple(found)


def _decoded(text: str, file: PurePath) -> str:
    """`text` without its percent signs' codes; DataError where it is not UTF-8 then."""
    try:
        decoded = unquote(text, errors="strict")
        decoded.encode()
    except UnicodeError as error:
        raise DataError(f"{file}: the name of a partition's folder is not UTF-8; rename the folder") from error
    return decoded


def _listed(names: list[str]) -> str:
    return "/".join(names) or "none"


def _beneath(folder: Path, *, any_ending: bool) -> Iterator[Path]:
    """What may be data beneath `folder` and is no folder, but for links to folders, which are not followed."""

    def refuse(error: OSError) -> NoReturn:
        raise from_os_error(error) from error

    if isinstance(folder, ObjectPath):
        below = len(folder.parts)
        found = [path for path in folder.beneath() if all(map(_visible, path.parts[below:]))]
        yield from _without_marks(found, any_ending=any_ending)
        return
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = filter(_visible, folders)
        yield from (link for name in folders if (link := Path(parent, name)).is_symlink())
        yield from (Path(parent, name) for name in filter(_visible, names))


def _without_marks(objects: Sequence[ObjectPath], *, any_ending: bool) -> Iterator[ObjectPath]:
    """The `objects` without those of 0 bytes that consoles and Hadoop make where a bucket is to seem to have a folder.
    Where data may have `any_ending`, these are the ones alone that others lie beneath, or that Hadoop names so."""
    folders = {folder for path in objects for folder in path.parents}
    for path in objects:
        empty = not path.stat().st_size and format_of(path) is None
        if not empty or (any_ending and path not in folders and not path.name.endswith(_FOLDER_MARK)):
            yield path


def _visible(name: str) -> bool:
    """Whether what has this name in a folder may be data; `lost+found`, at the root of a disk, is the system's own, and
    a folder `_name=value` a partition all the same."""
    hidden = name.startswith(".") or (name.startswith("_") and "=" not in name)
    return not hidden and not name.endswith(UNFINISHED) and name != "lost+found"


def _is_file(path: Path) -> bool:
    try:
        if path.is_symlink() and not path.exists():
            raise InputMissing(f"{path}: a symlink to nothing; remove it, or bring back what it links to")
        return path.is_file()
    except OSError as error:  # a folder that may be listed and not entered
        raise from_os_error(error) from error
