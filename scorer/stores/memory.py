"""A store in the memory of this process: for tests, of this project and of others."""

from __future__ import annotations

import io
import itertools
import threading
import weakref
from collections.abc import Iterator
from typing import BinaryIO

from scorer.errors import Busy, InputMissing, OutputRefused
from scorer.stores.store import Lease, Version, check_key


class MemoryStore:
    """Objects in a dictionary. A writer or holder counts as dead when nobody refers to it any more."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, Version]] = {}
        self._lock = threading.RLock()
        self._numbers = itertools.count()
        self._leases: dict[str, weakref.ref[MemoryLease]] = {}
        self._begun: dict[int, tuple[str, weakref.ref[MemoryPart]]] = {}

    def list(self, prefix: str = "") -> Iterator[str]:
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        yield from keys

    def version(self, key: str) -> Version | None:
        with self._lock:
            found = self._objects.get(check_key(key))
        return found[1] if found else None

    def open(self, key: str) -> BinaryIO:
        with self._lock:
            found = self._objects.get(check_key(key))
        if found is None:
            raise InputMissing(f"{key}: no such object")
        return io.BytesIO(found[0])

    def put(self, key: str, content: bytes) -> None:
        self._set(check_key(key), content, replace=True)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        return self._set(check_key(key), content, replace=False)

    def begin(self, key: str) -> MemoryPart:
        part = MemoryPart(self, check_key(key), next(self._numbers))
        with self._lock:
            self._begun[part.number] = key, weakref.ref(part)
        return part

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(check_key(key), None)

    def lease(self, key: str) -> MemoryLease:
        lease = MemoryLease(self, check_key(key))
        with self._lock:
            if self.holder(key) is not None:
                raise Busy(f"{key}: another run holds it; try again later")
            self._leases[key] = weakref.ref(lease)
        return lease

    def sweep(self, prefix: str = "") -> int:
        with self._lock:
            dead = [number for number, (key, part) in self._begun.items() if part() is None and key.startswith(prefix)]
            for number in dead:
                del self._begun[number]
        return len(dead)

    def holder(self, key: str) -> MemoryLease | None:
        """Who holds the lease `key`, None for nobody that lives."""
        with self._lock:
            found = self._leases.get(key)
            return found() if found is not None else None

    def end_lease(self, key: str) -> None:
        with self._lock:
            self._leases.pop(key, None)

    def end_part(self, part: MemoryPart, *, replace: bool | None) -> bool:
        """Store what `part` holds; with None for `replace` drop it."""
        with self._lock:
            known = self._begun.pop(part.number, None)
            if replace is None:
                return False
            if known is None:
                raise OutputRefused(f"{part.key}: aborted while it was written; run the same command again")
            return self._set(part.key, part.stream.getvalue(), replace=replace)

    def _set(self, key: str, content: bytes, *, replace: bool) -> bool:
        with self._lock:
            if not replace and key in self._objects:
                return False
            self._objects[key] = bytes(content), Version(len(content), str(next(self._numbers)))
        return True


class MemoryPart:
    """Bytes that are not in the store yet."""

    def __init__(self, store: MemoryStore, key: str, number: int) -> None:
        self._store = store
        self.key = key
        self.number = number
        self.stream = io.BytesIO()

    def commit(self, *, replace: bool = True) -> bool:
        return self._store.end_part(self, replace=replace)

    def abort(self) -> None:
        self._store.end_part(self, replace=None)


class MemoryLease(Lease):
    """A key that one holder has."""

    def __init__(self, store: MemoryStore, key: str) -> None:
        self._store = store
        self._key = key

    def held(self) -> bool:
        return self._store.holder(self._key) is self

    def release(self) -> None:
        if self.held():
            self._store.end_lease(self._key)
