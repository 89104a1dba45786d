"""Generated files, each checked against a slow reader, counted by what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Case = TypeVar("Case")


def count_kinds(cases: st.SearchStrategy[Case], check: Callable[[Case], str], examples: int) -> Counter[str]:
    """How many of `examples` drawn `cases` are of each kind that `check` says; what it raises is raised here."""
    kinds: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def every(case: Case) -> None:
        kinds[check(case)] += 1

    every()
    return kinds
