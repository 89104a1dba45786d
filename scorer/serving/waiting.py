"""What waits for a model: requests that arrived, and their texts as tokens, until a batch takes them.

Bounded in texts and in characters. Which texts make the next batch is decided here. What a batch is computed by is not
known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.config import WINDOW_TEXT_BYTES
from scorer.scoring.answers import Answers
from scorer.scoring.columns import AnswerColumns
from scorer.scoring.windows import EncodedWindow

# Of the texts that wait, so many of the oldest are looked at for a batch.
_LOOK = 1024
# Requests are encoded together up to so many texts and characters, so that batches need not wait long.
_ENCODE_TEXTS = 256
_ENCODE_CHARACTERS = 500_000


class Full(Exception):
    """No room for the texts of a request."""


class Closed(Exception):
    """The model takes no more requests: another one has taken its place."""


@dataclass(eq=False)
class Ticket:
    """The texts of one request, of pairs the second ones too; later their `answers`, or the `error` that there are
    none. With `columns` the answers are also made `rows` of these. `owner` is whoever waits for it."""

    texts: Sequence[str | None]
    seconds: Sequence[str | None] | None = None
    owner: object = None
    columns: AnswerColumns | None = None
    rows: list[dict[str, Any]] | None = None
    answers: Answers | None = None
    error: BaseException | None = None
    left: int = 0
    over: bool = False
    characters: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.texts)
        self.characters = sum(len(text) for text in (*self.texts, *(self.seconds or ())) if text is not None)


@dataclass(frozen=True, eq=False)
class Place:
    """One text that waits for a batch: that of a row of `ticket`, `tokens` long, at `place` of the scorable rows of
    `window`."""

    ticket: Ticket
    row: int
    window: EncodedWindow
    place: int
    tokens: int


Task = tuple[list[Ticket], list[Place]]
"""What to do next: requests to encode, or texts to score."""


class Waiting:
    """Room for `most_texts`, and for `most_characters` in them. `plan` makes batches of lengths, of at most
    `batch_tokens` tokens. So many `workers` compute one each at once: what waits is divided among those that are free
    where it should be `divided`."""

    def __init__(
        self,
        plan: Callable[[NDArray[np.int64]], list[NDArray[np.int64]]],
        *,
        most_texts: int,
        most_characters: int = WINDOW_TEXT_BYTES,
        batch_tokens: int,
        workers: int,
        divided: bool,
    ) -> None:
        self._plan = plan
        self._most_texts, self._most_characters = most_texts, most_characters
        self._batch_tokens = batch_tokens
        self._workers, self._divided = workers, divided
        self._changed = Condition()
        self._arrived: deque[Ticket] = deque()
        self._places: list[Place] = []
        self._encoding = False
        self._scoring = 0
        self._closed = False
        self._texts = self._characters = self._tokens = 0

    @property
    def texts(self) -> int:
        """How many texts have no answer yet."""
        return self._texts

    def add(self, ticket: Ticket) -> None:
        """Let `ticket` wait. Full when there is no room for it, Closed after `close`."""
        with self._changed:
            if self._closed:
                raise Closed
            texts, characters = self._texts + len(ticket.texts), self._characters + ticket.characters
            if self._texts and (texts > self._most_texts or characters > self._most_characters):
                raise Full
            self._texts, self._characters = texts, characters
            self._arrived.append(ticket)
            self._changed.notify()

    def drop(self, ticket: Ticket) -> None:
        """Nobody waits for `ticket` any more."""
        with self._changed:
            self._end(ticket)

    def close(self) -> None:
        """Take no more; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def next(self) -> Task | None:
        """What to do next, once there is something; None when it is closed and nothing is left. Whoever takes it says
        `encoded` or `scored` afterwards."""
        with self._changed:
            while True:
                if self._arrived and not self._encoding:
                    if tickets := self._take_arrived():
                        self._encoding = True
                        return tickets, []
                elif self._places and self._may_score:
                    if places := self._take_places():
                        self._scoring += 1
                        return [], places
                elif self._closed and not (self._arrived or self._places or self._encoding):
                    return None
                else:
                    self._changed.wait()

    def encoded(self, places: Sequence[Place]) -> None:
        """The requests that were taken are encoded, and `places` are those of their texts that can be scored."""
        with self._changed:
            self._encoding = False
            self._places += places
            self._tokens += sum(place.tokens for place in places)
            self._changed.notify_all()

    def scored(self) -> None:
        """A batch that was taken is done with."""
        with self._changed:
            self._scoring -= 1
            self._changed.notify_all()

    def settle(self, ticket: Ticket, *, rows: int = 0, error: BaseException | None = None) -> bool:
        """So many `rows` more of `ticket` are answered, or there are none because of `error`. Whether that was what
        it waited for: true once for each ticket that nobody dropped."""
        with self._changed:
            ticket.left -= rows
            if ticket.over or (ticket.left > 0 and error is None):
                return False
            ticket.error = error
            self._end(ticket)
            return True

    def _end(self, ticket: Ticket) -> None:
        if not ticket.over:
            ticket.over = True
            self._texts -= len(ticket.texts)
            self._characters -= ticket.characters

    @property
    def _may_score(self) -> bool:
        """While every worker has a batch, the next one grows until it is full."""
        return self._scoring < self._workers or self._tokens >= self._batch_tokens

    def _take_arrived(self) -> list[Ticket]:
        taken: list[Ticket] = []
        texts = characters = 0
        while self._arrived and (not taken or (texts < _ENCODE_TEXTS and characters < _ENCODE_CHARACTERS)):
            ticket = self._arrived.popleft()
            if not ticket.over:
                taken.append(ticket)
                texts, characters = texts + len(ticket.texts), characters + ticket.characters
        return taken

    def _take_places(self) -> list[Place]:
        oldest, rest = self._places[:_LOOK], self._places[_LOOK:]
        there = [place for place in oldest if not place.ticket.over]
        rows = self._choose(there) if len(there) > 1 else range(len(there))
        taken = set(rows)
        kept = [place for row, place in enumerate(there) if row not in taken]
        self._tokens -= sum(place.tokens for place in oldest) - sum(place.tokens for place in kept)
        self._places = kept + rest
        return [there[row] for row in rows]

    def _choose(self, places: Sequence[Place]) -> list[int]:
        lengths = np.array([place.tokens for place in places], np.int64)
        free = max(self._workers - self._scoring, 1) if self._divided else 1
        return batch_of_oldest(lengths, self._plan(lengths), share=-(-int(lengths.sum()) // free))


def batch_of_oldest(lengths: NDArray[np.int64], plan: Sequence[NDArray[np.int64]], *, share: int) -> list[int]:
    """The rows of that batch of `plan` in which the oldest is, row 0; of them the oldest whose `lengths` (n,) come to
    no more than `share` tokens, one at least. Nobody is overtaken for ever, and nobody idles beside a large batch."""
    batch = next(rows for rows in plan if (rows == 0).any())
    by_age = np.sort(batch)
    most = int(np.searchsorted(np.cumsum(lengths[by_age]), share, side="right"))
    found: list[int] = by_age[: max(most, 1)].tolist()
    return found
