"""The third stage of scoring: logits become the columns beside a window's own, in its own order.

A stage apart from `classify`, so that the device goes on with the next window meanwhile. Owns which status a row gets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward.resilient import Outcome
from scorer.scoring.answers import Answers
from scorer.scoring.drift import Observer
from scorer.scoring.status import Status, count
from scorer.scoring.windows import ClassifiedWindow, ScoredWindow


class Append:
    """Append `answers` to classified windows; `observe` counts what rows look like."""

    def __init__(self, answers: Answers, *, observe: Observer | None = None) -> None:
        self.answers = answers
        self._observe = observe

    def __call__(self, classified: ClassifiedWindow) -> ScoredWindow:
        records = classified.records
        probability = self.answers.decision.probabilities(records["logits"])
        status = classified.status.copy()
        status[classified.scorable] = self.answers.judge(_status(records), probability)
        return ScoredWindow(
            number=classified.window.number,
            table=self.answers.append(
                classified.window.table,
                status=status,
                scorable=classified.scorable,
                probability=probability,
                tokens=records["tokens"],
            ),
            status_counts=count(status),
            tokens=int(records["tokens"].sum()),
            computed_tokens=classified.computed_tokens,
            reused=classified.reused,
            seen=self._observe(records, probability) if self._observe else None,
        )


def _status(records: NDArray[np.void]) -> NDArray[np.int8]:
    """The status of rows that have a text, by their `records` (s,)."""
    scored = np.where(records["truncated"], Status.TRUNCATED, Status.OK)
    failed = np.where(records["outcome"] == Outcome.NONFINITE, Status.NONFINITE, Status.OOM)
    return np.where(records["outcome"] == Outcome.SCORED, scored, failed).astype(np.int8)
