"""The second stage of scoring: token sequences become logits, logits become columns, in the window's own order.

Owns the use of the device and the second look into the score cache. Does not know texts: it sees token ids and keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.classifier import Classifier
from scorer.classifier.forward.resilient import Outcome
from scorer.runs.score_store import NOWHERE, ScoreStore, origin_of
from scorer.scoring.answers import Answers
from scorer.scoring.drift import Observer
from scorer.scoring.status import Status, count
from scorer.scoring.windows import EncodedWindow, ScoredWindow

# What a crash may cost: scores younger than this are computed again.
_COMMIT_SECONDS = 2.0


class Classify:
    """Score encoded windows with `classifier`, keeping what was computed in `store` when there is one.

    `between_batches` is called after every batch; it may raise to stop the run. `run` is this run's number.
    `observe` counts what rows look like; without it no unknown tokens are counted.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        answers: Answers,
        store: ScoreStore | None,
        run: int,
        between_batches: Callable[[], None] = lambda: None,
        observe: Observer | None = None,
    ) -> None:
        self._classifier = classifier
        self.answers = answers
        self._store = store
        self._run = run
        self._between_batches = between_batches
        self._observe = observe

    def __call__(self, encoded: EncodedWindow) -> ScoredWindow:
        records = encoded.records.copy()
        todo = np.flatnonzero(~encoded.known)
        lengths = encoded.fresh.lengths
        records["tokens"][todo] = lengths
        records["truncated"][todo] = encoded.fresh.truncated
        if self._observe is not None:
            records["unknown"][todo] = self._observe.unknown(encoded.fresh)
        computed = self._compute(encoded, records, todo)
        rows = records[encoded.inputs]
        probability = self.answers.decision.probabilities(rows["logits"])
        status = encoded.status.copy()
        status[encoded.scorable] = self.answers.judge(_status(rows), probability)
        return ScoredWindow(
            number=encoded.window.number,
            table=self.answers.append(
                encoded.window.table,
                status=status,
                scorable=encoded.scorable,
                probability=probability,
                tokens=rows["tokens"],
            ),
            status_counts=count(status),
            tokens=int(rows["tokens"].sum()),
            computed_tokens=int(lengths[computed].sum()),
            reused=len(encoded.scorable) - int(computed.sum()),
            seen=self._observe(rows, probability) if self._observe else None,
        )

    def _compute(self, encoded: EncodedWindow, records: NDArray[np.void], todo: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Fill `records[todo]`; which of `todo` a forward pass was made for, (len(todo),) bool."""
        keys = encoded.keys
        origin = origin_of(self._run, encoded.window.number)
        planned, replayed = self._look_up_again(encoded, records, todo, origin)
        computed = np.zeros(len(todo), np.bool_)
        pending: list[NDArray[np.int64]] = []
        committed = time.monotonic()
        plan = [planned[batch] for batch in self._classifier.plan(encoded.fresh.lengths[planned])]
        plan = [rows for rows in plan if not replayed[rows].all()]
        with closing(self._classifier.forward(encoded.fresh, plan)) as batches:
            for rows, (logits, outcomes) in zip(plan, batches, strict=True):
                self._between_batches()
                records["logits"][todo[rows]] = logits
                records["outcome"][todo[rows]] = outcomes
                computed[rows] = True
                pending.append(todo[rows[outcomes == Outcome.SCORED]])
                if time.monotonic() - committed > _COMMIT_SECONDS:
                    self._commit(keys, records, pending, origin)
                    committed = time.monotonic()
        self._commit(keys, records, pending, origin)
        return computed

    def _look_up_again(
        self, encoded: EncodedWindow, records: NDArray[np.void], todo: NDArray[np.int64], origin: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which of `todo` to plan batches for, (p,) int64, and which of `todo` this window has computed already.

        Windows are encoded ahead of time, so inputs that an earlier window shares were not known then: they are now.
        """
        replayed = np.zeros(len(todo), np.bool_)
        if self._store is None or encoded.keys is None:
            return np.arange(len(todo)), replayed
        found = self._store.look_up([encoded.keys[place] for place in todo.tolist()])
        seen = found.origins != NOWHERE
        records[todo[seen]] = found.records.view(records.dtype).reshape(len(todo))[seen]
        replayed = found.origins == origin
        return np.flatnonzero(~seen | replayed), replayed

    def _commit(
        self, keys: list[bytes] | None, records: NDArray[np.void], pending: list[NDArray[np.int64]], origin: int
    ) -> None:
        if self._store is not None and keys is not None and pending:
            places = np.concatenate(pending)
            values = np.ascontiguousarray(records[places]).view(np.uint8).reshape(len(places), records.itemsize)
            self._store.add([keys[place] for place in places.tolist()], values, origin)
        pending.clear()


def _status(records: NDArray[np.void]) -> NDArray[np.int8]:
    """The status of rows that have a text, by their `records` (s,)."""
    scored = np.where(records["truncated"], Status.TRUNCATED, Status.OK)
    failed = np.where(records["outcome"] == Outcome.NONFINITE, Status.NONFINITE, Status.OOM)
    return np.where(records["outcome"] == Outcome.SCORED, scored, failed).astype(np.int8)
