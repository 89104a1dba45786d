"""Texts that are tokenized in other processes have the ids that they have here, whatever becomes of the processes."""

from __future__ import annotations

import io
import pickle
import random
import threading

import numpy as np
import pytest
from tokenizers import Tokenizer

from scorer.classifier import token_processes
from scorer.classifier.long_text import LongText
from scorer.classifier.token_processes import ProcessEncoder, process_count, serve
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.tokenizer_copies import described
from scorer.errors import ModelError
from tests.models import sentences


def tokenizer(directory) -> Tokenizer:
    return Tokenizer.from_file(str(directory / "tokenizer.json"))


@pytest.fixture
def made(tiny_model, monkeypatch):
    """`made(**options)`: an encoder in this process, and the same in two others."""
    monkeypatch.setattr(token_processes, "_TEXTS_AT_ONCE", 30)
    encoders = []

    def make(**options):
        options = {"max_length": 24, **options}
        alone = TextEncoder(tokenizer(tiny_model("bert")), **options)
        encoders.append(ProcessEncoder(alone, count=2, options=options))
        return alone, encoders[-1]

    yield make
    for encoder in encoders:
        encoder.close()


def assert_same(found, expected) -> None:
    np.testing.assert_array_equal(found.starts, expected.starts)
    for name in ("ids", "offsets", "first", "truncated"):
        np.testing.assert_array_equal(getattr(found.sequences, name), getattr(expected.sequences, name))


TEXTS = ["", "a", "天地 café \U0010fffd", *sentences(150, seed=4, shortest=1, longest=60)]


def test_texts_and_pairs_have_the_same_ids(made):
    alone, divided = made()
    assert_same(divided(TEXTS), alone(TEXTS))
    others = random.Random(0).sample(TEXTS, len(TEXTS))
    assert_same(divided(TEXTS, others), alone(TEXTS, others))
    assert_same(divided(TEXTS[:5]), alone(TEXTS[:5]))
    assert_same(divided([]), alone([]))


def test_long_texts_in_windows_have_the_same_ids(made):
    alone, divided = made(long_text=LongText("window", 4, "mean"), max_length=12)
    found = divided(TEXTS)
    assert not found.one_each
    assert_same(found, alone(TEXTS))
    assert divided.long_text == alone.long_text


def test_an_error_is_raised_here_and_the_next_texts_are_encoded(made):
    alone, divided = made(why_no_pairs="scores single texts only")
    with pytest.raises(ModelError, match="single texts only"):
        divided(TEXTS, TEXTS)
    assert_same(divided(TEXTS), alone(TEXTS))


class Interrupted(list):
    """Texts of which the third part is not handed over, as where Ctrl-C comes between."""

    def __init__(self, texts, error) -> None:
        super().__init__(texts)
        self.error = error
        self.taken = 0

    def __getitem__(self, rows):
        self.taken += 1
        if self.taken == 3:
            raise self.error
        return super().__getitem__(rows)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), ValueError("broken")], ids=repr)
def test_answers_of_a_call_that_was_broken_off_are_not_those_of_the_next(made, error):
    alone, divided = made()
    with pytest.raises(type(error)) as raised:
        divided(Interrupted(TEXTS[::-1], error))
    assert raised.value is error
    assert_same(divided(TEXTS), alone(TEXTS))


def test_an_error_of_a_call_does_not_end_the_processes(made):
    _, divided = made(why_no_pairs="scores single texts only")
    with pytest.raises(ModelError):
        divided(TEXTS, TEXTS)
    assert len(divided._children) == 2


def test_a_process_that_was_killed_is_done_without(made):
    alone, divided = made()
    divided._children[0].kill()
    assert_same(divided(TEXTS), alone(TEXTS))
    assert not divided._children
    assert_same(divided(TEXTS), alone(TEXTS))


def test_several_threads_may_ask_at_once(made):
    alone, divided = made()
    expected, found = alone(TEXTS), []
    threads = [threading.Thread(target=lambda: found.append(divided(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for inputs in found:
        assert_same(inputs, expected)


def test_no_process_is_left_behind(made):
    _, divided = made()
    children = list(divided._children)
    # What they read ends when this process ends, in whatever way.
    children[0].stdin.close()
    assert children[0].wait(timeout=60) == 0
    divided.close()
    assert all(child.poll() is not None for child in children)


def test_a_process_reads_texts_until_there_are_no_more(tiny_model):
    model = tokenizer(tiny_model("bert"))
    source = io.BytesIO(pickle.dumps((described(model), {"max_length": 9})) + pickle.dumps((["good room"], None)))
    target = io.BytesIO()
    serve(source, target)
    target.seek(0)
    assert_same(pickle.load(target), TextEncoder(model, max_length=9)(["good room"]))


@pytest.mark.parametrize(
    ("cores", "gpus", "expected"),
    [(2, 1, 0), (6.5, 1, 0), (7, 1, 4), (16, 1, 13), (16, 2, 5), (16, 8, 0), (float("inf"), 1, 1021)],
)
def test_how_many_processes(cores, gpus, expected):
    assert process_count(cores, gpus=gpus) == expected
