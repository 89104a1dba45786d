"""Two models' numbers for the same rows, added up window by window; and whether one is nearer the truth or was lucky.

A row has changed when its number differs at all, or only one model scores it. Kept are 24 bytes for each row whose true
number is known.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.metrics.regression import Numbers, Paired, measure_numbers, spelt
from scorer.scoring.answers import Answers

_TOP = 20


class NumberComparison:
    """The numbers of an old and a new model."""

    def __init__(self) -> None:
        self.rows = self.compared = self.changed = self.only_old = self.only_new = self.unlabelled = 0
        self._sum = self._absolute = self._squares = 0.0
        self._largest: list[tuple[float, int, dict[str, Any]]] = []
        self._known: list[NDArray[np.float64]] = []

    def add(self, old: Answers, new: Answers) -> NDArray[np.bool_]:
        """Count n further rows; which of them changed, (n,) bool."""
        both, either = old.scored & new.scored, old.scored | new.scored
        before, after = _numbers(old), _numbers(new)
        changes = np.where(both, after - before, 0.0)
        changed: NDArray[np.bool_] = (changes != 0.0) | (old.scored != new.scored)
        self.compared += int(either.sum())
        self.changed += int(changed.sum())
        self.only_old += int((old.scored & ~new.scored).sum())
        self.only_new += int((new.scored & ~old.scored).sum())
        self._sum += float(changes.sum())
        self._absolute += float(np.abs(changes).sum())
        self._squares += float((changes**2).sum())
        for row in np.argsort(-np.abs(changes), kind="stable")[:_TOP].tolist():
            if changes[row]:
                self._remember(row, float(before[row]), float(after[row]))
        self.rows += len(changed)
        return changed

    def judge(self, old: Answers, new: Answers, targets: Numbers) -> None:
        """Take note of rows (n,) with the true numbers `targets`; those count that both models score."""
        both = old.scored & new.scored
        self._known.append(np.stack([targets, _numbers(old), _numbers(new)])[:, both])

    @property
    def labelled(self) -> int:
        """The rows whose true number is known, and that both models score."""
        return sum(part.shape[1] for part in self._known)

    @property
    def changed_share(self) -> float:
        return self.changed / self.compared if self.compared else 0.0

    @property
    def metrics(self) -> tuple[dict[str, float] | None, dict[str, float] | None]:
        """Of the old and of the new model, on the rows whose numbers are known and that both score."""
        if not self.labelled:
            return None, None
        targets, old, new = np.concatenate(self._known, axis=1)
        return measure_numbers(targets, old).headline(), measure_numbers(targets, new).headline()

    def paired(self) -> Paired | None:
        """Whether the new model's squared errors are smaller; None where no number is known."""
        if not self.labelled:
            return None
        targets, old, new = np.concatenate(self._known, axis=1)
        return Paired.of(targets - old, targets - new)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; no texts."""
        both, paired = self.compared - self.only_old - self.only_new, self.paired()
        return {
            "rows": self.rows,
            "compared": self.compared,
            "changed": self.changed,
            "changed_share": round(self.changed_share, 6),
            "scored_only_by_old": self.only_old,
            "scored_only_by_new": self.only_new,
            "mean_change": self._sum / both if both else None,
            "mean_absolute_change": self._absolute / both if both else None,
            "root_mean_squared_change": math.sqrt(self._squares / both) if both else None,
            "examples": [example for *_, example in sorted(self._largest, key=lambda one: (-one[0], -one[1]))],
            "labelled": self.labelled,
            "paired_squared_errors": paired.as_dict() if paired is not None else None,
        }

    def lines(self) -> Iterator[str]:
        """What was found, for people."""
        found = self.as_dict()
        yield (
            f"{self.changed} of {self.compared} rows change their number ({self.changed_share:.2%}); "
            f"{self.rows - self.compared} have no score"
        )
        if found["examples"]:
            mean, absolute = spelt(found["mean_change"], sign=True), spelt(found["mean_absolute_change"])
            where = found["examples"][0]["row"]
            yield f"mean change {mean}, mean absolute change {absolute}, the largest at row {where}"
        if self.unlabelled:
            yield f"{self.unlabelled} of {self.rows} rows have no true number, so nothing judges their answers"
        old, new = self.metrics
        if old is None or new is None:
            return
        for name, value in new.items():
            yield f"{name} {spelt(old[name])} -> {spelt(value)} on {self.labelled} rows"
        paired = self.paired()
        assert paired is not None, "there are metrics of known numbers; this is a bug"
        change, low, high = (spelt(value, sign=True) for value in (paired.difference, *paired.interval))
        yield f"squared errors change by {change} ({low} to {high}, 95 %), p = {paired.p_value:.3g}"

    def _remember(self, row: int, before: float, after: float) -> None:
        """Keep the largest changes."""
        number = self.rows + row
        example = {"row": number + 1, "old": before, "new": after}
        # Of equals the earlier row stays: it is the greater one here.
        heapq.heappush(self._largest, (abs(after - before), -number, example))
        if len(self._largest) > _TOP:
            heapq.heappop(self._largest)


def _numbers(answers: Answers) -> Numbers:
    assert answers.number is not None, "both models give numbers; this is a bug"
    return answers.number
