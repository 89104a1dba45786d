"""A key of a bucket that one holder has at a time: an object that only one can make, that is renewed, and expires.

Whether it has expired is told by the clock of the store alone: by when the lease was renewed, and when the store writes
a mark that the next holder puts beside it. The one who takes an expired lease over replaces that very version of it, so
of several one succeeds. Who has lost a lease finds that out when it is asked for again, and must publish nothing.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from typing import Final

from scorer.errors import Busy, ScorerError
from scorer.stores.object_path import ObjectPath
from scorer.stores.objects import Bucket, ObjectInfo, Tag
from scorer.stores.store import Lease

_MOMENT_SECONDS: Final = 2.0
LEASE_SECONDS: Final = 60.0
"""How long a lease counts after its holder was last heard of."""


class ObjectLease(Lease):
    """The lease `key` of a bucket, held from construction until `release`. Busy, naming `what`, when another has it."""

    def __init__(self, bucket: Bucket, key: str, *, what: str, seconds: float = LEASE_SECONDS) -> None:
        self._bucket = bucket
        self._key = key
        self._seconds = seconds
        self._name = uuid.uuid4().hex
        self._tag: Tag | None = None
        self._lock = threading.Lock()
        self._take(what)
        self._end = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name=f"lease of {what}", daemon=True)
        self._renewing.start()

    def held(self) -> bool:
        """Whether this holder still has it, as the store says now."""
        with self._lock:
            if self._tag is None:
                return False
            found = self._bucket.look(self._key)
            if found is None or found.etag != self._tag.etag:
                self._tag = None
            return self._tag is not None

    def release(self) -> None:
        """Let go. Does nothing the second time."""
        self._end.set()
        self._renewing.join()
        if self.held():
            self._bucket.delete(self._key)
        self._tag = None

    def _take(self, what: str) -> None:
        found = self._bucket.look(self._key)
        if found is None or self._expired(found):
            self._tag = self._bucket.put(self._key, self._content(), only="absent" if found is None else found.tag)
        if self._tag is None or not self._settled():
            raise Busy(f"{what}: {self._holder()} is writing this output; try again later")

    def _settled(self) -> bool:
        """Whether it is ours: at once where the store refuses a second maker. One that overwrites whatever stands there
        has the last writer's after a moment, and who comes later finds it."""
        again = self._bucket.put(self._key, self._content(), only="absent")
        if again is None:
            return True
        self._tag = again
        time.sleep(_MOMENT_SECONDS)
        return self.held()

    def _expired(self, found: ObjectInfo) -> bool:
        mark = f"{self._key}-{self._name}"
        try:
            self._bucket.put(mark, b"")
            now = self._bucket.look(mark)
        finally:
            self._bucket.delete(mark)
        return now is not None and (now.modified - found.modified).total_seconds() > self._seconds

    def _renew(self) -> None:
        """Write it anew several times in the time that it counts. What goes wrong meanwhile is seen by `held`."""
        while not self._end.wait(self._seconds / 4):
            with self._lock:
                if self._tag is None:
                    return
                try:
                    self._tag = self._bucket.put(self._key, self._content(), only=self._tag)
                except ScorerError:
                    continue

    def _content(self) -> bytes:
        # Of every renewal another, so that its etag is another.
        holder = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "holder": self._name,
            "renewed": uuid.uuid4().hex,
        }
        return json.dumps(holder).encode()

    def _holder(self) -> str:
        """Who has it, for a person."""
        found = self._bucket.look(self._key)
        try:
            assert found is not None
            told = json.loads(self._bucket.read(found, 0, found.size))
            return f"process {told['process']} on {told['host']}"
        except (AssertionError, ScorerError, ValueError, KeyError, TypeError):
            return "another run"


def lease_of(place: ObjectPath) -> ObjectLease:
    """The lease by which one run at a time writes to `place`. Busy when another has it; OutputRefused when there is no
    such bucket."""
    hidden = (place / ".lease") if not place.name else place.with_name(f".{place.name}.lease")
    return ObjectLease(place.bucket, hidden.key, what=str(place))
