"""Who may ask, and how much may arrive: the token, and the bodies of requests."""

from __future__ import annotations

import asyncio
import hmac
from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from scorer.errors import ConfigError, InputMissing, NotPermitted
from scorer.serving.refusals import Refused, too_large

# Bodies that are arriving may have so many bytes together, whoever sends them.
_ARRIVING_BYTES = 256 << 20


def read_token(file: Path) -> bytes:
    """The token in `file`, without the white space around it. ConfigError when there is none."""
    try:
        token = file.read_bytes().strip()
    except FileNotFoundError as error:
        raise InputMissing(f"--token {file}: no such file") from error
    except PermissionError as error:
        raise NotPermitted(f"--token {file}: may not be read") from error
    except OSError as error:
        raise ConfigError(f"--token {file}: cannot be read ({error.strerror})") from error
    if not token or len(token.split()) != 1:
        raise ConfigError(f"--token {file}: one word is expected, the token")
    return token


class Guard:
    """Lets requests through to `app` that bring the `token`, or go to one of the `open_paths`."""

    def __init__(self, app: ASGIApp, *, token: bytes | None, open_paths: frozenset[str], refuse: ASGIApp) -> None:
        self._app, self._token, self._open, self._refuse = app, token, open_paths, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._may_pass(scope):
            await self._refuse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if self._token is None or scope["path"] in self._open:
            return True
        brought = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(brought) != 1:
            return False
        scheme, _, token = brought[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


class Bodies:
    """Reads the bodies of requests, of at most `most` bytes each, that arrive within so many `seconds`."""

    def __init__(self, *, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._arriving = 0

    async def read(self, request: Request) -> bytes:
        """The body of `request`. Refused when it is too large, too slow, or too much arrives already."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "a body that is compressed is not read; send it as it is")
        said = request.headers.get("content-length", "")
        if said.isdecimal() and int(said) > self._most:
            raise too_large(f"a body of {said} bytes; a request may have {self._most}")
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    self._arriving += len(chunk)
                    if size > self._most:
                        raise too_large(f"a body of more than {self._most} bytes, which is the most of a request")
                    if self._arriving > max(_ARRIVING_BYTES, self._most):
                        raise Refused(429, "too much is arriving; try again")
                    chunks.append(chunk)
        except TimeoutError as error:
            raise Refused(408, f"the body did not arrive within {self._seconds:g} s") from error
        finally:
            self._arriving -= size
        return b"".join(chunks)
