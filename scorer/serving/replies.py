"""Documents as responses, and the response that waits until its client has read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# What a client that was refused still sends is thrown away for so long: one whose connection is closed while it sends
# may never see why.
_PATIENCE_SECONDS = 2.0


class PatientResponse(Response):
    """A response to a request whose body may not have been read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await _read_on(scope, receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_on(scope: Scope, receive: Receive) -> None:
    """Throw away what is left of the body; nothing is where there was none."""
    headers = {name for name, _ in scope["headers"]}
    more = bool(headers & {b"content-length", b"transfer-encoding"})
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)


def json_response(
    document: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    kind: type[Response] = Response,
) -> Response:
    """`document` as the body of a response of this `kind`."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return kind(body, status, headers=headers, media_type="application/json")
