"""What a store is: whole objects under keys, each seen only once it is complete.

The operations are those that a folder and an object store have in common, so nothing is ever renamed or changed in
place. Every implementation passes `scorer.testing.store_contract`.

    local    `scorer.stores.local`          a folder of this machine
    object   `scorer.stores.object_store`   a bucket, or what lies beneath a name in it
    memory   `scorer.stores.memory`         for tests

A key is a relative path with / between its parts, none of which is empty or begins with a dot. Errors come out of
`scorer.errors`: InputMissing for an object that is not there, UsageError for what is no key, NotPermitted and
StorageError for what the operating system refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from scorer.errors import UsageError


@dataclass(frozen=True)
class Version:
    """What tells one content of an object from the next: `size` in bytes, and a `token` that a change alters. The same
    content, written again, may have the same token."""

    size: int
    token: str


class Part(Protocol):
    """An object under construction: nobody sees it before `commit`, and nobody ever does when its writer dies."""

    stream: BinaryIO
    """Where to write, in order. Nothing but `commit` makes it durable."""

    def commit(self, *, replace: bool = True) -> bool:
        """Make the object durable and visible, whole. Without `replace` the first commit wins: False, and nothing
        changed, where there is an object already. OutputRefused when what was written was removed meanwhile."""
        ...

    def abort(self) -> None:
        """Forget what was written. Does nothing after `commit`."""
        ...


class Lease(Protocol):
    """A key that is held by one holder at a time, and by none once that is dead."""

    def held(self) -> bool:
        """Whether this holder still has it: an operator may have deleted it."""
        ...

    def release(self) -> None:
        """Let go. Does nothing the second time."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Store(Protocol):
    """Objects under keys."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys of all complete objects that begin with `prefix`, sorted."""
        ...

    def version(self, key: str) -> Version | None:
        """The version of the object now; None where there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object's bytes, to be read from any place. What was opened stays what it was, whatever comes after; where
        a store does not keep it, reading on is a DataError, and never a mixture."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write the object, whole and durably, in the place of an earlier one."""
        ...

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """The same where there is no object yet; else False, and nothing changed."""
        ...

    def begin(self, key: str) -> Part:
        """An object to be written piece by piece."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object, if there is one."""
        ...

    def lease(self, key: str) -> Lease:
        """Take the lease of that name, which is no object. Busy when another holds it."""
        ...

    def sweep(self, prefix: str = "") -> int:
        """Abort what dead writers have begun beneath `prefix`, and say how much. Living ones are left alone."""
        ...


def check_key(key: str) -> str:
    """`key`; UsageError when it is none."""
    if not key or any(not part or part.startswith(".") or "\0" in part for part in key.split("/")):
        raise UsageError(f"{key!r}: no key of a store: relative parts with / between them, none beginning with a dot")
    return key
