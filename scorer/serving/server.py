"""The server as a process: it listens, answers until a signal comes, answers what has arrived, and ends."""

from __future__ import annotations

import asyncio
import errno
import math
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import uvicorn

from scorer.config import ServeConfig
from scorer.errors import Busy, Interrupted, UsageError
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.serving.app import make_app
from scorer.serving.desk import Desk, deliver
from scorer.serving.guard import read_token
from scorer.serving.measures import Measures
from scorer.serving.model_list import ModelList

_BACKLOG = 2048
# Connections are counted only after the event loop has taken so many.
_ACCEPTED_AT_ONCE = 64
# A connection without a request is kept so long: longer than what stands before servers keeps its own.
_KEEP_ALIVE_SECONDS = 75
# Of the files that a process may have, so many are kept for new models and the like, and so many are open anyway.
_OTHER_FILES = 256
_USUAL_FILES = 64
_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def serve(config: ServeConfig, console: Console, *, signals: StopSignals | None = None) -> dict[str, Any]:
    """Answer requests until a signal asks to stop; how many requests and texts there were, by status.

    Busy when the port is taken, Interrupted when `drain_seconds` were too few for all that had arrived.
    """
    begun = time.monotonic()
    token = read_token(config.token) if config.token else None
    measures = Measures()
    with (
        _listening(config) as listener,
        _loaded(config, measures, console) as models,
        signals or StopSignals() as heard,
    ):
        desk = Desk(models, config, measures=measures)
        server = _Server(_uvicorn(desk, config, token=token, console=console), desk, heard, console)
        most = most_connections()
        listener.has_room = lambda: len(server.server_state.connections) < most
        asyncio.run(server.serve([listener]))
    if desk.unanswered:
        raise Interrupted(server.stopped_by, f"{desk.unanswered} requests were not answered in --drain-seconds")
    return {"seconds": round(time.monotonic() - begun, 3), **measures.totals()}


class _Listener(socket.socket):
    """A listening socket that answers for itself while there is no room for a connection more: a process that has no
    files left could accept none, and would try for ever."""

    has_room: Callable[[], bool] = staticmethod(lambda: True)

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        """As many may wait as can, however few the event loop takes at a time."""
        super().listen(max(backlog, _BACKLOG))

    def accept(self) -> tuple[socket.socket, Any]:
        while True:
            connection, address = super().accept()
            if self.has_room():
                return connection, address
            with connection, suppress(OSError):
                connection.setblocking(False)
                connection.send(_NO_ROOM)


class _Server(uvicorn.Server):
    """Uvicorn's server, which stops when a signal has come, and closes connections on which nothing comes."""

    def __init__(self, config: uvicorn.Config, desk: Desk, signals: StopSignals, console: Console) -> None:
        super().__init__(config)
        self.stopped_by = 0
        self._desk = desk
        self._signals = signals
        self._console = console
        # Since when nothing has come behind a request, or on a connection without any; what of answers is still to be
        # sent on a connection, and since when as much.
        self._silent_since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._unread: WeakKeyDictionary[Any, tuple[int, float]] = WeakKeyDictionary()

    def capture_signals(self) -> Any:
        """Signals are ours: see `StopSignals`."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._warn)
        await super().startup(sockets)
        for listener in sockets or ():
            _say(listener, self._desk.config, self._console)

    async def on_tick(self, counter: int) -> bool:
        try:
            self._signals.check()
        except Interrupted as stop:
            self.stopped_by = stop.signal_number
            self.should_exit = self._desk.stopping = True
        if counter % 10 == 0:
            self._close_silent(time.monotonic())
        return await super().on_tick(counter)

    def _warn(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught: its kind, since its message may quote a text."""
        self._console.warn(f"{context['message']} ({type(context.get('exception')).__name__})")

    def _close_silent(self, now: float) -> None:
        """Uvicorn waits for ever for a request that was begun, or for the first one; and for somebody who does not read
        its answer."""
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            patience = self._desk.config.body_seconds + (0 if cycle is None else _KEEP_ALIVE_SECONDS)
            stuck = self._stuck_seconds(connection, now)
            if cycle is not None and not cycle.response_complete:
                # A request behind others whose answers nobody reads waits for ever, too.
                if stuck > patience:
                    connection.transport.abort()
                continue
            since = self._silent_since.setdefault(connection if cycle is None else cycle, now)
            if now - since <= patience:
                continue
            if stuck and connection.transport.is_closing():
                connection.transport.abort()
            connection.transport.close()

    def _stuck_seconds(self, connection: Any, now: float) -> float:
        """For how long nothing was read of what is still to be sent; 0 where there is nothing."""
        unread = connection.transport.get_write_buffer_size()
        before, since = self._unread.get(connection, (0, now))
        if not unread or unread != before:
            self._unread[connection] = unread, now
            return 0.0
        return now - since


def _uvicorn(desk: Desk, config: ServeConfig, *, token: bytes | None, console: Console) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(desk, token=token, console=console),
        # What it logs may hold an address with a query, and a traceback the text of a request.
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(config.drain_seconds),
    )


@contextmanager
def _loaded(config: ServeConfig, measures: Measures, console: Console) -> Iterator[ModelList]:
    models = ModelList(config, deliver=deliver, measures=measures, console=console)
    try:
        yield models
    finally:
        models.close()


@contextmanager
def _listening(config: ServeConfig) -> Iterator[_Listener]:
    """A socket that has the address, and takes no connection yet: whoever comes before the models is refused.

    UsageError for an address that there is not, Busy for one that is taken.
    """
    where = f"{config.host}:{config.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise UsageError(f"--host {config.host}: no such address ({error.strerror})") from error
    with _Listener(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Busy(f"{where}: in use already; stop what listens there, or choose another --port") from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise UsageError(f"--host {config.host}: not an address of this machine") from error
            raise OSError(error.errno, error.strerror, where) from error
        yield listener


def _say(listener: socket.socket, config: ServeConfig, console: Console) -> None:
    """Where the server is; a port that was to be chosen is known only now."""
    host, port = listener.getsockname()[:2]
    console.say(f"serving at http://{f'[{host}]' if ':' in host else host}:{port}")
    local = host in ("::1",) or host.startswith("127.")
    if config.token is None and not local:
        console.warn("everybody who reaches this address may ask; --token FILE lets only those who have the token")


def most_connections() -> int:
    """How many connections there may be: each is a file, and from now on this process may have as many as it could."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then there are as many as there were
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(soft - _open_files() - min(_OTHER_FILES, soft // 2), 1)


def _open_files() -> int:
    """How many files this process has open, as Linux tells; elsewhere as many as it usually has."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.is_dir() else _USUAL_FILES
