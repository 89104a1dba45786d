"""Texts of many requests through one Scorer: what waits is made into batches, and each request gets its own answers.

Owns the threads that do it. Knows no HTTP and no event loop: whoever made the batcher is told which tickets are done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from threading import Thread

import numpy as np
import pyarrow as pa

from scorer.scoring.answers import Answers
from scorer.scoring.scorer import Scorer
from scorer.scoring.windows import EncodedWindow, Window, regrouped
from scorer.serving.waiting import Place, Ticket, Waiting

Deliver = Callable[[list[Ticket]], None]
# What is beside the batches that are computed: one is encoded or answered meanwhile.
_BESIDE = 1


class Batcher:
    """`scorer`, which answers at most `most_texts` at a time; `deliver` is called by its threads with the tickets that
    are done, each of them once."""

    def __init__(self, scorer: Scorer, *, most_texts: int, deliver: Deliver) -> None:
        self._scorer = scorer
        self._deliver = deliver
        engine = scorer.engine
        self._waiting = Waiting(
            scorer.plan,
            most_texts=most_texts,
            batch_tokens=engine.batch_tokens,
            workers=engine.workers,
            # A GPU computes all of a batch at once; on a CPU each worker has one core.
            divided=not engine.device.startswith("cuda"),
        )
        self._threads = [Thread(target=self._work, name=f"scorer-serve-{n}") for n in range(engine.workers + _BESIDE)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many texts have no answer yet."""
        return self._waiting.texts

    def submit(self, ticket: Ticket) -> None:
        """Answer `ticket` as soon as can be. Full when there is no room for it, Closed after `close`."""
        labels = self._scorer.labels
        ticket.answers = Answers.blank(len(ticket.texts), labels=len(labels), numbers=labels.is_number)
        self._waiting.add(ticket)

    def drop(self, ticket: Ticket) -> None:
        """Nobody waits for `ticket` any more; it will not be delivered."""
        self._waiting.drop(ticket)

    def close(self) -> None:
        """Answer what waits, take nothing more, and end the threads."""
        self._waiting.close()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (task := self._waiting.next()) is not None:
            tickets, places = task
            if tickets:
                self._encode_all(tickets)
            else:
                self._score_all(places)

    def _encode_all(self, tickets: list[Ticket]) -> None:
        found: list[Place] = []
        single = [ticket for ticket in tickets if ticket.seconds is None]
        pairs = [ticket for ticket in tickets if ticket.seconds is not None]
        for group in (single, pairs):
            if group:
                self._attempt(group, lambda some: found.extend(self._encode(some)))
        self._waiting.encoded(found)

    def _score_all(self, places: list[Place]) -> None:
        by_ticket: dict[Ticket, list[Place]] = {}
        for place in places:
            by_ticket.setdefault(place.ticket, []).append(place)
        self._attempt(list(by_ticket), lambda some: self._score({ticket: by_ticket[ticket] for ticket in some}))
        self._waiting.scored()

    def _attempt(self, tickets: list[Ticket], step: Callable[[list[Ticket]], None]) -> None:
        """One `step` for `tickets`. What fails for several is tried for each by itself; one alone has failed."""
        try:
            step(tickets)
        except BaseException as error:  # noqa: BLE001  whoever sent it is told; a panic in a library of Rust is no Exception
            if len(tickets) > 1:
                for ticket in tickets:
                    self._attempt([ticket], step)
            elif self._waiting.settle(tickets[0], error=error):
                self._deliver(tickets)

    def _encode(self, tickets: list[Ticket]) -> list[Place]:
        """The places of all texts of `tickets` that can be scored; what cannot is answered."""
        window = self._scorer.encode(_window(tickets))
        lengths = window.fresh.lengths
        places, done, start = [], [], 0
        for ticket in tickets:
            stop = start + len(ticket.texts)
            first, last = np.searchsorted(window.scorable, (start, stop)).tolist()
            assert ticket.answers is not None, "a ticket that was not submitted; this is a bug"
            ticket.answers.status[:] = window.status[start:stop]
            for place in range(first, last):
                row = int(window.scorable[place]) - start
                places.append(Place(ticket, row, window, place, int(lengths[place])))
            if self._waiting.settle(ticket, rows=len(ticket.texts) - (last - first)):
                done.append(ticket)
            start = stop
        self._tell(done)
        return places

    def _score(self, places: Mapping[Ticket, list[Place]]) -> None:
        window = _together([place for found in places.values() for place in found])
        answers = self._scorer.answer(self._scorer.classify(window)).answers
        done, start = [], 0
        for ticket, found in places.items():
            assert ticket.answers is not None, "a ticket that was not submitted; this is a bug"
            own = answers.take(np.arange(start, start + len(found)))
            ticket.answers.put(np.array([place.row for place in found]), own)
            if self._waiting.settle(ticket, rows=len(found)):
                done.append(ticket)
            start += len(found)
        self._tell(done)

    def _tell(self, tickets: list[Ticket]) -> None:
        if not tickets:
            return
        try:
            _write_rows([ticket for ticket in tickets if ticket.columns is not None])
        except BaseException as error:  # noqa: BLE001  they are settled already: each must hear of it
            for ticket in tickets:
                ticket.error = error
        self._deliver(tickets)


def _write_rows(tickets: Sequence[Ticket]) -> None:
    """Make rows of the answers to `tickets`: for all that want the same columns at once, which costs as much as for
    one."""
    by_columns: dict[int, list[Ticket]] = {}
    for ticket in tickets:
        by_columns.setdefault(id(ticket.columns), []).append(ticket)
    for group in by_columns.values():
        columns, answers = group[0].columns, [ticket.answers for ticket in group if ticket.answers is not None]
        assert columns is not None, "rows without columns; this is a bug"
        rows = iter(columns.rows(answers[0] if len(answers) == 1 else Answers.concatenate(answers)))
        for ticket in group:
            ticket.rows = list(islice(rows, len(ticket.texts)))


def _window(tickets: Sequence[Ticket]) -> Window:
    """The texts of all `tickets`, which are all pairs or all single texts, as rows."""
    columns = {"first": [text for ticket in tickets for text in ticket.texts]}
    if tickets[0].seconds is not None:
        columns["second"] = [text for ticket in tickets for text in ticket.seconds or ()]
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return Window(0, table, tuple(columns))


def _together(places: Sequence[Place]) -> EncodedWindow:
    """The texts at `places` as one window, row for row."""
    pieces: list[tuple[EncodedWindow, list[int]]] = []
    for place in places:
        if not pieces or pieces[-1][0] is not place.window:
            pieces.append((place.window, []))
        pieces[-1][1].append(place.place)
    return regrouped([(window, np.array(found)) for window, found in pieces])
