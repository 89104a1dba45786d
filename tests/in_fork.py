"""Work in a fork of the process that runs the tests, which may hang without the tests doing so."""

from __future__ import annotations

import os
import pickle
import select
import signal
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_fork(work: Callable[[], T], *, seconds: float = 60) -> T:
    """What `work` returns or raises in a fork. TimeoutError where it is not done after so many `seconds`."""
    source, target = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions of Python warn of forks beside threads
        pid = os.fork()
    if pid == 0:
        try:
            try:
                said = pickle.dumps((work(), None))
            except BaseException as error:  # noqa: BLE001 - raised again by the parent
                said = pickle.dumps((None, error))
            with os.fdopen(target, "wb") as pipe:
                pipe.write(said)
        finally:
            os._exit(0)
    os.close(target)
    try:
        with os.fdopen(source, "rb") as pipe:
            if not select.select([pipe], [], [], seconds)[0]:
                raise TimeoutError(f"a fork was not done after {seconds} s")
            result, error = pickle.loads(pipe.read())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if error is not None:
        raise error
    found: T = result
    return found
