"""The scores that a part may reuse: those of an earlier run, and those of its own windows.

Decides which of them counts for a window. The stores are open here, so this lives in the process that runs the part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scorer.runs.background_store import BackgroundStore
from scorer.runs.score_store import NOWHERE, ScoreStore, origin_of, score_file
from scorer.scoring.windows import score_dtype

Scores = NDArray[np.void]


@dataclass(frozen=True)
class Ahead:
    """What was known of the inputs (m,) of a window when it was encoded.

    scores    (m,) of `score_dtype`, whole where `known` or `replayed`
    known     (m,) bool, scored before the window
    replayed  (m,) bool, scored for this very window by this run, before it was killed: these belong to the batches that
              are planned again
    durable   how many additions of this run were durable before
    """

    scores: Scores
    known: NDArray[np.bool_]
    replayed: NDArray[np.bool_]
    durable: int


@dataclass
class _Recent:
    """The `scores` of a `window`, and where in them those of a key are, which the additions up to the `number` have."""

    window: int
    scores: Scores
    places: dict[bytes, int]
    number: int


@dataclass(frozen=True)
class ScoreCache:
    """Two connections to one store: `known` is looked into for the next windows while this one's scores go into `kept`.

    `run` is this run's number. `fingerprint` names everything that changes a logit: keys made under different
    fingerprints never meet. `before` has scores that were known before the job began, and stays as it is.
    """

    known: ScoreStore
    kept: BackgroundStore
    run: int
    fingerprint: str
    before: ScoreStore | None = None
    _recent: deque[_Recent] = field(default_factory=deque)

    def look_up(self, keys: Sequence[bytes], dtype: np.dtype[np.void], *, window: int) -> Ahead:
        """What is known under `keys`, whose scores have the `dtype`, when the `window` is encoded."""
        durable = self.kept.durable
        found = self.known.look_up(keys)
        own = origin_of(self.run, window)
        replayed = found.origins == own
        # What this run computed for later windows before it was killed was not known here: where rows leave the model
        # early, a text may have been kept by a later window alone.
        later = (found.origins > own) & (found.origins < origin_of(self.run + 1, 0))
        known = (found.origins != NOWHERE) & ~replayed & ~later
        if self.before is not None and not known.all():
            rest = np.flatnonzero(~known)
            earlier = self.before.look_up([keys[place] for place in rest.tolist()])
            there = earlier.origins != NOWHERE
            found.records[rest[there]] = earlier.records[there]
            known[rest[there]] = True
            replayed &= ~known
        return Ahead(found.records.view(dtype).reshape(len(keys)), known, replayed, durable)

    def recall(self, keys: Sequence[bytes], scores: Scores, *, durable: int) -> NDArray[np.bool_]:
        """Fill the `scores` (n,) of those `keys` that an earlier window shares and that were scored since so many
        additions were durable; which these are, (n,) bool. Windows are encoded ahead: then they were not known."""
        while self._recent and self._recent[0].number <= durable:
            self._recent.popleft()
        seen = np.zeros(len(keys), np.bool_)
        for recent in self._recent:
            places = np.fromiter((recent.places.get(key, -1) for key in keys), np.int64, len(keys))
            there = (places >= 0) & ~seen
            scores[there] = recent.scores[places[there]]
            seen |= there
        return seen

    def keep(self, keys: Sequence[bytes], scores: Scores, places: NDArray[np.int64], *, window: int) -> Future[None]:
        """Begin to keep the `scores` of the `window` at these `places`, under `keys`; done when they are durable. There
        they must stay as they are; errors as of `BackgroundStore.add`."""
        chosen = np.ascontiguousarray(scores[places])
        values = chosen.view(np.uint8).reshape(len(chosen), chosen.itemsize)
        done = self.kept.add(keys, values, origin_of(self.run, window))
        if not self._recent or self._recent[-1].window != window:
            self._recent.append(_Recent(window, scores, {}, 0))
        self._recent[-1].places.update(zip(keys, places.tolist(), strict=True))
        self._recent[-1].number = self.kept.begun
        return done


@contextmanager
def open_cache(
    folder: str,
    *,
    fingerprint: str,
    labels: int,
    unfinished: int | None = None,
    of: str | None = None,
    make: bool = False,
    before: str | None = None,
) -> Iterator[ScoreCache]:
    """The cache under the `fingerprint` in `folder` for the logits of so many `labels`, which is made when missing; so
    is the folder with `make`, for scores that outlive the job. The run goes on as the `unfinished` one where the cache
    still knows that, and is the one `of` whose id that was a run, else as a new one. What the folder `before` has is
    looked into as well, and nothing is added there."""
    path = score_file(folder, fingerprint, make=make)
    width = score_dtype(labels).itemsize
    with ExitStack() as stack:
        adding = stack.enter_context(closing(ScoreStore(path, width=width)))
        run = unfinished if unfinished is not None and adding.has_run(unfinished, of=of) else adding.new_run()
        known = stack.enter_context(closing(adding.another()))
        earlier = score_file(before, fingerprint) if before is not None else None
        theirs = stack.enter_context(closing(ScoreStore(earlier, width=width, only_read=True)))
        kept = stack.enter_context(closing(BackgroundStore(adding)))
        yield ScoreCache(known, kept, run, fingerprint, theirs if before is not None else None)
        if make:
            kept.settle()
