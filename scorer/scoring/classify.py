"""The second stage of scoring: token sequences become logits.

The only stage that uses the device, so it waits for no disk: what is computed becomes durable meanwhile, and is
remembered until then. It sees token ids and keys, never a text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.sequences import EncodedInputs
from scorer.classifier.stages import WHOLE_MODEL
from scorer.scoring.cache import ScoreCache
from scorer.scoring.windows import ClassifiedWindow, Decided, EncodedWindow

if TYPE_CHECKING:
    from scorer.scoring.flips.early_rows import EarlyRows

AfterBatch = Callable[[float], None]
"""What is called after a batch, with its share of a window's inputs that are to be computed."""

# What a crash may cost: scores younger than this are computed again.
_COMMIT_SECONDS = 2.0


class Batches(Protocol):
    """What plans batches and computes them, as `Classifier` does."""

    def plan(self, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]: ...

    def forward(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8]]]: ...


class Classify:
    """Score encoded windows with `classifier`. What was computed is kept after so many seconds."""

    def __init__(self, classifier: Batches, *, commit_seconds: float = _COMMIT_SECONDS) -> None:
        self._classifier = classifier
        self._commit_seconds = commit_seconds

    def __call__(
        self,
        encoded: EncodedWindow,
        cache: ScoreCache | None = None,
        *,
        after_batch: AfterBatch = lambda _share: None,
        early: EarlyRows | None = None,
    ) -> ClassifiedWindow:
        """Score `encoded`, which was encoded with the same `cache`. `after_batch` is called with each batch's share of
        the window; it may raise to stop the run. Rows may leave the model as `early` lets them: their scores are not
        kept, for they are not those of the whole model."""
        scores = encoded.scores.copy()
        stages = np.full(len(scores), WHOLE_MODEL, np.int8)
        todo = np.flatnonzero(~encoded.known)
        keeping = None if cache is None or encoded.keys is None else _Keeping(cache, encoded, scores)
        may_leave = early is not None and early.exits is not None
        computed = self._compute(encoded, scores, stages, todo, keeping=keeping, after_batch=after_batch, early=early)
        decided = stages[encoded.inputs]
        if early is not None:
            early.hear_audit()
        return ClassifiedWindow(
            window=encoded.window,
            status=encoded.status,
            scorable=encoded.scorable,
            scores=scores[encoded.inputs],
            computed_tokens=int(encoded.fresh.lengths[computed].sum()),
            reused=len(encoded.scorable) - int(computed.sum()),
            stages=decided if may_leave else None,
            kept=keeping.finish() if keeping is not None else None,
        )

    def _compute(
        self,
        encoded: EncodedWindow,
        scores: NDArray[np.void],
        stages: NDArray[np.int8],
        todo: NDArray[np.int64],
        *,
        keeping: _Keeping | None,
        after_batch: AfterBatch,
        early: EarlyRows | None,
    ) -> NDArray[np.bool_]:
        """Fill `scores[todo]` and `stages[todo]`; which of `todo` a forward pass was made for, (len(todo),) bool."""
        replayed = encoded.replayed[todo]
        computed = np.zeros(len(todo), np.bool_)
        left = np.ones(len(todo), np.bool_)
        if keeping is not None:
            left[~replayed] = ~keeping.recall(todo[~replayed])
        if early is not None:
            # What an earlier window has scored stands, be it durable or not: the sample may differ in the last digits.
            inputs, known = early.sample_of(encoded)
            wanted = np.isin(inputs, todo[left])
            scores[inputs[wanted]] = known[wanted]
            computed[np.isin(todo, inputs[wanted])] = True
            left &= ~computed
        planned = np.flatnonzero(left)
        if early is not None and early.exits is not None:
            found = early.batches(encoded, todo, planned, replayed)
        else:
            found = self._whole(encoded.fresh, planned, replayed)
        with closing(found) as batches:
            for rows, (logits, outcomes, decided) in batches:
                after_batch(len(rows) / len(todo))
                scores["logits"][todo[rows]] = logits
                scores["outcome"][todo[rows]] = outcomes
                stages[todo[rows]] = decided
                computed[rows] = True
                if keeping is not None:
                    keeping.add(todo[rows[(outcomes == Outcome.SCORED) & (decided == WHOLE_MODEL)]])
                    keeping.commit_if_due(seconds=self._commit_seconds)
        return computed

    def _whole(
        self, fresh: EncodedInputs, planned: NDArray[np.int64], replayed: NDArray[np.bool_]
    ) -> Generator[Decided]:
        """The rows `planned` of the `fresh` inputs by the whole model, without batches that were `replayed`."""
        plan = [planned[batch] for batch in self._classifier.plan(fresh.lengths[planned])]
        plan = [rows for rows in plan if not replayed[rows].all()]
        with closing(self._classifier.forward(fresh, plan)) as batches:
            for rows, (logits, outcomes) in zip(plan, batches, strict=True):
                yield rows, (logits, outcomes, np.full(len(rows), WHOLE_MODEL, np.int8))


class _Keeping:
    """What is computed of one window, on its way into the score cache."""

    def __init__(self, cache: ScoreCache, encoded: EncodedWindow, scores: NDArray[np.void]) -> None:
        assert encoded.keys is not None, "a window that was encoded with a cache has keys; this is a bug"
        self._cache = cache
        self._keys = encoded.keys
        self._window = encoded.window.number
        self._durable = encoded.durable
        self._scores = scores
        self._pending: list[NDArray[np.int64]] = []
        self._committed = time.monotonic()
        self._done: Future[None] | None = None

    def recall(self, todo: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `todo`, (len(todo),) bool, an earlier window has scored since this one was encoded; their scores are
        filled in."""
        scores = self._scores[todo]
        seen = self._cache.recall(self._named(todo), scores, durable=self._durable)
        self._scores[todo[seen]] = scores[seen]
        return seen

    def add(self, places: NDArray[np.int64]) -> None:
        """The scores at `places` are computed."""
        self._pending.append(places)

    def commit_if_due(self, *, seconds: float) -> None:
        """Begin to commit where the last commit is so many `seconds` ago; what an earlier one failed with is raised."""
        if time.monotonic() - self._committed > seconds:
            self._commit()
            self._committed = time.monotonic()

    def finish(self) -> Future[None] | None:
        """Begin to commit the rest; done when everything of this window is durable."""
        self._commit()
        return self._done

    def _commit(self) -> None:
        if self._pending:
            places = np.concatenate(self._pending)
            self._done = self._cache.keep(self._named(places), self._scores, places, window=self._window)
        self._pending.clear()

    def _named(self, places: NDArray[np.int64]) -> list[bytes]:
        return [self._keys[place] for place in places.tolist()]
