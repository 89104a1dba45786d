"""How far the answers of an exported model lie apart from ours: on texts, and on batches of awkward shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.forward import Forward
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.errors import ModelError

_SEED: Final = 0

Ours = Callable[[EncodedInputs], NDArray[np.float32]]
"""What gives our logits (n, labels) float32 of inputs (n,)."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far answers lie apart, at most.

    of            what was compared
    rows          how many rows
    logit         the largest difference of a logit, and the largest `magnitude` of one of ours
    answer        the largest difference of a probability; of the number, where rows have numbers
    flips         rows with another label, or another abstention; 0 where rows have numbers
    """

    of: str
    rows: int
    logit: float
    magnitude: float
    answer: float
    flips: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def require(self, tolerance: float, *, runtime: str) -> None:
        """ModelError unless no logit differs by more than `tolerance`, a share of the largest logit (of 1 at least)."""
        if not self.logit <= tolerance * max(self.magnitude, 1.0):
            raise ModelError(
                f"{runtime} computes other logits: they differ by up to {self.logit:.1e} on {self.of}, where "
                f"{tolerance * max(self.magnitude, 1.0):.1e} is allowed; nothing was written; look at the model, or "
                "allow more with --tolerance"
            )


def shapes(longest: int) -> list[tuple[int, int]]:
    """Rows and tokens of batches that exporters get wrong: a single token, the longest row, odd numbers of both."""
    return [(1, 1), (1, longest), (33, min(17, longest)), (2, 1), (3, min(64, longest))]


def of_shape(rows: int, tokens: int, *, vocabulary: int, ragged: bool = False) -> TokenSequences:
    """A batch of random token ids; where it is `ragged`, all rows but the first are shorter."""
    draw = np.random.default_rng(_SEED)
    lengths = np.full(rows, tokens)
    if ragged:
        lengths[1:] = draw.integers(1, tokens + 1, rows - 1)
    ids = [draw.integers(0, vocabulary, length).tolist() for length in lengths]
    return TokenSequences.of(ids, first=lengths.tolist(), truncated=np.zeros(rows, np.bool_))


def compare_shapes(
    theirs: Forward, ours: Ours, decision: Decision, *, longest: int, vocabulary: int
) -> Iterator[Difference]:
    """How far the logits of each of the `shapes` lie apart, with rows of one length and of many."""
    for rows, tokens in shapes(longest):
        for ragged in (False, True) if rows > 1 and tokens > 1 else (False,):
            batch = of_shape(rows, tokens, vocabulary=vocabulary, ragged=ragged)
            what = f"a batch of {rows} x {tokens} tokens{', not all of them used' if ragged else ''}"
            yield difference(theirs(batch), ours(EncodedInputs.single(batch)), decision, of=what)


def logits_of(
    theirs: Forward,
    inputs: TokenSequences,
    plan: Iterable[NDArray[np.int64]],
    *,
    labels: int,
    after: Callable[[int], object],
) -> NDArray[np.float32]:
    """Logits (n, labels) float32 of `inputs` (n,), in the batches of `plan`; `after` is told of each how many rows."""
    found = np.zeros((len(inputs), labels), np.float32)
    for rows in plan:
        found[rows] = theirs(inputs.take(rows))
        after(len(rows))
    return found


def difference(theirs: NDArray[np.float32], ours: NDArray[np.float32], decision: Decision, *, of: str) -> Difference:
    """How far the logits `theirs` and `ours`, (n, labels) each, lie apart, and what `decision` makes of them.
    ModelError where theirs are not finite."""
    if not np.isfinite(theirs).all():
        raise ModelError(f"the exported model gives numbers that are not finite on {of}; nothing was written")
    if decision.activation is not None:
        answers = np.abs(decision.numbers(theirs) - decision.numbers(ours))
        flips = 0
    else:
        one, other = decision.probabilities(theirs), decision.probabilities(ours)
        answers = np.abs(one - other)
        changed = (decision.chosen(one) != decision.chosen(other)).any(axis=1)
        flips = int((changed | (decision.abstains(one) != decision.abstains(other))).sum())
    return Difference(
        of=of,
        rows=len(ours),
        logit=float(np.abs(theirs - ours).max()),
        magnitude=float(np.abs(ours).max()),
        answer=float(answers.max()),
        flips=flips,
    )
