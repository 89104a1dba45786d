"""What is scored on its own: one input file, some row groups of a large one, or several small files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from scorer.records.document import to_json


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file of the input: where it is, what it is, its bytes, and the names and values of its `partition`, which are
    columns of its rows (None is null).

    `identity` is the fingerprint of the content of a file of this machine, the version token (etag) of an object.
    """

    location: str
    identity: str
    size: int
    partition: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowGroups:
    """The row groups `first` to `end` of a Parquet file, without `end`, from 0."""

    first: int
    end: int

    def __post_init__(self) -> None:
        assert 0 <= self.first < self.end, "a range of row groups without a row group; this is a bug"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Whole files, in order, or some `row_groups` of one."""

    files: tuple[InputFile, ...]
    row_groups: RowGroups | None = None

    def __post_init__(self) -> None:
        assert self.files, "a shard without files; this is a bug"
        assert self.row_groups is None or len(self.files) == 1, "row groups of several files; this is a bug"

    @property
    def fingerprint(self) -> str:
        """BLAKE2b (hexadecimal, 32 characters) of what is read, wherever it lies."""
        nowhere = tuple(replace(file, location="") for file in self.files)
        read = to_json(Shard(files=nowhere, row_groups=self.row_groups))
        return hashlib.blake2b(read.encode(), digest_size=16).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.size for file in self.files)
