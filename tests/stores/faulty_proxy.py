"""A proxy before an HTTP server that does what networks and stores do at their worst, as often as it is told.

throttle   the answer is 503 SlowDown, and the server hears of nothing
break      the answer is 500, and the server hears of nothing
refuse     the connection ends before the server hears of the request
lose       the server does what it is asked, and its answer is lost
cut        half of the answer comes, and the connection ends
halve      half of the request reaches the server
stall      nothing comes for longer than a client waits

It also puts right what rclone's S3 forgets: that the status of a range is 206.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit

FAULTS: Final = ("throttle", "break", "refuse", "lose", "cut", "halve", "stall")
_SLOW_DOWN: Final = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultyProxy:
    """In a thread of its own while its block lasts: `rate` of the requests to `target` meet one of the `faults`."""

    def __init__(
        self, target: str, *, rate: float, seed: int, faults: tuple[str, ...] = FAULTS, stall_seconds: float = 3.0
    ) -> None:
        self._target = urlsplit(target)
        self._faults = faults
        self._stall_seconds = stall_seconds
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.rate = rate
        self.done: Counter[str] = Counter()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        fault = self._chance.choice(self._faults) if self._chance.random() < self.rate else "none"
        self.done[fault] += 1
        if fault in ("throttle", "break"):
            status = b"503 Slow Down" if fault == "throttle" else b"500 Internal Server Error"
            length = str(len(_SLOW_DOWN)).encode()
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n" % (status, length))
            writer.write(b"" if head.startswith(b"HEAD") else _SLOW_DOWN)
            await writer.drain()
        elif fault == "stall":
            await asyncio.sleep(self._stall_seconds)
        elif fault == "halve":
            await self._ask((head + body)[: (len(head) + len(body)) // 2], ended=True)
        elif fault != "refuse":
            answer = await self._ask(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            if b"\r\nContent-Range:" in answer.partition(b"\r\n\r\n")[0]:
                answer = answer.replace(b" 200 OK", b" 206 Partial Content", 1)
            if fault != "lose":
                writer.write(answer[: len(answer) // 2] if fault == "cut" else answer)
                await writer.drain()

    async def _ask(self, request: bytes, *, ended: bool = False) -> bytes:
        reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            writer.write(request)
            if ended:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()
