"""What belongs to a whole process and not to one job in it: its cores, its signals, its end.

Only a process that somebody started to work for him calls these; a library must not do so to its caller.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


def own_cores() -> list[int]:
    """The cores that this process may use, sorted."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def keep_to(cores: Sequence[int]) -> None:
    """Use no other core from now on, also in libraries that are loaded later and have a thread for each."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))


@dataclass(frozen=True)
class Claim:
    """Cores that this process alone has claimed, as long as it lives; `locks` are the open files that say so."""

    cores: tuple[int, ...]
    locks: tuple[BinaryIO, ...] = ()


def claim_cores(count: int, *, folder: Path | None = None) -> Claim:
    """So many cores of this process that no other process of this user has claimed on this machine; none at all where
    there are not so many. Claims lie in `folder`, and end with their process."""
    folder = folder or Path(tempfile.gettempdir()) / f"scorer-cores-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    cores: list[int] = []
    locks: list[BinaryIO] = []
    for core in own_cores():
        if len(cores) == count:
            break
        lock = (folder / str(core)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            cores.append(core)
            locks.append(lock)
    if len(cores) < count:
        for claimed in locks:
            claimed.close()
        return Claim(())
    return Claim(tuple(cores), tuple(locks))


@contextmanager
def kept_handlers() -> Iterator[None]:
    """After the block, signals that stop a run do what they did before, whatever a library has set in it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if handler is not None:
                    signal.signal(number, handler)


def leave_signals_to_parent() -> None:
    """Ignore what a terminal or a scheduler sends to stop a run: the parent gets it, too, and ends this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def wait_passively() -> None:
    """Let threads that share an operation sleep, and not spin, while they wait for one another; before torch is loaded.

    Where another process has one of the cores, spinning threads wait for one that is not running: a fit took three
    times as long (jobs/bench/LOG.md). A policy that somebody has chosen stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def end_at_once() -> None:
    """End this process without any further step of it."""
    os._exit(0)


def how_it_ended(code: int | None) -> str:
    """What an exit code says, as Python tells that of a child."""
    if code is not None and code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"with exit code {code}"
