"""A server in a thread of the test, and requests to it over real sockets."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from scorer.config import ServeConfig
from scorer.errors import Interrupted
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.serving.server import serve

START_SECONDS = 60


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class _Asked(StopSignals):
    """The signal that a test sends."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Event()

    def check(self) -> None:
        if self.asked.is_set():
            raise Interrupted(15)


class Served:
    """`scorer serve` with these options, but in a thread, at a free port."""

    def __init__(self, *models: str | Path, **options: Any) -> None:
        self.said = io.StringIO()
        self.summary: dict[str, Any] | None = None
        self.error: BaseException | None = None
        self._stop = _Asked()
        config = ServeConfig(**{"model": tuple(map(str, models)), "port": 0, "precision": "fp32", **options})
        self._thread = Thread(target=self._run, args=(config,))

    def _run(self, config: ServeConfig) -> None:
        try:
            self.summary = serve(config, Console(stream=self.said), signals=self._stop)
        except BaseException as error:  # noqa: BLE001  the test looks at it
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while "serving at http://" not in self.said.getvalue():
            assert self._thread.is_alive(), self.error
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        self.port = int(self.said.getvalue().partition("http://127.0.0.1:")[2].split()[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ask_to_stop()
        self.join()

    def ask_to_stop(self) -> None:
        self._stop.asked.set()

    def join(self) -> None:
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive(), "the server did not end"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            found = connection.getresponse()
            return Reply(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, document: Any, **headers: str) -> Reply:
        return self.ask("POST", path, json.dumps(document).encode(), headers)
