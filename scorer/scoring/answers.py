"""What a model says of rows, as arrays: the label, how sure the model is, and why a row has no answer.

They become columns only where they are appended to a table (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.forward.resilient import Outcome
from scorer.scoring.status import Status, is_scored


@dataclass(frozen=True)
class Answers:
    """A model's answers to n rows.

    status       (n,) int8, codes of `Status`
    probability  (n, labels) float32, calibrated; only of scored rows does it mean anything
    chosen       (n, labels) bool, which labels each row has: one, or where rows may have several any number; none where
                 the row was not scored
    tokens       (n,) int32, tokens of the row's text as the model saw it; 0 where there was no text
    """

    status: NDArray[np.int8]
    probability: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    tokens: NDArray[np.int32]

    @classmethod
    def of_records(
        cls, records: NDArray[np.void], *, status: NDArray[np.int8], scorable: NDArray[np.int64], decision: Decision
    ) -> Answers:
        """The answers that `decision` makes of `records` (s,), those of the rows `scorable` (s,) that have a text;
        `status` (n,) says of all others why they have none."""
        probability = np.zeros((len(status), records["logits"].shape[1]), np.float32)
        probability[scorable] = decision.probabilities(records["logits"])
        tokens = np.zeros(len(status), np.int32)
        tokens[scorable] = records["tokens"]
        status = status.copy()
        status[scorable] = _status_of(records)
        scored = is_scored(status)
        status[scored & decision.abstains(probability)] = Status.ABSTAIN
        return cls(status, probability, decision.chosen(probability) & scored[:, None], tokens)

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
        return Answers(self.status[rows], self.probability[rows], self.chosen[rows], self.tokens[rows])

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


def _status_of(records: NDArray[np.void]) -> NDArray[np.int8]:
    """The status (s,) int8 of rows that have a text, by their `records` (s,)."""
    scored = np.where(records["truncated"], Status.TRUNCATED, Status.OK)
    failed = np.where(records["outcome"] == Outcome.NONFINITE, Status.NONFINITE, Status.OOM)
    return np.where(records["outcome"] == Outcome.SCORED, scored, failed).astype(np.int8)
