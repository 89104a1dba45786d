"""The scores that a part may reuse: those of an earlier run, and those of its own windows.

Decides which of them counts for a window. Connections are open here, so this lives in the process that runs the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.runs.score_store import NOWHERE, BackgroundStore, ScoreStore, origin_of, score_file
from scorer.scoring.windows import score_dtype

Scores = NDArray[np.void]


@dataclass(frozen=True)
class ScoreCache:
    """Two connections to one file: `known` is looked into for the next windows while this one's scores go into `kept`.

    `run` is this run's number. `fingerprint` names everything that changes a logit: keys made under different
    fingerprints never meet. `before` has scores that were known before the job began, and stays as it is.
    """

    known: ScoreStore
    kept: BackgroundStore
    run: int
    fingerprint: str
    before: ScoreStore | None = None

    def look_up_ahead(
        self, keys: Sequence[bytes], dtype: np.dtype[np.void], *, window: int
    ) -> tuple[Scores, NDArray[np.bool_]]:
        """The scores (n,) of `dtype` under `keys`, and which of them were known before the `window`, (n,) bool.

        What this run itself computed for this very window, before it was killed, does not count: it belongs to the
        batches that will be planned again.
        """
        found = self.known.look_up(keys)
        known = (found.origins != NOWHERE) & (found.origins != origin_of(self.run, window))
        if self.before is not None and not known.all():
            rest = np.flatnonzero(~known)
            earlier = self.before.look_up([keys[place] for place in rest.tolist()])
            there = earlier.origins != NOWHERE
            found.records[rest[there]] = earlier.records[there]
            known[rest[there]] = True
        return found.records.view(dtype).reshape(len(keys)), known

    def look_up_now(
        self, keys: Sequence[bytes], dtype: np.dtype[Any], *, window: int
    ) -> tuple[Scores, NDArray[np.bool_], NDArray[np.bool_]]:
        """The scores (n,) of `dtype` under `keys`, when everything is durable that was kept; which of them are known,
        and which of those this run computed for this `window`, (n,) bool each."""
        found = self.kept.look_up(keys)
        scores = found.records.view(dtype).reshape(len(keys))
        return scores, found.origins != NOWHERE, found.origins == origin_of(self.run, window)

    def keep(self, keys: Sequence[bytes], scores: Scores, *, window: int) -> None:
        """Begin to keep `scores` (n,), computed for the `window`, under `keys`; as `BackgroundStore.add`."""
        values = np.ascontiguousarray(scores).view(np.uint8).reshape(len(scores), scores.itemsize)
        self.kept.add(keys, values, origin_of(self.run, window))


@contextmanager
def open_cache(
    folder: str,
    *,
    fingerprint: str,
    labels: int,
    unfinished: int | None = None,
    make: bool = False,
    before: str | None = None,
) -> Iterator[ScoreCache]:
    """The cache under the `fingerprint` in `folder` for the logits of so many `labels`, which is made when missing; so
    is the folder with `make`. The run goes on as the `unfinished` one where the cache still knows that, else as a new
    one. What the folder `before` has is looked into as well, and nothing is added there."""
    path = score_file(folder, fingerprint, make=make)
    width = score_dtype(labels).itemsize
    with ExitStack() as stack:
        known, adding = (stack.enter_context(closing(ScoreStore(path, width=width))) for _ in range(2))
        run = unfinished if unfinished is not None and known.has_run(unfinished) else known.new_run()
        kept = stack.enter_context(closing(BackgroundStore(adding)))
        earlier = None
        if before is not None and (there := score_file(before, fingerprint)).exists():
            earlier = stack.enter_context(closing(ScoreStore(there, width=width)))
        yield ScoreCache(known, kept, run, fingerprint, earlier)
