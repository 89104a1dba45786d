"""Which names are near to one that nobody knows."""

from __future__ import annotations

import difflib
import random
import time

from scorer.errors import near

KNOWN = ("text", "texts", "model", "probabilities")


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
