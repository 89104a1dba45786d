"""The routes of the server, as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scorer.runs.console import Console
from scorer.serving.desk import Desk
from scorer.serving.forms.classify import ClassifyForm
from scorer.serving.forms.form import Form
from scorer.serving.forms.kserve import KServeForm
from scorer.serving.forms.predict import PredictForm
from scorer.serving.guard import Guard
from scorer.serving.information import describe_server, model_metadata, server_metadata
from scorer.serving.measures import CONTENT_TYPE
from scorer.serving.openapi import openapi
from scorer.serving.pages import docs_page, try_page
from scorer.serving.refusals import Refused, refusal_of
from scorer.serving.replies import PatientResponse, json_response

# What shows nothing of a model, and must be there for whoever looks after the server or has yet to give a token.
_OPEN = frozenset(("/health", "/ready", "/v2/health/live", "/v2/health/ready", "/", "/docs", "/openapi.json"))
_GONE = 499
_MODEL = "/v2/models/{model}"
_VERSION = _MODEL + "/versions/{version}"


def make_app(desk: Desk, *, token: bytes | None, console: Console) -> ASGIApp:
    """The application that answers at `desk`; with a `token` only whoever brings it."""
    predict, classify, kserve = PredictForm(), ClassifyForm(), KServeForm()
    forms: dict[str, Form] = {
        "/predict": predict,
        "/models/{model}/predict": predict,
        "/v1/classify": classify,
        "/classify": classify,
        f"{_MODEL}/infer": kserve,
        f"{_VERSION}/infer": kserve,
    }
    answering = [
        Route(path, Answering(desk, form, route=path, console=console).answer, methods=["POST"])
        for path, form in forms.items()
    ]
    app = Starlette(routes=[*answering, *_telling(desk)], exception_handlers={HTTPException: _no_such_route})
    app.router.redirect_slashes = False
    return Guard(app, token=token, open_paths=_OPEN, refuse=_unknown)


class Answering:
    """What answers requests in one `form` at one `route`."""

    def __init__(self, desk: Desk, form: Form, *, route: str, console: Console) -> None:
        self._desk, self._form, self._route, self._console = desk, form, route, console

    async def answer(self, request: Request) -> Response:
        """The answer to `request`, or the refusal that says why there is none."""
        begun = time.perf_counter()
        response = await self._response(request)
        self._desk.measures.requests.labels(self._route, str(response.status_code)).inc()
        self._desk.measures.seconds.labels(self._route).observe(time.perf_counter() - begun)
        return response

    async def _response(self, request: Request) -> Response:
        read = False
        try:
            body = await self._desk.bodies.read(request)
            read = True
            document, answered = await self._desk.answer(request, body, self._form)
            return json_response(document, headers={"X-Scorer-Model": f"{answered.model}@{answered.version}"})
        except ClientDisconnect:
            return Response(status_code=_GONE)
        except Exception as error:  # noqa: BLE001  whatever it is, it is answered, and quotes no text
            refused = refusal_of(error)
            if refused.status >= 500:
                self._console.warn(f"{self._route}: {refused.reason}{_where(error)}")
            said = self._form.refusal(refused)
            kind = Response if read else PatientResponse
            return json_response(said, status=refused.status, headers=refused.headers, kind=kind)


def _where(error: BaseException) -> str:
    """The place in the code where `error` was raised; its message may quote a text, so that is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""


def _telling(desk: Desk) -> list[Route]:
    """The routes that tell of the server and its models."""
    models = desk.models

    def ready(_: Request) -> Response:
        return json_response({"ready": not desk.stopping}, status=503 if desk.stopping else 200)

    def model_ready(request: Request) -> Response:
        served = models.find(request.path_params["model"], version=request.path_params.get("version"))
        return json_response({"name": served.name, "ready": not desk.stopping}, status=503 if desk.stopping else 200)

    def metadata(request: Request) -> Response:
        path = request.path_params
        return json_response(model_metadata(models.find(path["model"], version=path.get("version"))))

    told: dict[str, Callable[[Request], Response]] = {
        "/": lambda _: try_page(),
        "/docs": lambda _: docs_page(openapi()),
        "/openapi.json": lambda _: json_response(openapi()),
        "/health": lambda _: json_response({"status": "ok"}),
        "/ready": ready,
        "/info": lambda _: json_response(describe_server(models, desk.config)),
        "/metrics": lambda _: Response(desk.measures.document(), media_type=CONTENT_TYPE),
        "/v2": lambda _: json_response(server_metadata()),
        "/v2/health/live": lambda _: json_response({"live": True}),
        "/v2/health/ready": ready,
        _MODEL: metadata,
        _VERSION: metadata,
        f"{_MODEL}/ready": model_ready,
        f"{_VERSION}/ready": model_ready,
    }
    return [Route(path, _quick(tell), methods=["GET"]) for path, tell in told.items()]


def _quick(tell: Callable[[Request], Response]) -> Callable[[Request], Any]:
    """`tell` for the event loop itself: it has no need of a thread."""

    async def endpoint(request: Request) -> Response:
        try:
            return tell(request)
        except Refused as refused:
            return json_response({"error": refused.reason}, status=refused.status)

    return endpoint


async def _no_such_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_response(
        {"error": error.detail}, status=error.status_code, headers=dict(error.headers or {}), kind=PatientResponse
    )


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    response = json_response(
        {"error": "no token, or a wrong one; send Authorization: Bearer TOKEN"},
        status=401,
        headers={"WWW-Authenticate": "Bearer"},
        kind=PatientResponse,
    )
    await response(scope, receive, send)
