"""Records that break the rules of their format, and the file of JSON lines that keeps them.

The readers find the malformed records. The rejects file has one JSON object a line for each, with

    file    the input file
    record  the record's number in that file, from 1 after the header, malformed ones included; of JSON lines the line's
    line    the physical line on which it begins, from 1
    reason  what is wrong with it
    text    its bytes as text, line end included, where they are UTF-8, or text in the encoding of the file; or else
    base64  its bytes in Base64, so that every record comes back byte for byte
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scorer.errors import from_os_error
from scorer.stores.atomic import AtomicFile
from scorer.tables.encodings import as_in_file


@dataclass(frozen=True)
class Malformed:
    """A malformed record of `path`: the fields of the module's docstring, its bytes, line end included, and how many
    `rows` of the input, earlier files included, come before it."""

    path: Path
    record: int
    line: int
    reason: str
    data: bytes
    rows: int = 0

    def in_encoding(self, encoding: str | None) -> Malformed:
        """The same of a file in `encoding` (None is UTF-8), whose text came as UTF-8: its own bytes where they are no
        text."""
        try:
            self.data.decode()
        except UnicodeDecodeError:
            return replace(self, data=as_in_file(self.data, encoding))
        return self


Reject = Callable[[Malformed], None]
"""What becomes of a malformed record that a reader passes over."""


def forget(malformed: Malformed) -> None:
    """A `Reject` for the passes of a reader that are not the first: the record is known already."""


class Rejects:
    """The rejects file `target`, written beside its name; `count` records are in it.

    What an input is called where that is not its path stands in `titles`.

    With `rows`, those alone that come before the row of this number, where whoever wants so many rows stops reading.

    Nothing is created before the first record, or before `commit` if there is none. Errors of the operating system come
    out of our error tree.
    """

    def __init__(self, target: Path, *, rows: int | None = None) -> None:
        self.target = target
        self.rows = rows
        self.titles: dict[Path, str] = {}
        self.count = 0
        self._file: AtomicFile | None = None
        self._committed = False

    def add(self, malformed: Malformed) -> None:
        """Append a record, unless the rows that are wanted come before it."""
        if self.rows is not None and malformed.rows >= self.rows:
            return
        self._keep(malformed)
        self.count += 1

    def _keep(self, malformed: Malformed) -> None:
        line = json.dumps(_as_json(malformed, self.titles), ensure_ascii=False) + "\n"
        file = self._opened()
        try:
            file.stream.write(line.encode())
        except OSError as error:
            raise from_os_error(error) from error

    def commit(self) -> None:
        """Make the file durable and move it to `target`, in the place of an earlier one; an empty one if need be."""
        self._opened().commit()
        self._committed = True

    def discard(self) -> None:
        """Forget what was added; what stood at `target` stays. Does nothing after `commit`."""
        if self._file is not None and not self._committed:
            self._file.discard()

    def _opened(self) -> AtomicFile:
        if self._file is None:
            self._file = AtomicFile(self.target, temporary=self.target.with_name(self.target.name + ".partial"))
        return self._file


@contextmanager
def kept_rejects(target: Path | None, *, tell: Callable[[str], object]) -> Iterator[Rejects | None]:
    """The rejects file `target`, if one is wanted, which appears when the block ends, and not at all when it fails. How
    many records are in it is told then."""
    if target is None:
        yield None
        return
    rejects = Rejects(target)
    try:
        yield rejects
        rejects.commit()
    finally:
        rejects.discard()
    tell(f"{target}: {rejects.count:,} malformed records were set aside here")


def rejected_by(rejects: Rejects | None) -> int:
    """How many malformed records have been set aside so far: none where nobody asked for it."""
    return rejects.count if rejects is not None else 0


class CountedRejects(Rejects):
    """Malformed records that are passed over and counted, as somebody else keeps them."""

    def __init__(self, *, rows: int | None = None) -> None:
        super().__init__(Path(os.devnull), rows=rows)

    def _keep(self, malformed: Malformed) -> None:
        pass

    def commit(self) -> None:
        raise AssertionError("nothing is kept; this is a bug")


def _as_json(malformed: Malformed, titles: Mapping[Path, str]) -> dict[str, str | int]:
    try:
        content = {"text": malformed.data.decode()}
    except UnicodeDecodeError:
        content = {"base64": base64.b64encode(malformed.data).decode()}
    return {
        "file": titles.get(malformed.path) or os.fsencode(malformed.path).decode(errors="replace"),
        "record": malformed.record,
        "line": malformed.line,
        "reason": malformed.reason,
        **content,
    }
