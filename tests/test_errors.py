"""Errors: as they travel from a worker to its driver, and which names are near to one that nobody knows."""

from __future__ import annotations

import difflib
import pickle
import random
import time
from pathlib import Path

import pytest

from scorer.engines.leases import answer_of
from scorer.errors import DataError, Interrupted, ScorerError, StepFailed, StorageError, near
from scorer.tables.encodings import MalformedText
from scorer.tables.formats.csv import _Mistyped

KNOWN = ("text", "texts", "model", "probabilities")
ERRORS = [
    DataError("a.csv: wrong"),
    Interrupted(15, "stopped"),
    StepFailed(3, "a step"),
    MalformedText("b.csv: wrong", path=Path("b.csv"), fault="quotes"),
    _Mistyped("c.csv: wrong", place=3),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_through_a_pipe_as_it_is(error):
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert (str(found), found.exit_code, vars(found)) == (str(error), error.exit_code, vars(error))


def test_what_is_none_of_ours_is_told_by_its_kind():
    full = answer_of(OSError(28, "No space left on device", "out"))
    assert isinstance(full, StorageError)
    assert "out: No space left" in str(full)
    assert isinstance(answer_of(MemoryError("no room")), MemoryError)
    other = answer_of(ZeroDivisionError("x"))
    assert not isinstance(other, ScorerError)
    assert "ZeroDivisionError: x" in str(other)


def test_what_is_near_is_what_difflib_finds_whatever_the_case():
    draw = random.Random(1)
    for _ in range(300):
        name = "".join(draw.choices("textmodlLprbSi", k=draw.randint(0, 50)))
        assert near(name, KNOWN, most=3) == difflib.get_close_matches(name.casefold(), KNOWN, n=3)
    assert near("TXT", KNOWN) == ["text"]


def test_a_name_of_megabytes_is_near_to_none_at_once():
    """A request may have one."""
    begun = time.process_time()
    assert near("text" * 2_000_000, KNOWN) == []
    assert time.process_time() - begun < 0.3
