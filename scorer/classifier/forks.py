"""Models and forks: a fork of a process that has a model in memory has none of the threads that compute with it.

Whatever waits for one of them waits for ever: tokenizers, workers, torch. So from the first model on a fork is told
what it is. It tokenizes and computes with one thread, and what belongs to its parent is made anew there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import WeakSet

from scorer.errors import UsageError

T = TypeVar("T")
_PARALLEL: Final = "TOKENIZERS_PARALLELISM"


class Renewed(Protocol):
    """What has something of threads in it."""

    def renew(self) -> None:
        """Forget what the parent had begun; called in a fork, before anything else runs there."""


_renewed: Final[WeakSet[Any]] = WeakSet()
_forks: Final = set[int]()


def renew_in_forks(something: Renewed) -> None:
    """From now on a fork renews it, as long as it is needed."""
    _watch()
    _renewed.add(something)


def settle() -> None:
    """To be called before a model is loaded: forks will work from now on, and if this is one, torch does."""
    os.environ.setdefault(_PARALLEL, "true")
    _watch()
    if _is_fork():
        import torch

        # As in the workers of torch's own DataLoader: a team of threads would be waited for that is the parent's.
        torch.set_num_threads(1)


def refuse_inherited_cuda(device: str) -> None:
    """UsageError where CUDA, asked for as `device`, was begun by the parent of this fork: it does not work here."""
    if not _is_fork():
        return
    import torch

    try:
        torch.cuda.init()
    except RuntimeError as error:
        raise UsageError(
            f"--device {device}: this process is a fork of one that has used the GPU, which CUDA does not allow; start "
            "it afresh (spawn), load the first model after the fork, or say --device cpu"
        ) from error


class OnceAProcess(Generic[T]):
    """The thing `made`, which forks `make` anew when they ask for it. Several threads may ask at once."""

    def __init__(self, made: T, make: Callable[[], T]) -> None:
        self._made: T | None = made
        self._make = make
        self._turn = Lock()
        renew_in_forks(self)

    def get(self) -> T:
        with self._turn:
            if self._made is None:
                self._made = self._make()
            return self._made

    def renew(self) -> None:
        """The parent's is kept for good: taking it apart here would wait for threads that are not there."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._made))
        self._made, self._turn = None, Lock()


@cache
def _watch() -> None:
    os.register_at_fork(after_in_child=_become_fork)


def _is_fork() -> bool:
    return os.getpid() in _forks


def _become_fork() -> None:
    _forks.add(os.getpid())
    os.environ[_PARALLEL] = "false"
    for something in list(_renewed):
        something.renew()
