"""What of a text is hidden: 15 % of its tokens, of which 80 % become the mask, 10 % another token, 10 % stay
(Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.adapting.marks import Marks

SHARE = 0.15
_MASKED, _KEPT = 0.8, 0.9
# Tokens of a word, at most.
_LONGEST_WORD = 16


@dataclass(frozen=True)
class Masking:
    """Hides tokens of sequences, other ones at every visit; the same `seed`, `stream` and visit hide the same."""

    marks: Marks
    seed: int
    stream: int

    def generator(self, visit: int, purpose: int = 0) -> np.random.Generator:
        """What a `visit` draws from for a `purpose`: the number of a sequence, those of earlier epochs counted."""
        return np.random.default_rng([self.seed, self.stream, purpose, visit])

    def __call__(
        self, ids: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sequence `ids` (t,) with some of them hidden, and their places (m,), ascending; at least one wherever one
        can be hidden."""
        places = chosen(~self.marks.special[ids], self.marks.begins[ids], generator)
        fate = generator.random(len(places))
        drawn = generator.choice(self.marks.ordinary, len(places))
        hidden = ids.copy()
        hidden[places] = np.where(fate < _MASKED, self.marks.mask, np.where(fate < _KEPT, ids[places], drawn))
        return hidden, places


def chosen(
    hideable: NDArray[np.bool_], begins: NDArray[np.bool_], generator: np.random.Generator, *, share: float = SHARE
) -> NDArray[np.int64]:
    """Places (m,), ascending: a `share` of the `hideable` (t,) ones, whole words where `begins` (t,) tells words.

    Words are taken in a random order as long as they fit into the share. The first is taken whatever its length, but
    for one that is longer than any word: text that is written without spaces.
    """
    candidates = np.flatnonzero(hideable)
    if not len(candidates):
        return candidates
    most = max(1, round(share * len(candidates)))
    # A token that may not be hidden ends the word before it.
    edges = begins.copy()
    edges[1:] |= ~hideable[:-1]
    words = np.cumsum(edges)[candidates]
    # A number for each word, of which its tokens lie side by side in the order of the draws.
    rank = generator.random(int(words[-1]) + 1)[words]
    order = candidates[np.argsort(rank, kind="stable")]
    ends = np.flatnonzero(np.diff(np.sort(rank, kind="stable"), append=2.0)) + 1
    fitting = ends[ends <= most]
    return np.sort(order[: fitting[-1] if len(fitting) else min(ends[0], max(most, _LONGEST_WORD))])
