"""What belongs to a whole process."""

from __future__ import annotations

import os

import pytest

from scorer.runs.runtime import wait_passively


@pytest.mark.parametrize(("chosen", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_passively_unless_somebody_chose_otherwise(monkeypatch, chosen, expected):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if chosen is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == expected
