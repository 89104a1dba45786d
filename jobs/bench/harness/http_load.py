"""A server in a process of its own, and many clients that ask it at once.

The clients are as cheap as can be, since they share the machine with the server: they write a request and read a
response, and look at nothing but its status and its length.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_END_SECONDS = 120
HOST = "127.0.0.1"


class ServerProcess:
    """`scorer serve` with these `arguments` at a free port; `command` is what starts scorer."""

    def __init__(self, *arguments: str | Path, command: Sequence[str] = (sys.executable, "-m", "scorer")) -> None:
        self._process = subprocess.Popen(
            [*command, "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        if not line.startswith("serving at "):
            raise RuntimeError(line + self._process.stderr.read())
        self.port = int(line.rpartition(":")[2])

    @property
    def cpu_seconds(self) -> float:
        """What it has used so far, in all its threads, as Linux tells."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=_END_SECONDS)


@dataclass(frozen=True)
class Load:
    """What came of many requests: the whole time, the `latencies` (s) in the order they ended, each request's body."""

    seconds: float
    latencies: list[float]
    replies: list[bytes]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection(HOST, port))

    async def ask(self, body: bytes, path: bytes = b"/predict") -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (path, HOST.encode(), len(body))
        self._writer.write(head + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        start = answer.index(b"content-length:") + len(b"content-length:")
        length = int(answer[start : answer.index(b"\r", start)])
        return int(answer[9:12]), await self._reader.readexactly(length)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def load(port: int, bodies: Sequence[bytes], *, clients: int) -> Load:
    """Ask with all `bodies`, as so many `clients` that each ask one after the other. RuntimeError unless all are
    answered."""
    return asyncio.run(_load(port, bodies, clients))


async def _load(port: int, bodies: Sequence[bytes], count: int) -> Load:
    replies = [b""] * len(bodies)
    latencies: list[float] = []
    left = iter(range(len(bodies)))
    clients = [await Client.connect(port) for _ in range(count)]

    async def work(client: Client) -> None:
        for number in left:
            begun = time.perf_counter()
            status, replies[number] = await client.ask(bodies[number])
            latencies.append(time.perf_counter() - begun)
            if status != 200:
                raise RuntimeError(f"status {status}: {replies[number].decode()}")

    begun = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    seconds = time.perf_counter() - begun
    for client in clients:
        await client.close()
    return Load(seconds, latencies, replies)
