"""How the rows of one part are laid out in several files: by the values of columns, by a number of rows.

    reviews.parquet, 2 rows a file             reviews-00000.parquet  reviews-00001.parquet
    reviews.parquet, by the column language    language=de/reviews.parquet  language=fr/reviews.parquet

Folders are called as Hive calls them, so that Spark, pyarrow, DuckDB and we read the columns back from their names.
Decides names and rows; writes nothing.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.config import ScoreConfig
from scorer.errors import DataError, UsageError, shown
from scorer.tables import compute as pc
from scorer.tables.dictionaries import decoded
from scorer.tables.formats.registry import format_of
from scorer.tables.listing import NULL_PARTITION
from scorer.tables.reader import check_names
from scorer.tables.streams import compression_of
from scorer.tables.texts import is_text, type_name

MOST_VALUES: Final = 400
"""So many values, or combinations of values, a part may have: each has a file, and all are open until the last row."""
_MOST_FILES: Final = 100_000
_LONGEST_NAME: Final = 255
# What Spark writes as a percent sign and two digits: all else, such as é, it would not find again if it were.
_ESCAPED: Final = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")
_NUMBERED: Final = re.compile(r"(.+)-[0-9]{5}")


@dataclass(frozen=True)
class Layout:
    """At most `rows_per_file` rows in a file, and a folder for each value of the columns `partition_by`, which are not
    in the files then."""

    rows_per_file: int | None = None
    partition_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: ScoreConfig) -> Self | None:
        """What was asked for; None where a part is one file. UsageError for a column that is named twice."""
        names = config.partition_by
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"--partition-by {twice}: is said twice; say it once")
        return cls._where_any(config.rows_per_file, names)

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Self | None:
        """That of the job which had these `options`."""
        return cls._where_any(options.get("rows_per_file"), tuple(options.get("partition_by") or ()))

    @classmethod
    def _where_any(cls, rows: int | None, names: tuple[str, ...]) -> Self | None:
        return cls(rows, names) if rows is not None or names else None

    def refuse_parts(self, parts: Collection[str]) -> None:
        """UsageError where a part lies in a folder that says one of the columns already."""
        for name in self.partition_by:
            begin = f"{_escaped_name(name)}="
            for part in parts:
                if any(folder.startswith(begin) for folder in PurePosixPath(part).parts[:-1]):
                    raise UsageError(
                        f"--partition-by {shown(name, quoted=False)}: {part} lies in a folder {begin}... already; "
                        "leave it out"
                    )

    def check(self, schema: pa.Schema, *, where: str) -> None:
        """UsageError where the rows have no such column, or one whose values make no names of folders."""
        check_names(schema.names, self.partition_by, where=where)
        for name in self.partition_by:
            if schema.names.count(name) > 1:
                raise UsageError(f"{where}: the column name {shown(name)} stands more than once; rename one of them")
            kind = schema.field(name).type
            if not _names_folders(kind):
                raise UsageError(
                    f"{where}: column {shown(name)} is {type_name(kind)}; folders are named after texts, integers, "
                    "booleans and days"
                )

    def file(self, part: str, folder: str, number: int) -> str:
        """The name of the file with this `number` of the `part` in the `folder` of its values. DataError beyond the
        numbers that there are."""
        path = PurePosixPath(part)
        stem, ending = _split(path.name)
        if number >= _MOST_FILES:
            raise DataError(
                f"--rows-per-file {self.rows_per_file}: more than {_MOST_FILES:,} files of {part}; say more rows"
            )
        numbered = f"{stem}-{number:05}{ending}" if self.rows_per_file is not None else path.name
        return (path.parent / folder / numbered).as_posix()

    def part_of(self, file: str) -> str | None:
        """The part that would have a `file` of this name; None where none would."""
        path = PurePosixPath(file)
        folders = path.parts[:-1]
        depth = len(folders) - len(self.partition_by)
        begins = [f"{_escaped_name(name)}=" for name in self.partition_by]
        if depth < 0 or not all(map(str.startswith, folders[depth:], begins)):
            return None
        stem, ending = _split(path.name)
        if self.rows_per_file is not None:
            found = _NUMBERED.fullmatch(stem)
            if found is None:
                return None
            stem = found[1]
        return "/".join((*folders[:depth], stem + ending))

    def without_partitions(self, schema: pa.Schema) -> pa.Schema:
        """`schema` as files have it."""
        for name in self.partition_by:
            schema = schema.remove(schema.get_field_index(name))
        return schema

    def divided(self, table: pa.Table, *, where: str) -> Iterator[tuple[str, pa.Table]]:
        """The rows of `table` by the folder of their values, in order, and the folders as their first rows come.
        DataError, which begins with `where`, for a value that names no folder."""
        if not self.partition_by:
            yield "", table
            return
        named, codes = zip(*(_coded(table, name, where) for name in self.partition_by), strict=True)
        found, first, which = np.unique(np.stack(codes, axis=1), axis=0, return_index=True, return_inverse=True)
        for number in np.argsort(first).tolist():
            folders = [texts[code] for texts, code in zip(named, found[number].tolist(), strict=True)]
            yield "/".join(folders), _taken(table, np.flatnonzero(which.ravel() == number))


def _taken(table: pa.Table, places: NDArray[np.int64]) -> pa.Table:
    """The rows of `table` at these `places`, in order."""
    try:
        return table.take(places)
    except pa.ArrowNotImplementedError:  # of views, for one
        runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
        return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs])


def _coded(table: pa.Table, name: str, where: str) -> tuple[list[str], NDArray[np.int64]]:
    """The folders of the column's values, and which of them each row has (rows,)."""
    column = table.column(name)
    chunks = [decoded(chunk) for chunk in column.chunks] if pa.types.is_dictionary(column.type) else column.chunks
    kind = chunks[0].type
    plain = pa.large_string() if is_text(kind) or pa.types.is_null(kind) else kind
    values_of_rows = pa.concat_arrays([pc.cast(chunk, plain) for chunk in chunks])
    encoded = values_of_rows.dictionary_encode(null_encoding="encode")
    try:
        values = encoded.dictionary.to_pylist()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: column {shown(name)}: a text is not UTF-8, and names no folder; write it so"
        ) from error
    except (OverflowError, ValueError) as error:  # a date that no calendar has
        raise DataError(f"{where}: column {shown(name)}: {error}, and names no folder") from error
    return [_folder(name, value, where) for value in values], encoded.indices.to_numpy().astype(np.int64)


