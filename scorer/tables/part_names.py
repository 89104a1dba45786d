"""Which files a folder of parts is made of, and what the part of each is called.

A part lies where its file lies beneath the folder or glob that was named, under the same name, but for the ending where
the format or the compression is another. Decides by names; opens what has no telling ending.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from scorer.config import FileFormat
from scorer.errors import UsageError, from_os_error
from scorer.stores.location import Location
from scorer.stores.object_path import path_of
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import format_named, format_of
from scorer.tables.listing import fixed_part, list_files
from scorer.tables.source import UNREADABLE, Source, format_of_file, is_empty
from scorer.tables.streams import COMPRESSIONS, WRITTEN, compression_of, open_bytes
from scorer.tables.unread import Unread

_FORMAT_OTHERWISE: Final[FileFormat] = "parquet"
# A record that is not a line has so many bytes, also where it is compressed.
_LEAST_BYTES: Final = 8
_PIECE: Final = 1 << 18


@dataclass(frozen=True)
class PartFile:
    """A file of the input at `path` in its `format`, and its part: the `name` beneath the output, its format."""

    path: Path
    format: FileFormat
    name: str
    output_format: FileFormat

    @property
    def size(self) -> int:
        """Bytes of the file. InputMissing, NotPermitted or StorageError where nobody can say."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise from_os_error(error) from error

    @property
    def place(self) -> str:
        """Where the file is, however that was said."""
        return place_of(str(self.path))

    @property
    def folder(self) -> str:
        """That of the part, beneath the output."""
        return self.name.rpartition("/")[0]

    @property
    def partitions(self) -> tuple[str, ...]:
        """The columns that the names of folders say; of a name that is not UTF-8, as far as it is."""
        found = (folder.partition("=") for folder in PurePosixPath(self.name).parts[:-1])
        return tuple(unquote(name) for name, equals, _ in found if name and equals)

    @property
    def is_empty(self) -> bool:
        """Whether it is a file of text, compressed or not, that has nothing in it."""
        return format_named(self.format).text and is_empty(self.path)

    def may_have(self, rows: int) -> bool:
        """Whether there may be so many records in it, which its header does not tell: as it has so many ends of lines,
        or bytes for them."""
        compression, feeds, returns = compression_of(self.path), 0, 0
        try:
            if not format_named(self.format).text or self.format == "json":
                return self.size >= rows * _LEAST_BYTES
            if compression is None and self.size < rows:
                return False
            with open_bytes(self.path, compression) as stream:
                # The last line may have no end.
                while max(feeds, returns) < rows - 1 and (piece := stream.read(_PIECE)):
                    feeds, returns = feeds + piece.count(b"\n"), returns + piece.count(b"\r")
        except UNREADABLE:
            return False
        return max(feeds, returns) >= rows - 1


def part_files(location: str, dialect: Dialect, *, output_format: FileFormat | None) -> tuple[list[PartFile], Unread]:
    """The files of `location`, in order, with their parts in the `output_format`, or else in the format of each file;
    and what lies beside them. Errors as of `list_files`; UsageError where two files would have one part."""
    listing = list_files(location, any_ending=dialect.format is not None, one_partitioning=False)
    files = []
    for path, relative in zip(listing.files, _relative(location, listing.files), strict=True):
        found = format_of_file(path, dialect)
        to = output_format or (found if format_named(found).written else _FORMAT_OTHERWISE)
        files.append(PartFile(path, found, _name(relative, found, to), to))
    by_name: dict[str, Path] = {}
    for file in files:
        if (other := by_name.setdefault(file.name, file.path)) is not file.path:
            raise UsageError(f"{file.path}: its part would be called as that of {other}; rename one of the files")
    return files, listing.unread


def without_empty(
    files: Sequence[PartFile], unread: Unread, *, standing: Collection[str]
) -> tuple[list[PartFile], Unread]:
    """`files` without those of text that are empty and have no part among the `standing` ones, if others are left; what
    is empty is told with what is `unread`. A part that stands is worth an error: its file may be about to be written.
    """
    full = [file for file in files if file.name in standing or not file.is_empty]
    if not full or len(full) == len(files):
        return list(files), unread
    kept = {file.name for file in full}
    return full, unread.and_empty([file.path for file in files if file.name not in kept])


def columns_of(files: Sequence[PartFile], dialect: Dialect) -> list[str]:
    """The columns of the `files`, in order, those that the names of folders say among them."""
    names: list[str] = []
    for file in files:
        names += Source.open(Location.of_path(file.path), dialect=dialect).names
        names += file.partitions
    return list(dict.fromkeys(names))


def place_of(location: str) -> str:
    """The one name of a place, however it was said."""
    return str(path_of(location).absolute())


def is_absolute(location: str) -> bool:
    """Whether the place is named whatever the working folder is."""
    return str(path_of(location)) == place_of(location)


def is_several(location: str) -> bool:
    """Whether `location` is a folder or a pattern, and so may stand for several files."""
    path = path_of(location)
    return path.is_dir() or (glob.has_magic(location) and not path.exists())


def _relative(location: str, files: tuple[Path, ...]) -> Iterator[PurePosixPath]:
    path = path_of(location)
    if path.is_dir():
        root = path
    elif path.exists():
        root = path.parent
    else:
        root = fixed_part(location)
    return (PurePosixPath(file.relative_to(root).as_posix()) for file in files)


def _name(relative: PurePosixPath, found: FileFormat, to: FileFormat) -> str:
    """The name of the part of the file at `relative`."""
    compression = compression_of(relative)
    kept = compression if compression in WRITTEN and format_named(to).text else None
    if found == to and kept == compression:
        return relative.as_posix()
    bare = relative.with_suffix("") if compression is not None else relative
    if format_of(bare) is not None:
        bare = bare.with_suffix("")
    ending = format_named(to).endings[0] + (COMPRESSIONS[kept][0] if kept is not None else "")
    return bare.with_name(bare.name + ending).as_posix()
