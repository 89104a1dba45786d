"""The second stage of scoring: token sequences become logits.

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
from scorer.runs.background_store import BackgroundStore
from scorer.runs.score_store import NOWHERE, origin_of
from scorer.scoring.windows import ClassifiedWindow, EncodedWindow

# What a crash may cost: scores younger than this are computed again.
_COMMIT_SECONDS = 2.0
# A GPU computes a window in less, and waits for its last commit: of these many rows that is a quarter of the default
# window. Smaller portions would cost more than they hide: each has an fsync of its own, and since keys are hashes, each
# writes most pages of a large store anew.
_COMMIT_ROWS = 16_384


class Classify:
    """Score encoded windows with `classifier`, keeping what was computed in `store` when there is one.

    `between_batches` is called after every batch; it may raise to stop the run. `run` is this run's number.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        store: BackgroundStore | None,
        run: int,
        between_batches: Callable[[], None] = lambda: None,
    ) -> None:
        self._classifier = classifier
        self._store = store
        self._run = run
        self._between_batches = between_batches

    def __call__(self, encoded: EncodedWindow) -> ClassifiedWindow:
        records = encoded.records.copy()
        todo = np.flatnonzero(~encoded.known)
        computed = self._compute(encoded, records, todo)
        return ClassifiedWindow(
            window=encoded.window,
            status=encoded.status,
            scorable=encoded.scorable,
            records=records[encoded.inputs],
            computed_tokens=int(encoded.fresh.lengths[computed].sum()),
            reused=len(encoded.scorable) - int(computed.sum()),
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
                if self._is_due(pending, committed):
                    self._commit(keys, records, pending, origin)
                    committed = time.monotonic()
        self._commit(keys, records, pending, origin)
        if self._store is not None:
            # What leaves this stage is durable: no row is written that a rerun would have to compute again.
            self._store.finish()
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

    def _is_due(self, pending: list[NDArray[np.int64]], committed: float) -> bool:
        """Whether to commit the `pending` now, after a commit at the time `committed`; raises what that failed with."""
        if self._store is None:
            return False
        many = self._store.is_idle() and sum(map(len, pending)) >= _COMMIT_ROWS
        return many or time.monotonic() - committed > _COMMIT_SECONDS

    def _commit(
        self, keys: list[bytes] | None, records: NDArray[np.void], pending: list[NDArray[np.int64]], origin: int
    ) -> None:
        if self._store is not None and keys is not None and pending:
            places = np.concatenate(pending)
            values = np.ascontiguousarray(records[places]).view(np.uint8).reshape(len(places), records.itemsize)
            self._store.add([keys[place] for place in places.tolist()], values, origin)
        pending.clear()
