"""Stamps and fingerprints; a known hash is used as long as the file is what it was, and never after it changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from scorer.errors import DataError, InputMissing
from scorer.stores.fingerprints import KnownHashes, Stamp, check_unchanged, fingerprint

ROOT = Path(__file__).parents[2]
SETTLED = 0.05


class Hasher:
    """Hashes, and counts how often."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, stream: BinaryIO) -> str:
        self.reads += 1
        return hashlib.sha256(stream.read()).hexdigest()


@pytest.fixture
def known(tmp_path: Path) -> KnownHashes:
    return KnownHashes(tmp_path / "cache" / "hashes", settled_seconds=SETTLED)


def settle() -> None:
    """Wait until what was just written is old enough to be remembered."""
    time.sleep(2 * SETTLED)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"one two three")
    settle()
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(known: KnownHashes, file: Path) -> None:
    hasher = Hasher()
    for _ in range(3):
        assert known.hash_of(file, "sha256", hasher) == sha256(b"one two three")
    assert hasher.reads == 1
    assert known.hash_of(file, "another kind", hasher) == sha256(b"one two three")
    assert hasher.reads == 2


def rewrite(path: Path) -> None:
    path.write_bytes(b"one two  four")


def rewrite_in_place(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(8)
        stream.write(b" four")


def replace(path: Path) -> None:
    beside = path.with_name("beside")
    beside.write_bytes(b"one two  four")
    beside.replace(path)


def replace_with_the_same_times(path: Path) -> None:
    """As `cp --preserve` and `mv` of a file do that was changed and had its time set back."""
    beside = path.with_name("beside")
    beside.write_bytes(b"one two  four")
    shutil.copystat(path, beside)
    beside.replace(path)


def set_time_back(path: Path) -> None:
    status = path.stat()
    rewrite_in_place(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def link_elsewhere(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"one two  four")
    shutil.copystat(path, other)
    path.unlink()
    path.symlink_to("other")


def through_another_name(path: Path) -> None:
    path.with_name("hard").hardlink_to(path)
    rewrite_in_place(path.with_name("hard"))


CHANGES = (
    rewrite,
    rewrite_in_place,
    replace,
    replace_with_the_same_times,
    set_time_back,
    link_elsewhere,
    through_another_name,
)


def test_every_ordinary_change_is_noticed(tmp_path: Path) -> None:
    """All of one size: the size alone would tell."""
    files = {change: tmp_path / change.__name__ / "file" for change in CHANGES}
    for path in files.values():
        path.parent.mkdir()
        path.write_bytes(b"one two three")
    settle()
    known, hasher = KnownHashes(tmp_path / "hashes", settled_seconds=SETTLED), Hasher()
    for _ in range(2):
        assert {known.hash_of(path, "", hasher) for path in files.values()} == {sha256(b"one two three")}
    assert hasher.reads == len(CHANGES)
    for change, path in files.items():
        change(path)
    for change, path in files.items():
        assert known.hash_of(path, "", hasher) == sha256(b"one two  four"), change.__name__


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    known, path, hasher = KnownHashes(tmp_path / "hashes"), tmp_path / "fresh", Hasher()
    for content in (b"a", b"b", b"c"):
        path.write_bytes(content)
        assert known.hash_of(path, "", hasher) == sha256(content)
        assert known.hash_of(path, "", hasher) == sha256(content)
    assert hasher.reads == 6
    os.utime(path, ns=(1, 1))  # long ago, but the change of the time is no secret
    known.hash_of(path, "", hasher)
    known.hash_of(path, "", hasher)
    assert hasher.reads == 8


def test_a_file_that_changes_while_it_is_read_is_not_remembered(known: KnownHashes, file: Path) -> None:
    def changing(stream: BinaryIO) -> str:
        found = hashlib.sha256(stream.read()).hexdigest()
        rewrite_in_place(file)
        return found

    known.hash_of(file, "", changing)
    settle()
    assert known.hash_of(file, "", Hasher()) == sha256(b"one two  four")


@pytest.mark.parametrize("damage", [b"", b"\n\n", b"x" * 9000, b"\xff\n\xff\n"])
def test_a_damaged_entry_is_none(known: KnownHashes, file: Path, damage: bytes) -> None:
    hasher = Hasher()
    known.hash_of(file, "", hasher)
    (entry,) = (path for path in known.folder.rglob("*") if path.is_file())
    content = entry.read_bytes()
    for torn in (damage, content[:-1], content.replace(b"a", b"b"), content[:20]):
        entry.write_bytes(torn)
        assert known.hash_of(file, "", hasher) == sha256(b"one two three")
    assert hasher.reads == 5


def test_an_entry_of_another_file_vouches_for_nothing(known: KnownHashes, file: Path) -> None:
    known.hash_of(file, "", Hasher())
    (entry,) = (path for path in known.folder.rglob("*") if path.is_file())
    content = entry.read_bytes()
    rewrite_in_place(file)
    settle()
    hasher = Hasher()
    known.hash_of(file, "", hasher)
    entry.write_bytes(content)
    assert known.hash_of(file, "", hasher) == sha256(b"one two  four")
    assert hasher.reads == 2


def test_without_a_folder_every_file_is_hashed(tmp_path: Path, file: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "in the way").touch()
    for folder in (None, tmp_path / "in the way" / "hashes", tmp_path / "shared", Path("/proc/hashes")):
        hasher = Hasher()
        for _ in range(2):
            assert KnownHashes(folder, settled_seconds=SETTLED).hash_of(file, "", hasher) == sha256(b"one two three")
        assert hasher.reads == 2


def test_where_a_user_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert KnownHashes.of_user().folder == Path("/caches/scorer/hashes")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert KnownHashes.of_user().folder == Path("/home/somebody/.cache/scorer/hashes")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert KnownHashes.of_user().folder is None


def test_a_file_that_is_not_there(known: KnownHashes, tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        known.hash_of(tmp_path / "none", "", Hasher())


def test_a_full_folder_makes_room(tmp_path: Path, file: Path) -> None:
    known = KnownHashes(tmp_path / "hashes", settled_seconds=SETTLED, most_in_a_folder=2)
    for kind in range(600):
        known.hash_of(file, str(kind), Hasher())
    kept = [len(list(folder.iterdir())) for folder in known.folder.iterdir()]
    assert max(kept) == 2
    assert sum(kept) > 200


HASHING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from scorer.stores.fingerprints import KnownHashes, Stamp, check_unchanged, fingerprint
import hashlib
known = KnownHashes(Path(sys.argv[1]), settled_seconds={SETTLED})
def digest(stream):
    return hashlib.sha256(stream.read()).hexdigest()
print("ready", flush=True)
while True:
    for path in sorted(Path(sys.argv[2]).iterdir()):
        for kind in range(20):
            found = known.hash_of(path, f"{{sys.argv[3]}} {{kind}}", digest)
            assert found == digest(path.open("rb"))
"""


def test_processes_that_hash_at_once_and_are_killed(known: KnownHashes, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(10):
        (folder / str(number)).write_bytes(os.urandom(50))
    settle()
    processes: list[subprocess.Popen[bytes]] = []
    for number in range(4):
        command = [sys.executable, "-c", HASHING, str(known.folder), str(folder), str(number // 2)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    for process in processes:
        process.send_signal(signal.SIGKILL)
        assert process.communicate(timeout=30)[1] == b""
    hasher = Hasher()
    for path in folder.iterdir():
        for kind in range(20):
            assert known.hash_of(path, f"0 {kind}", hasher) == sha256(path.read_bytes())


def test_the_fingerprint_is_that_of_the_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"abc")
    two.write_bytes(b"abc")
    assert fingerprint([Stamp.of(one)]) == fingerprint([Stamp.of(two)])
    both = fingerprint([Stamp.of(one), Stamp.of(two)])
    two.write_bytes(b"abd")
    assert fingerprint([Stamp.of(one)]) != fingerprint([Stamp.of(two)])
    assert fingerprint([Stamp.of(one), Stamp.of(two)]) != both
    assert fingerprint([Stamp.of(two), Stamp.of(one)]) != fingerprint([Stamp.of(one), Stamp.of(two)])
    assert len(both) == 64


def test_any_byte_of_a_large_file_counts_and_no_time_does(tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = bytearray(os.urandom(16 << 20))
    path.write_bytes(content)
    before = Stamp.of(path)
    first = fingerprint([before])
    for position in (0, len(content) // 3, len(content) - 1):
        content[position] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
        assert fingerprint([Stamp.of(path)]) != first
        content[position] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert fingerprint([Stamp.of(path)]) == first


def test_a_change_is_noticed_by_size_time_and_inode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    stamp = Stamp.of(path)
    check_unchanged([stamp])
    os.utime(path, ns=(1, stamp.mtime_ns + 1))
    with pytest.raises(DataError):
        check_unchanged([stamp])
    os.utime(path, ns=(1, stamp.mtime_ns))
    check_unchanged([stamp])
    copy = tmp_path / "copy"
    copy.write_bytes(b"abc")
    os.utime(copy, ns=(1, stamp.mtime_ns))
    copy.replace(path)
    with pytest.raises(DataError):
        check_unchanged([stamp])


def test_a_missing_file_has_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        Stamp.of(tmp_path / "none")
