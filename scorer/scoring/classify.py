"""The second stage of scoring: token sequences become logits.

The only stage that uses the device. It looks into the score cache once more, right before it computes. It sees token
ids and keys, never a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.sequences import EncodedInputs
from scorer.scoring.cache import ScoreCache
from scorer.scoring.windows import ClassifiedWindow, EncodedWindow

# What a crash may cost: scores younger than this are computed again.
_COMMIT_SECONDS = 2.0
# A GPU computes a window in less, and waits for its last commit: of these many rows that is a quarter of the default
# window. Smaller portions would cost more than they hide: each has an fsync of its own, and since keys are hashes, each
# writes most pages of a large store anew.
_COMMIT_ROWS = 16_384


class Batches(Protocol):
    """What plans batches and computes them, as `Classifier` does."""

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]: ...

    def forward(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8]]]: ...


class Classify:
    """Score encoded windows with `classifier`. What was computed is kept after so many seconds or rows."""

    def __init__(
        self, classifier: Batches, *, commit_seconds: float = _COMMIT_SECONDS, commit_rows: int = _COMMIT_ROWS
    ) -> None:
        self._classifier = classifier
        self._commit_seconds = commit_seconds
        self._commit_rows = commit_rows

    def __call__(
        self,
        encoded: EncodedWindow,
        cache: ScoreCache | None = None,
        *,
        between_batches: Callable[[], None] = lambda: None,
    ) -> ClassifiedWindow:
        """Score `encoded`, which was encoded with the same `cache`. `between_batches` is called after every batch; it
        may raise to stop the run."""
        scores = encoded.scores.copy()
        todo = np.flatnonzero(~encoded.known)
        computed = self._compute(encoded, scores, todo, cache=cache, between_batches=between_batches)
        return ClassifiedWindow(
            window=encoded.window,
            status=encoded.status,
            scorable=encoded.scorable,
            scores=scores[encoded.inputs],
            computed_tokens=int(encoded.fresh.lengths[computed].sum()),
            reused=len(encoded.scorable) - int(computed.sum()),
        )

    def _compute(
        self,
        encoded: EncodedWindow,
        scores: NDArray[np.void],
        todo: NDArray[np.int64],
        *,
        cache: ScoreCache | None,
        between_batches: Callable[[], None],
    ) -> NDArray[np.bool_]:
        """Fill `scores[todo]`; which of `todo` a forward pass was made for, (len(todo),) bool."""
        keeping = None if cache is None or encoded.keys is None else _Keeping(cache, encoded, scores)
        planned, replayed = np.arange(len(todo)), np.zeros(len(todo), np.bool_)
        if keeping is not None:
            planned, replayed = keeping.look_up_again(todo)
        computed = np.zeros(len(todo), np.bool_)
        plan = [planned[batch] for batch in self._classifier.plan(encoded.fresh.lengths[planned])]
        plan = [rows for rows in plan if not replayed[rows].all()]
        with closing(self._classifier.forward(encoded.fresh, plan)) as batches:
            for rows, (logits, outcomes) in zip(plan, batches, strict=True):
                between_batches()
                scores["logits"][todo[rows]] = logits
                scores["outcome"][todo[rows]] = outcomes
                computed[rows] = True
                if keeping is not None:
                    keeping.add(todo[rows[outcomes == Outcome.SCORED]])
                    keeping.commit_if_due(seconds=self._commit_seconds, rows=self._commit_rows)
        if keeping is not None:
            # What leaves this stage is durable: no row is written that a rerun would have to compute again.
            keeping.finish()
        return computed


class _Keeping:
    """What is computed of one window, on its way into the score cache."""

    def __init__(self, cache: ScoreCache, encoded: EncodedWindow, scores: NDArray[np.void]) -> None:
        assert encoded.keys is not None, "a window that was encoded with a cache has keys; this is a bug"
        self._cache = cache
        self._keys = encoded.keys
        self._window = encoded.window.number
        self._scores = scores
        self._pending: list[NDArray[np.int64]] = []
        self._committed = time.monotonic()

    def look_up_again(self, todo: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which of `todo` to plan batches for, (p,) int64, and which of `todo` this window has computed already.

        Windows are encoded ahead of time, so inputs that an earlier window shares were not known then: they are now.
        """
        keys = [self._keys[place] for place in todo.tolist()]
        found, seen, replayed = self._cache.look_up_now(keys, self._scores.dtype, window=self._window)
        self._scores[todo[seen]] = found[seen]
        return np.flatnonzero(~seen | replayed), replayed

    def add(self, places: NDArray[np.int64]) -> None:
        """The scores at `places` are computed."""
        self._pending.append(places)

    def commit_if_due(self, *, seconds: float, rows: int) -> None:
        """Commit where the last commit is so many `seconds` ago, or so many `rows` wait and no commit is under way;
        what the last one failed with is raised."""
        many = self._cache.kept.is_idle() and sum(map(len, self._pending)) >= rows
        if many or time.monotonic() - self._committed > seconds:
            self._commit()
            self._committed = time.monotonic()

    def finish(self) -> None:
        """Commit the rest and wait until all is durable."""
        self._commit()
        self._cache.kept.finish()

    def _commit(self) -> None:
        if self._pending:
            places = np.concatenate(self._pending)
            keys = [self._keys[place] for place in places.tolist()]
            self._cache.keep(keys, self._scores[places], window=self._window)
        self._pending.clear()