def _folder(name: str, value: Any, where: str) -> str:
    """The folder of a `value`, such as language=de. DataError where a file system has no names that long."""
    said = f"{_escaped_name(name)}={_escaped_value(value)}"
    if len(said.encode()) > _LONGEST_NAME:
        raise DataError(
            f"{where}: column {shown(name)}: a text of {len(str(value)):,} characters names no folder; partition by a "
            "column of short texts"
        )
    return said


def _escaped_value(value: Any) -> str:
    if value is None:
        return NULL_PARTITION
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _escaped(value.isoformat() if isinstance(value, datetime.date) else str(value))
    # The text itself, which is no null.
    return text.replace("_", "%5F", 1) if text == NULL_PARTITION else text


def _escaped_name(name: str) -> str:
    escaped = _escaped(name)
    # What begins with a dot is hidden.
    return f"%2E{escaped[1:]}" if escaped.startswith(".") else escaped


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text)


def _names_folders(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_null(kind)
    )


def _split(name: str) -> tuple[str, str]:
    """A name without the endings of a format and a compression, and these."""
    path = PurePosixPath(name)
    bare = path.with_suffix("") if compression_of(path) is not None else path
    if format_of(bare) is not None:
        bare = bare.with_suffix("")
    return bare.name, name[len(bare.name) :]
