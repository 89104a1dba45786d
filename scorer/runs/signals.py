"""Signals: the first one asks a run to stop at the next safe place, the second one ends it at once.

The handlers stay while a run lasts. The run knows its safe places, and calls `check` there.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from scorer.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def take_signals(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Let `handler` have SIGINT, SIGTERM and SIGHUP, all but those that the caller ignores; the handlers before, for
    `give_back`. Only the main thread can receive signals; in any other nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    wanted = (number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)
    return {number: signal.signal(number, handler) for number in wanted}


def give_back(previous: Mapping[int, Any]) -> None:
    """Let those have the signals that had them before `take_signals`."""
    for number, handler in previous.items():
        signal.signal(number, handler)


class StopSignals:
    """Within the `with` block SIGINT, SIGTERM and SIGHUP are remembered instead of ending the process.

    Only the main thread can receive signals; in any other thread the block changes nothing. A signal that the caller
    ignores (SIGHUP under nohup) stays ignored. When the block ends without an error, a signal that came is passed on to
    the block around it, if there is one: a job within a job must not swallow it.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._at_once = False
        self._previous: dict[int, Any] = {}

    def check(self) -> None:
        """Raise Interrupted when a signal has come."""
        if self._received is not None:
            raise Interrupted(self._received)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block, of the main thread, a signal raises Interrupted where the work stands: nothing is lost.

        Whatever else the block ends with after a signal becomes Interrupted: what was at work there may have taken it
        for a failure of its own.
        """
        self._at_once = True
        try:
            self.check()
            yield
            self.check()  # what was at work may have swallowed it
        except Exception:
            self.check()
            raise
        finally:
            self._at_once = False

    def __enter__(self) -> Self:
        self._previous = take_signals(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        previous, self._previous = self._previous, {}
        give_back(previous)
        if error is None and self._received is not None:
            outer = getattr(previous[self._received], "__self__", None)
            if isinstance(outer, StopSignals):
                outer._handle(self._received, None)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(128 + number)
        self._received = number
        if self._at_once:
            raise Interrupted(number)
