"""Which files a path, a glob or a folder stands for, which ones beside them are not read, and their hive partitions.

Decides by names; opens nothing.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, takewhile
from pathlib import Path, PurePath
from typing import Final, NoReturn
from urllib.parse import unquote

from scorer.config import UNFINISHED
from scorer.errors import DataError, InputMissing, UsageError, from_os_error
from scorer.stores.object_path import ObjectPath, matches, path_of
from scorer.tables.formats.registry import endings, format_of, is_read_alone
from scorer.tables.unread import Unread

NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
_FOLDER_MARK: Final = "_$folder$"

Partition = tuple[tuple[str, str | None], ...]
"""The names and values (None is null) of the folders `name=value` that a file lies in, from the outermost."""


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
    def name(path: Path) -> str:
        return f"{path.relative_to(folder)}{'/' if path.is_dir() else ''}"

    found = _data_among(_beneath(folder, any_ending=any_ending), folder, location, name, any_ending=any_ending)
    if not found.files:
        raise InputMissing(f"{location}: the folder holds no data file ({' '.join(endings())}){_holds(found.unread)}")
    return found


def _data_among(
    paths: Iterable[Path], root: Path, location: str, name: Callable[[Path], str], *, any_ending: bool
) -> _Found:
    """The data among all `paths` that lie in folders, perhaps none; what else there is, by its `name`."""
    ordered = sorted(paths)
    data = [path for path in ordered if _is_file(path) and (any_ending or format_of(path))]
    if not any_ending and not all(map(is_read_alone, data)):
        # What is for reading alone is often no data: what describes them, or an archive of the same rows.
        data = [path for path in data if not is_read_alone(path)]
    read = set(data)
    files, links = _once(data, root)
    rest = sorted(name(path) for path in ordered if path not in read)
    return _Found(files, root, Unread(location, tuple(rest), tuple(map(name, links))))


def _holds(unread: Unread) -> str:
    """What is there where no data are."""
    if not unread.names:
        return ""
    return (
        f"; there are {len(unread.names)} other files, such as {unread.names[0]}; if they are data, say --input-format"
    )


def _matching(pattern: str, *, any_ending: bool) -> _Found:
    """The files that `pattern` matches. Where it matches folders alone, what lies in these."""
    root = fixed_part(pattern)
    wanted = path_of(pattern).parts[len(root.parts) :]
    objects = _objects(root, wanted, any_ending=any_ending) if isinstance(root, ObjectPath) else None
    if objects is None:
        found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        # Where ** stands twice, a name is found in several ways.
        named = sorted(set(found))
    else:
        named = [path for path in objects if matches(path.parts[len(root.parts) :], wanted)]
    named = [path for path in named if not path.parent.name.endswith(UNFINISHED)]
    shown = [path for path in named if _is_shown(path.relative_to(root).parts, wanted)]
    # A glob with ** matches all that lies beneath, as a folder does: also where Spark is about to write.
    candidates = shown if "**" in wanted else named
    files = [path for path in candidates if _is_file(path)]
    # `*` matches Spark's _SUCCESS, too.
    if not set(files) & set(shown):
        beneath = _beneath_all(shown, any_ending=any_ending) if objects is None else _within(objects, root, wanted)
        data = _data_among(beneath, root, pattern, str, any_ending=any_ending)
        if data.files:
            return data
        if not files:
            raise InputMissing(f"{pattern}: no file matches{_holds(data.unread)}")
    # With ** a folder is matched beside the files in it.
    rest = [] if "**" in wanted else [f"{path}/" for path in candidates if path.is_dir() and _visible(path.name)]
    files, links = _once(files, root)
    return _Found(files, root, Unread(pattern, tuple(rest), tuple(map(str, links))))


def _is_shown(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether what has these `parts` beneath a pattern's beginning may be data. A name that begins with . or _ is where
    the pattern `wanted` asks for some such name."""
    if any(part.startswith(("_", ".")) for part in wanted):
        return not any(part.endswith(UNFINISHED) for part in parts)
    return all(map(_visible, parts))


def _beneath_all(folders: Iterable[Path], *, any_ending: bool) -> set[Path]:
    """What may be data beneath any of these, of which some are folders."""
    beneath = (_beneath(folder, any_ending=any_ending) for folder in folders if folder.is_dir())
    return {path for paths in beneath for path in paths}


def _objects(root: ObjectPath, wanted: Sequence[str], *, any_ending: bool) -> list[ObjectPath]:
    """All objects beneath `root` that a glob may find: what is hidden is matched by its own dot alone."""
    hidden = any(part.startswith(".") for part in wanted)
    found = _without_marks(list(root.beneath()), any_ending=any_ending)
    return [path for path in found if hidden or "/." not in path.key]


def _within(objects: Iterable[ObjectPath], root: Path, wanted: Sequence[str]) -> Iterator[ObjectPath]:
    """Those of `objects` that may be data and lie in a folder that `wanted` matches."""
    for path in objects:
        parts = path.parts[len(root.parts) :]
        if any(
            matches(parts[:depth], wanted) and _is_shown(parts[:depth], wanted) and all(map(_visible, parts[depth:]))
            for depth in range(1, len(parts))
        ):
            yield path


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
        found = _without_marks(list(folder.beneath()), any_ending=any_ending)
        yield from (path for path in found if all(map(_visible, path.parts[below:])))
        return
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = filter(_visible, folders)
        yield from (link for name in folders if (link := Path(parent, name)).is_symlink())
        yield from (Path(parent, name) for name in filter(_visible, names))


def _without_marks(objects: Sequence[ObjectPath], *, any_ending: bool) -> Iterator[ObjectPath]:
    """The `objects` without those of 0 bytes that consoles and Hadoop make where a bucket is to seem to have a folder:
    others lie beneath them, or Hadoop names them so, or they have no ending of data where data must have one."""
    folders = {folder for path in objects for folder in path.parents}
    for path in objects:
        marks = path in folders or path.name.endswith(_FOLDER_MARK) or not (any_ending or format_of(path))
        if path.stat().st_size or not marks:
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
