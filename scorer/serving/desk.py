"""From a request to its answer: read it, let its model answer, count it, write it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request

from scorer.config import ServeConfig
from scorer.scoring.answers import count_statuses
from scorer.scoring.columns import AnswerColumns
from scorer.serving.asked import Asked, TextLimits, check_pairs, read_document, read_name
from scorer.serving.forms.form import Answered, Form
from scorer.serving.guard import Bodies
from scorer.serving.measures import Measures
from scorer.serving.model_list import ModelList
from scorer.serving.refusals import wrong
from scorer.serving.served_model import LoadedModel, ServedModel
from scorer.serving.waiting import Ticket


def deliver(tickets: list[Ticket]) -> None:
    """Tell those who wait for `tickets`, each in the event loop that is its own. For any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for ticket in tickets:
        assert isinstance(ticket.owner, asyncio.Future), "a ticket that nobody waits for; this is a bug"
        by_loop.setdefault(ticket.owner.get_loop(), []).append(ticket.owner)
    for loop, owners in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, owners)


def _settle(owners: list[asyncio.Future[None]]) -> None:
    for owner in owners:
        if not owner.done():
            owner.set_result(None)


class Desk:
    """Answers requests from `models`."""

    def __init__(self, models: ModelList, config: ServeConfig, *, measures: Measures) -> None:
        self.models = models
        self.measures = measures
        self.config = config
        self.stopping = False
        self.unanswered = 0
        self.bodies = Bodies(most=config.max_body, seconds=config.body_seconds)
        self._limits = TextLimits(texts=config.max_texts, characters=config.max_characters)

    async def answer(self, request: Request, body: bytes, form: Form) -> tuple[dict[str, Any], Answered]:
        """The document that answers `request`, whose `body` is in this `form`, and what is in it. Refused when there is
        none, ClientDisconnect when nobody waits for it any more."""
        document = read_document(body)
        path = request.path_params
        named, said = path.get("model"), read_name(document)
        if named is not None and said not in (None, named):
            raise wrong("model: another one than in the path")
        served = self.models.find(named or said, version=path.get("version"))
        asked = form.read(document, self._limits)
        answered = await self._answered(request, served, asked, rows=form.from_rows)
        return form.write(document, answered), answered

    async def _answered(self, request: Request, served: ServedModel, asked: Asked, *, rows: bool) -> Answered:
        future = asyncio.get_running_loop().create_future()

        def prepare(loaded: LoadedModel) -> Ticket:
            check_pairs(asked, reads_pairs=loaded.reads_pairs)
            return Ticket(asked.texts, asked.seconds, owner=future, columns=_columns(loaded, asked) if rows else None)

        loaded, ticket = served.submit(prepare)
        await self._wait(request, ticket, loaded)
        if ticket.error is not None:
            raise ticket.error
        answers = ticket.answers
        assert answers is not None, "a ticket without answers and without an error; this is a bug"
        self.measures.count_answers(served.name, count_statuses(answers.status), tokens=int(answers.tokens.sum()))
        return Answered(asked, answers, ticket.rows, loaded.scorer.labels, served.name, loaded.version)

    async def _wait(self, request: Request, ticket: Ticket, loaded: LoadedModel) -> None:
        """Until `ticket` is done, or its client has gone."""
        assert isinstance(ticket.owner, asyncio.Future)
        gone = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait((ticket.owner, gone), return_when=asyncio.FIRST_COMPLETED)
            if not ticket.owner.done():
                raise ClientDisconnect
        except asyncio.CancelledError:
            self.unanswered += 1
            raise
        finally:
            gone.cancel()
            if not ticket.owner.done():
                loaded.batcher.drop(ticket)


def _columns(loaded: LoadedModel, asked: Asked) -> AnswerColumns:
    if not asked.columns:
        return loaded.columns
    return AnswerColumns.of(asked.config(loaded.config), labels=loaded.scorer.labels)
