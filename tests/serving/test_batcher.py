"""Texts of many requests through one Scorer: each request gets its own answers, whoever else is there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from scorer.scoring.answers import Answers, Status
from scorer.serving.batcher import Batcher
from scorer.serving.waiting import Closed, Full, Ticket, batch_of_oldest
from scorer.testing.fake_scorer import FakeScorer
from tests.models import sentences

PATIENCE = 30


class Counter:
    """What is told of tickets: each once, by any thread."""

    def __init__(self) -> None:
        self.told: list[Ticket] = []
        self._changed = threading.Condition()

    def __call__(self, tickets: list[Ticket]) -> None:
        with self._changed:
            self.told += tickets
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, PATIENCE), len(self.told)


@contextmanager
def batching(scorer: FakeScorer, *, most_texts: int = 10_000) -> Iterator[tuple[Batcher, Counter]]:
    counter = Counter()
    batcher = Batcher(scorer, most_texts=most_texts, deliver=counter)
    try:
        yield batcher, counter
    finally:
        batcher.close()


def alone(scorer: FakeScorer, ticket: Ticket) -> Answers:
    """The answers to the texts of `ticket`, one after the other, with nobody beside them."""
    with batching(scorer) as (batcher, counter):
        single = []
        for row, text in enumerate(ticket.texts):
            single.append(Ticket([text], [ticket.seconds[row]] if ticket.seconds else None))
            batcher.submit(single[-1])
            counter.wait_for(row + 1)
    blank = Answers.blank(len(single), labels=len(scorer.labels), numbers=scorer.labels.is_number)
    for row, one in enumerate(single):
        blank.put(np.array([row]), one.answers)
    return blank


def assert_equal(found: Answers | None, expected: Answers) -> None:
    assert found is not None
    scored = expected.scored
    assert np.array_equal(found.status, expected.status)
    assert np.array_equal(found.chosen[scored], expected.chosen[scored])
    assert np.array_equal(found.probability[scored], expected.probability[scored])
    assert np.array_equal(found.tokens[scored], expected.tokens[scored])
    if expected.number is not None:
        assert np.array_equal(found.number[scored], expected.number[scored])


@pytest.mark.parametrize("kind", [{}, {"labels": ("a", "b"), "multi": True}, {"activation": "identity"}])
def test_each_request_gets_its_own_answers(kind):
    scorer = FakeScorer(**kind)
    draw = random.Random(5)
    texts = [*sentences(40), None, "", "nonfinite", "oom", "long " * 40]
    tickets = []
    for number in range(60):
        some = [draw.choice(texts) for _ in range(draw.choice((0, 1, 1, 1, 7, 40)))]
        tickets.append(Ticket(some, [draw.choice(texts) for _ in some] if number % 3 == 0 else None))
    with batching(scorer) as (batcher, counter):
        senders = [
            threading.Thread(target=lambda part: [batcher.submit(ticket) for ticket in part], args=(tickets[start::4],))
            for start in range(4)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        counter.wait_for(len(tickets))
    assert sorted(map(id, counter.told)) == sorted(map(id, tickets))
    for ticket in tickets:
        assert ticket.error is None
        assert_equal(ticket.answers, alone(scorer, ticket))
    assert batcher.waiting == 0


class Bad(FakeScorer):
    """Fails with every batch in which the word `poison` stands."""

    def __init__(self, *, step: str) -> None:
        super().__init__()
        self._step = step
        self._poison = set(self.model.encode(["poison"]).sequences.ids.tolist()[1:-1])

    def encode(self, window, cache=None):
        if self._step == "encode" and any("poison" in (text or "") for text in window.table["first"].to_pylist()):
            raise ValueError("the text cannot be read")
        return super().encode(window, cache)

    def classify(self, encoded, cache=None, **options):
        if self._step == "classify" and self._poison & set(encoded.fresh.sequences.ids.tolist()):
            raise MemoryError
        return super().classify(encoded, cache, **options)


@pytest.mark.parametrize(("step", "error"), [("encode", ValueError), ("classify", MemoryError)])
def test_a_text_that_cannot_be_computed_harms_nobody_else(step, error):
    scorer, tickets = Bad(step=step), [Ticket([text]) for text in [*sentences(30), "a poison one", "fine"]]
    with batching(scorer) as (batcher, counter):
        for ticket in tickets:
            batcher.submit(ticket)
        counter.wait_for(len(tickets))
    failed = [ticket for ticket in tickets if ticket.error is not None]
    assert [ticket.texts for ticket in failed] == [["a poison one"]]
    assert isinstance(failed[0].error, error)
    for ticket in tickets:
        if ticket.error is None:
            assert_equal(ticket.answers, alone(FakeScorer(), ticket))


class Slow(FakeScorer):
    """Computes only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.rows = 0

    def classify(self, encoded, cache=None, **options):
        self.may.wait(PATIENCE)
        self.rows += len(encoded.scorable)
        return super().classify(encoded, cache, **options)


def test_there_is_room_for_so_many_texts_and_no_more():
    scorer = Slow()
    with batching(scorer, most_texts=10) as (batcher, counter):
        batcher.submit(Ticket(["a"] * 6))
        with pytest.raises(Full):
            batcher.submit(Ticket(["b"] * 5))
        batcher.submit(Ticket(["c"] * 4))
        with pytest.raises(Full):
            batcher.submit(Ticket(["d"]))
        scorer.may.set()
        counter.wait_for(2)
        batcher.submit(Ticket(["e"] * 10))
        counter.wait_for(3)


def test_characters_that_wait_are_bounded_too():
    scorer = Slow()
    with batching(scorer) as (batcher, _):
        batcher.submit(Ticket(["x" * (40 << 20)]))
        with pytest.raises(Full):
            batcher.submit(Ticket(["x" * (30 << 20)]))
        scorer.may.set()


def test_what_nobody_waits_for_is_not_computed():
    scorer = Slow()
    with batching(scorer, most_texts=200) as (batcher, counter):
        first = Ticket(["first"])
        batcher.submit(first)
        time.sleep(0.1)
        gone = Ticket(["gone"] * 199)
        batcher.submit(gone)
        batcher.drop(gone)
        batcher.submit(Ticket(["last"] * 150))
        scorer.may.set()
        counter.wait_for(2)
    assert gone not in counter.told
    assert scorer.rows <= 151 + 1


def test_close_answers_what_waits_and_takes_no_more():
    with batching(FakeScorer()) as (batcher, counter):
        tickets = [Ticket([text]) for text in sentences(200)]
        for ticket in tickets:
            batcher.submit(ticket)
    assert len(counter.told) == len(tickets)
    with pytest.raises(Closed):
        batcher.submit(Ticket(["late"]))


def test_the_oldest_text_is_in_the_batch_with_the_oldest_of_like_length():
    lengths = np.array([10, 90, 12, 11, 88, 10])
    plan = [np.array([1, 4]), np.array([2, 3, 0, 5])]
    assert batch_of_oldest(lengths, plan, share=1000) == [0, 2, 3, 5]
    assert batch_of_oldest(lengths, plan, share=33) == [0, 2, 3]
    assert batch_of_oldest(lengths, plan, share=1) == [0]


def test_answers_begin_without_a_text():
    assert set(Answers.blank(3, labels=2, numbers=False).status.tolist()) == {Status.NULL}
