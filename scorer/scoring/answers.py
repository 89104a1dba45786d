"""What a model says of rows, as arrays: the label, how sure the model is, and why a row has no answer.

They become columns only where they are appended to a table (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.forward.resilient import Outcome


class Status(IntEnum):
    """`score_status`: why a row has no score, or what was done to it. The codes are positions in the column's Arrow
    dictionary.

    `OK`, `TRUNCATED` and `ABSTAIN` rows have a score, the last one a candidate that is too unsure to be counted on,
    whether its text was truncated or not; every other row has none. New codes come last, since those of written files
    stay as they are."""

    OK = 0
    TRUNCATED = 1
    NULL = 2
    EMPTY = 3
    NONFINITE = 4
    OOM = 5
    ABSTAIN = 6


STATUS_NAMES = tuple(status.name.lower() for status in Status)
_SCORED = (Status.OK, Status.TRUNCATED, Status.ABSTAIN)
SCORED_NAMES = tuple(STATUS_NAMES[status] for status in _SCORED)
STATUS_TYPE = pa.dictionary(pa.int8(), pa.string())


def is_scored(codes: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether rows with status `codes` (n,) have a score, (n,) bool."""
    return np.isin(codes, _SCORED)


def status_column(codes: NDArray[np.int8]) -> pa.DictionaryArray:
    """The column for status `codes` (n,); its dictionary is always the whole vocabulary, so that windows agree."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(STATUS_NAMES, pa.string()))


def count_statuses(codes: NDArray[np.int8]) -> dict[str, int]:
    """Rows by status name, for the statuses that occur."""
    counts = np.bincount(codes, minlength=len(STATUS_NAMES))
    return {name: int(number) for name, number in zip(STATUS_NAMES, counts, strict=True) if number}


@dataclass(frozen=True)
class Answers:
    """A model's answers to n rows.

    status       (n,) int8, codes of `Status`
    probability  (n, labels) float32, calibrated; only of scored rows does it mean anything
    chosen       (n, labels) bool, which labels each row has: one, or where rows may have several any number; none where
                 the row was not scored
    tokens       (n,) int32, tokens of the row's text as the model saw it; 0 where there was no text
    number       (n,) float64, what the model says of each row where it has one output; only of scored rows does it mean
                 anything, and `probability` and `chosen` say nothing beside it. None where rows have labels
    stages       (n,) int8, what decided each row that was scored: 0 the whole model, else an exit before its end. None
                 where the whole model decided all
    """

    status: NDArray[np.int8]
    probability: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    tokens: NDArray[np.int32]
    number: NDArray[np.float64] | None = None
    stages: NDArray[np.int8] | None = None

    @classmethod
    def of_scores(
        cls,
        scores: NDArray[np.void],
        *,
        status: NDArray[np.int8],
        scorable: NDArray[np.int64],
        decision: Decision,
        stages: NDArray[np.int8] | None = None,
    ) -> Answers:
        """The answers that `decision` makes of `scores` (s,), those of the rows `scorable` (s,) that have a text, which
        `stages` (s,) decided; `status` (n,) says of all others why they have none."""
        probability = np.zeros((len(status), scores["logits"].shape[1]), np.float32)
        tokens = np.zeros(len(status), np.int32)
        tokens[scorable] = scores["tokens"]
        status = status.copy()
        status[scorable] = _status_of(scores)
        scored = is_scored(status)
        if decision.activation is not None:
            number = np.zeros(len(status), np.float64)
            number[scorable] = decision.numbers(scores["logits"])
            return cls(status, probability, np.zeros(probability.shape, np.bool_), tokens, number)
        probability[scorable] = decision.probabilities(scores["logits"])
        status[scored & decision.abstains(probability)] = Status.ABSTAIN
        decided = None
        if stages is not None:
            decided = np.zeros(len(status), np.int8)
            decided[scorable] = stages
        return cls(status, probability, decision.chosen(probability) & scored[:, None], tokens, stages=decided)

    @classmethod
    def blank(cls, rows: int, *, labels: int, numbers: bool) -> Answers:
        """Answers to so many `rows` that are yet to be put in: until then none of them has a text."""
        return cls(
            np.full(rows, Status.NULL, np.int8),
            np.zeros((rows, labels), np.float32),
            np.zeros((rows, labels), np.bool_),
            np.zeros(rows, np.int32),
            np.zeros(rows, np.float64) if numbers else None,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Answers]) -> Answers:
        """The answers of all `parts`, one at least, which are of the same model."""
        numbers = [part.number for part in parts if part.number is not None]
        return cls(
            np.concatenate([part.status for part in parts]),
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.chosen for part in parts]),
            np.concatenate([part.tokens for part in parts]),
            np.concatenate(numbers) if numbers else None,
        )

    def put(self, rows: NDArray[np.int64], others: Answers) -> None:
        """Put the answers of `others` (m,), of the same model, in at the places `rows` (m,)."""
        self.status[rows] = others.status
        self.probability[rows] = others.probability
        self.chosen[rows] = others.chosen
        self.tokens[rows] = others.tokens
        if self.number is not None and others.number is not None:
            self.number[rows] = others.number

    def __len__(self) -> int:
        return len(self.status)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(n,) bool, which rows have a score."""
        return is_scored(self.status)

    @property
    def abstained(self) -> NDArray[np.bool_]:
        """(n,) bool, which scored rows have a label that is too unsure to be counted on."""
        return np.asarray(self.status == Status.ABSTAIN)

    @property
    def label(self) -> NDArray[np.int64]:
        """(n,) int64, the index of each row's label where rows have one; 0 where the row was not scored."""
        return np.asarray(self.chosen.argmax(axis=1), np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(n,) float32, the probability of each row's likeliest label."""
        found: NDArray[np.float32] = self.probability.max(axis=1)
        return found

    def take(self, rows: NDArray[np.int64]) -> Answers:
        """The answers to the rows at the places `rows`."""
        number = self.number[rows] if self.number is not None else None
        return Answers(self.status[rows], self.probability[rows], self.chosen[rows], self.tokens[rows], number)

    def among(self, names: Sequence[str], *, own: Sequence[str]) -> Answers:
        """The same answers where the labels are `names`, all of the model's `own` among them: so the answers of two
        models can be compared. The probability of a label that the model lacks is 0, and so is every one of a row that
        was not scored."""
        places = [names.index(name) for name in own]
        scored = self.scored
        chosen = np.zeros((len(self), len(names)), np.bool_)
        chosen[:, places] = self.chosen
        probability = np.zeros(chosen.shape, np.float32)
        probability[:, places] = np.where(scored[:, None], self.probability, 0)
        return Answers(self.status, probability, chosen, self.tokens)


def _status_of(scores: NDArray[np.void]) -> NDArray[np.int8]:
    """The status (s,) int8 of rows that have a text, by their `scores` (s,)."""
    scored = np.where(scores["truncated"], Status.TRUNCATED, Status.OK)
    failed = np.where(scores["outcome"] == Outcome.NONFINITE, Status.NONFINITE, Status.OOM)
    return np.where(scores["outcome"] == Outcome.SCORED, scored, failed).astype(np.int8)
