"""A real browser without a window, spoken to in its own DevTools protocol over two pipes.

Owns the process. Needs Chromium or Chrome: CHROME_BIN, or on the PATH.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# What the browser would otherwise fetch or ask for on its own account.
QUIET = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # a container may have little of it
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--hide-scrollbars",
)
# It wants its two ends of the pipes as the descriptors 3 and 4.
AS_3_AND_4 = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


def find_browser() -> str | None:
    """The path of a browser, or None."""
    named = os.environ.get("CHROME_BIN")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one page; `requests`, `errors` are what the page asked the network for and complained about."""

    def __init__(self, program: str, profile: Path) -> None:
        orders, replies = _far_pipe(), _far_pipe()
        # Root may not use Chromium's sandbox; the pages are our own.
        flags = (*QUIET, f"--user-data-dir={profile}", *(("--no-sandbox",) if os.geteuid() == 0 else ()))
        launcher = [sys.executable, "-c", AS_3_AND_4, str(orders[0]), str(replies[1])]
        self._process = subprocess.Popen(
            [*launcher, program, *flags, "--remote-debugging-pipe", "about:blank"],
            pass_fds=(orders[0], replies[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(orders[0])
        os.close(replies[1])
        self._orders, self._replies = os.fdopen(orders[1], "wb", buffering=0), os.fdopen(replies[0], "rb")
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.close()
        self._replies.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a protocol command."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        self._orders.write(json.dumps(order).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                found: dict[str, Any] = message["result"]
                return found

    def renew(self) -> None:
        """Go on with another page, so that nothing is heard any more of the one before."""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.requests.clear()
        self.errors.clear()

    def look(self, *, width: int, dark: bool) -> None:
        """The next pages are shown so wide, and in this colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, html: str) -> None:
        """Show a page, from no address at all."""
        frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.call("Page.setDocumentContent", frameId=frame, html=html)

    def visit(self, address: str) -> None:
        """Show the page at an address, once it is there."""
        self.call("Page.navigate", url=address)
        self.wait_for(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def wait_for(self, condition: str, *, seconds: float = 20) -> None:
        """Until an expression is true on the page."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self._replies.fileno(), 1 << 16)
            assert read, "the browser is gone"
            self._unread += read
        line, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if message.get("sessionId") == self._session:
            self._remember(message)
        return message

    def _remember(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" or (method == "Runtime.consoleAPICalled" and parameters["type"] == "error"):
            self.errors.append(str(parameters))


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """A browser that has gone at the end."""
    with Browser(program, profile) as opened:
        yield opened


def _far_pipe() -> tuple[int, int]:
    """A pipe whose descriptors are neither 3 nor 4."""
    ends = os.pipe()
    far = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return far[0], far[1]
