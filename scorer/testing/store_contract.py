"""The contract of a store: a suite that every implementation passes, shipped for those who write another one.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            return MyStore(...)

        def crash(self, store, work):
            ...

Nothing of pytest is imported here.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from scorer.errors import Busy, DataError, InputMissing, OutputRefused, UsageError
from scorer.stores.store import Store

_CONTENDERS = 8
# What is no key: absolute, empty parts, parts that lead elsewhere or that a store keeps for itself.
_NO_KEYS = ("", "/a", "a/", "a//b", ".", "..", "a/../b", ".hidden", "a/.hidden", "a\0b")


def half_a_part(store: Store) -> Any:
    """Begin `folder/part.csv` and write into it; what is returned is the writer, which must live."""
    part = store.begin("folder/part.csv")
    part.stream.write(b"half")
    part.stream.flush()
    return part


def the_lease(store: Store) -> Any:
    """Take the lease `folder/job`."""
    return store.lease("folder/job")


class StoreContract:
    """Tests with a fixture `store`, an empty store; `crash` says how a holder dies there."""

    def crash(self, store: Store, work: Callable[[Store], Any]) -> None:
        """Do `work` in a holder that dies with what `work` returned, and without a chance to tidy up."""
        raise NotImplementedError

    def test_what_was_put_is_read_and_listed(self, store: Store) -> None:
        assert list(store.list()) == []
        assert store.version("b") is None
        for key, content in (("b", b"1"), ("a/c d.csv", b""), ("a/b/c", b"\0\xff" * 70_000), ("ab", b"22")):
            store.put(key, content)
            with store.open(key) as stream:
                assert stream.read() == content
            found = store.version(key)
            assert found is not None
            assert found.size == len(content)
        assert list(store.list()) == ["a/b/c", "a/c d.csv", "ab", "b"]
        assert list(store.list("a")) == ["a/b/c", "a/c d.csv", "ab"]
        assert list(store.list("a/")) == ["a/b/c", "a/c d.csv"]
        assert list(store.list("a/b/")) == ["a/b/c"]
        assert list(store.list("no/such")) == []

    def test_any_range_of_an_object_is_read(self, store: Store) -> None:
        content = bytes(range(256)) * 1000
        store.put("object", content)
        with store.open("object") as stream:
            assert stream.seekable()
            for begin, size in ((255_000, 7), (0, 3), (100_001, 5000), (255_999, 100), (256_000, 1)):
                stream.seek(begin)
                assert stream.read(size) == content[begin : begin + size]

    def test_what_is_not_there(self, store: Store) -> None:
        _raises(InputMissing, lambda: store.open("none"))
        _raises(InputMissing, lambda: store.open("no/such"))
        store.delete("none")
        store.delete("no/such")
        assert store.version("no/such") is None

    def test_what_is_no_key(self, store: Store) -> None:
        for key in _NO_KEYS:
            for work in (store.open, store.version, store.begin, store.delete, store.lease):
                _raises(UsageError, lambda work=work, key=key: work(key))  # type: ignore[misc]
            _raises(UsageError, lambda key=key: store.put(key, b""))  # type: ignore[misc]

    def test_a_changed_content_has_another_version(self, store: Store) -> None:
        seen = []
        for content in (b"one", b"two", b"one", b"three"):
            store.put("key", content)
            seen.append(store.version("key"))
            assert store.version("key") == seen[-1]
        assert all(before != after for before, after in itertools.pairwise(seen))
        assert len({seen[1], seen[2], seen[3]}) == 3

    def test_what_was_opened_stays_what_it_was_or_is_an_error(self, store: Store) -> None:
        old = b"old content" * 500_000
        store.put("key", old)
        with store.open("key") as stream:
            assert stream.read(3) == b"old"
            store.put("key", b"new content" * 500_000)
            assert _read_or_refused(stream, begin=3) in (old[3:], None)
            store.delete("key")
            assert _read_or_refused(stream, begin=0) in (old, None)
        assert list(store.list()) == []

    def test_nobody_sees_a_part_before_it_is_committed(self, store: Store) -> None:
        part = store.begin("folder/part.csv")
        part.stream.write(b"one ")
        part.stream.flush()
        assert list(store.list()) == []
        assert store.version("folder/part.csv") is None
        part.stream.write(b"two")
        assert part.commit()
        part.abort()
        with store.open("folder/part.csv") as stream:
            assert stream.read() == b"one two"

    def test_an_aborted_part_leaves_what_stood_there(self, store: Store) -> None:
        store.put("key", b"old")
        part = store.begin("key")
        part.stream.write(b"new")
        part.abort()
        part.abort()
        with store.open("key") as stream:
            assert stream.read() == b"old"
        assert store.sweep() == 0

    def test_two_writers_do_not_meet(self, store: Store) -> None:
        one, two = store.begin("key"), store.begin("key")
        one.stream.write(b"one")
        two.stream.write(b"second")
        assert two.commit()
        assert one.commit()
        with store.open("key") as stream:
            assert stream.read() == b"one"

    def test_the_first_commit_wins(self, store: Store) -> None:
        def commit(number: int) -> bool:
            part = store.begin("key")
            try:
                part.stream.write(f"{number}".encode() * 1000)
                return part.commit(replace=False)
            finally:
                part.abort()

        won = _at_once(commit)
        assert sum(won) == 1
        with store.open("key") as stream:
            assert stream.read() == f"{won.index(True)}".encode() * 1000
        assert not store.put_if_absent("key", b"late")
        store.delete("key")
        assert sum(_at_once(lambda number: store.put_if_absent("key", f"{number}".encode()))) == 1
        assert store.sweep() == 0

    def test_a_writer_that_dies_leaves_nothing_to_be_seen(self, store: Store) -> None:
        store.put("folder/other.csv", b"other")
        self.crash(store, half_a_part)
        assert list(store.list()) == ["folder/other.csv"]
        alive = half_a_part(store)
        assert store.sweep("another") == 0
        assert store.sweep("folder/") == 1
        assert store.sweep() == 0
        assert alive.commit()
        assert list(store.list()) == ["folder/other.csv", "folder/part.csv"]

    def test_a_lease_has_one_holder(self, store: Store) -> None:
        def take(number: int) -> Any:  # noqa: ARG001
            try:
                return the_lease(store)
            except Busy:
                return None

        held = [lease for lease in _at_once(take) if lease is not None]
        assert len(held) == 1
        assert held[0].held()
        _raises(Busy, lambda: the_lease(store))
        assert list(store.list()) == []
        held[0].release()
        held[0].release()
        assert not held[0].held()
        with the_lease(store) as again, store.lease("folder/another"):
            assert again.held()
        the_lease(store).release()

    def test_a_lease_is_gone_with_its_holder(self, store: Store) -> None:
        self.crash(store, the_lease)
        with the_lease(store) as lease:
            assert lease.held()

    def test_a_part_that_was_swept_away_is_not_committed_in_silence(self, store: Store) -> None:
        """Not while its writer lives; but an operator may do what no sweep does."""
        part = half_a_part(store)
        self.lose(store, part)
        _raises(OutputRefused, part.commit)
        part.abort()
        assert list(store.list()) == []

    def lose(self, store: Store, part: Any) -> None:
        """Delete what `part` has written so far."""
        raise NotImplementedError


def _read_or_refused(stream: BinaryIO, *, begin: int) -> bytes | None:
    """All bytes from `begin`; None where the store says that they changed."""
    try:
        stream.seek(begin)
        return stream.read()
    except DataError:
        return None


def _raises(error: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def _at_once(work: Callable[[int], Any]) -> list[Any]:
    """What `work` returns for each number, done in as many threads at the same moment."""
    found: list[Any] = [None] * _CONTENDERS
    start = threading.Barrier(_CONTENDERS)

    def run(number: int) -> None:
        start.wait(30)
        found[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(_CONTENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found
