"""A place as a person names it: a path of this machine, a standard stream, an object store.

Decides what a text means, and says so when it means nothing yet. Opens no file.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Final, Literal

from scorer.errors import InputMissing, OutputRefused
from scorer.stores.object_path import ObjectPath, is_object, shown_url
from scorer.stores.objects import SCHEMES, WRITABLE

STREAM: Final = "-"
"""What stands for standard input where something is read, and for standard output where something is written."""

Scheme = Literal["local", "object", "stdin", "pipe", "stdout", "stderr"]

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}")
# What brings a file of a place that we do not read here.
_COPIES: Final = {"abfs": "az storage blob download"}
_KNOWN: Final = " ".join(f"{scheme}://" for scheme in SCHEMES)
_KNOWN_OUTPUTS: Final = " ".join(f"{scheme}://" for scheme in WRITABLE)
_DESCRIPTORS: Final = re.compile(r"/proc/([0-9]+)(/task/[0-9]+)?/fd")
_MOST_LINKS: Final = 40
_STREAMS: Final[dict[int, Scheme]] = {1: "stdout", 2: "stderr"}


@dataclass(frozen=True)
class Location:
    """Where bytes come from or go to. `said`, what the person wrote, is a path of this machine for `local`; the URL of
    an `object`, or of what lies beneath a name in its store; and a fifo for `pipe`, which is read once from its
    beginning to its end: what a shell makes of `<(command)`."""

    scheme: Scheme
    said: str

    @classmethod
    def of_input(cls, said: str | Path) -> Location:
        """`-` is standard input, and so is whatever path leads to this process's stdin. InputMissing for a scheme that
        we do not know, unless there is such a path here."""
        text = str(said)
        if text == STREAM:
            return cls("stdin", text)
        if is_object(text):
            return cls("object", str(ObjectPath.of(text)))
        if (url := _url(text)) and not Path(text).exists():
            scheme = url.partition(":")[0].lower()
            copy = f" ({_COPIES[scheme]})" if scheme in _COPIES else ""
            raise InputMissing(
                f"{url}: inputs are local or in {_KNOWN}; copy it to this machine first{copy}, or pipe it in and say -"
            )
        return cls(_input_scheme(Path(text)), text)

    @classmethod
    def of_output(cls, said: str | Path) -> Location:
        """`-` is standard output, and so is whatever path leads to this process's stdout or stderr: /dev/stdout, a link
        to it, /proc/self/fd/1. OutputRefused for a scheme that we do not write to, unless there is such a folder
        here."""
        text = str(said)
        if text == STREAM:
            return cls("stdout", text)
        if is_object(text) and (place := ObjectPath.of(text)).bucket.scheme in WRITABLE:
            return cls("object", str(place))
        if (url := _url(text)) and not Path(text).parent.is_dir():
            raise OutputRefused(
                f"{url}: outputs are local or in {_KNOWN_OUTPUTS}; name a path on this machine and copy it there "
                "afterwards, or write to - and pipe it"
            )
        descriptor = _standard_descriptor(Path(text))
        return cls("local" if descriptor is None else _STREAMS[descriptor], text)

    @classmethod
    def of_path(cls, path: str | Path) -> Location:
        """The path of this machine, whatever it looks like, or the ObjectPath."""
        return cls("object" if isinstance(path, ObjectPath) else "local", str(path))

    @property
    def is_stream(self) -> bool:
        return self.scheme not in ("local", "object")

    @property
    def exists(self) -> bool:
        """Whether something stands there; of a stream nothing does before it is written."""
        return not self.is_stream and self.path.exists()

    @property
    def name(self) -> str:
        """The last part of what was said."""
        return Path(self.said).name

    @property
    def ending(self) -> str:
        """The last ending of the name, with its dot; empty without one."""
        return Path(self.said).suffix

    @property
    def title(self) -> str:
        """What a message calls it: standard input, or what was said."""
        return "standard input" if self.scheme == "stdin" else self.said

    @property
    def path(self) -> Path:
        """The path of a location that is no stream: one of this machine, or an ObjectPath."""
        assert not self.is_stream, f"{self.said} is a stream; this is a bug"
        return ObjectPath.of(self.said) if self.scheme == "object" else Path(self.said)

    @property
    def stream(self) -> BinaryIO:
        """The bytes of a standard stream."""
        assert self.scheme in ("stdin", "stdout", "stderr"), f"{self.said} is no standard stream; this is a bug"
        return {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}[self.scheme].buffer


def name_of(said: str | PurePath) -> str:
    """The last part of what a person named, without the folders before it."""
    return PurePath(said).name


def open_descriptor(path: Path) -> tuple[int, int] | None:
    """The process and the number when `path` is, or leads to, an open file of a process (/dev/fd/3), else None."""
    for _ in range(_MOST_LINKS):
        folder = Path(os.path.realpath(path.parent))
        found = _DESCRIPTORS.fullmatch(str(folder))
        if found and path.name.isdigit():
            return int(found[1]), int(path.name)
        path = folder / path.name
        try:
            path = folder / path.readlink()
        except OSError:  # no link, or nothing at all
            return None
    return None


def _input_scheme(path: Path) -> Scheme:
    """Whether a path that is read is this process's stdin, another stream, or a file or folder."""
    found = open_descriptor(path)
    if found is not None and found == (_own_number(), 0):
        return "stdin"
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "local"
    return "pipe" if stat.S_ISFIFO(mode) else "local"


def _standard_descriptor(path: Path) -> int | None:
    """1 or 2 when `path` leads to this process's stdout or stderr, else None.

    A plain file that stdout was sent to is not meant by its own name: replacing it is what its name asks for.
    """
    found = open_descriptor(path)
    if found is not None and found[0] != _own_number():
        return None
    if found is not None and found[1] in _STREAMS:
        return found[1]
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    if found is None and not _is_pipe_or_terminal(path, status):
        return None
    return next((number for number in _STREAMS if _is_open_as(status, number)), None)


def _own_number() -> int:
    """Our process's number as /proc has it: in a container it may have another's view."""
    return int(Path("/proc/self").readlink().name)


def _is_pipe_or_terminal(path: Path, status: os.stat_result) -> bool:
    # Not every device: /dev/null is refused by its name whether or not stdout was sent there.
    terminal = stat.S_ISCHR(status.st_mode) and re.match(r"/dev/(pts/|tty)", os.path.realpath(path)) is not None
    return stat.S_ISFIFO(status.st_mode) or terminal


def _is_open_as(status: os.stat_result, number: int) -> bool:
    try:
        return os.path.samestat(status, os.fstat(number))
    except OSError:  # closed
        return False


def _url(said: str) -> str | None:
    """`said` as a message shows it when it looks like a URL; of its two slashes a path keeps one."""
    found = _URL.match(said)
    return shown_url(f"{found[1]}://{said[found.end() :]}") if found else None
