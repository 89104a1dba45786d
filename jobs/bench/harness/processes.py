"""An object in a process of its own, so that each peer has its own threads, its own settings and its own peak memory.

Owns the process and the calls to it. Does not know what the object does.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

_ENDING_SECONDS = 20


class CallFailed(Exception):
    """What was called raised; the message holds its traceback."""


class Remote:
    """An object of the class `place` (module:class), made in a new process; `call("name", ...)` calls its method there.

    The class is imported over there only. Arguments and results must be picklable. `threads` is how many each library
    may use.
    """

    def __init__(self, place: str, *arguments: Any, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, place, arguments))
        # Libraries read these when they are loaded, which is before anything of ours runs over there.
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        self._process.start()
        other.close()

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """What `method` returns over there; CallFailed when it, or the making of the object, raised."""
        try:
            self._connection.send((method, arguments))
            good, answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise CallFailed(f"{method}: the process ended with code {self._process.exitcode}") from error
        if not good:
            raise CallFailed(answer)
        return answer

    def close(self) -> None:
        self._connection.close()
        self._process.join(_ENDING_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(connection: Connection, place: str, arguments: tuple[Any, ...]) -> None:
    served: Any = None
    while True:
        try:
            method, values = connection.recv()
        except EOFError:
            return
        try:
            if served is None:
                module, name = place.split(":")
                served = getattr(importlib.import_module(module), name)(*arguments)
            connection.send((True, getattr(served, method)(*values)))
        except Exception:  # noqa: BLE001  raised again by the caller
            connection.send((False, traceback.format_exc()))
