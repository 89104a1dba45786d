"""Two models' answers to the same rows, added up window by window; and whether one is better or was lucky.

A change is a row whose label, score or abstention differs. Labels are matched by their names, so models with different
label sets can be compared. What is kept is bounded by the number of labels.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.metrics.classification import macro_f1, micro_f1, ordinal_figures
from scorer.scoring.answers import Answers

_TOP = 20
_BINS = 15
# Which of the models abstains from a row: that is how `_pairs` is ordered.
_ABSTAINS = (None, "new", "old", "both")
# Above so many rows the exact sum is long, and the approximation as good.
_MOST_EXACT = 1000


class Quality:
    """How good one model's answers are, where labels are known.

    A row without a score is wrong; one from which the model abstains counts by its candidate. `values` (names,) are the
    labels as numbers, where they are ordered.
    """

    def __init__(self, names: int, values: NDArray[np.float64] | None) -> None:
        self._values = values
        self._confusion = np.zeros((names, names), np.int64)
        self._counts = np.zeros((3, names), np.int64)
        self._bins = np.zeros((3, _BINS), np.float64)
        self._rows = 0
        self._right = 0

    def add(self, answers: Answers, true: NDArray[np.bool_], right: NDArray[np.bool_]) -> None:
        """Count rows (n,) whose labels are `true` (n, names), and which of them are `right` (n,)."""
        self._rows += len(right)
        self._right += int(right.sum())
        self._counts += [table.sum(axis=0) for table in (answers.chosen & true, answers.chosen, true)]
        scored, confidence = answers.scored, answers.confidence[answers.scored]
        bin_of = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
        for place, weights in enumerate((None, confidence, right[scored].astype(np.float64))):
            self._bins[place] += np.bincount(bin_of, weights=weights, minlength=_BINS)
        if self._values is not None:
            both = scored & true.any(axis=1)
            np.add.at(self._confusion, (true[both].argmax(axis=1), answers.chosen[both].argmax(axis=1)), 1)

    def as_dict(self, *, multi: bool) -> dict[str, float] | None:
        """Accuracy (all labels of a row are right), macro F1 over the labels that occur, and the expected calibration
        error over 15 bins of the scored rows, or with several labels a row micro F1; of ordered labels how far off the
        scored rows are, too. None without rows."""
        if not self._rows:
            return None
        hits, said, support = self._counts
        macro = macro_f1(hits, predicted=said, support=support)
        figures = {"accuracy": self._right / self._rows, "macro_f1": macro}
        if multi:
            return figures | {"micro_f1": micro_f1(np.stack([hits, said - hits, support - hits]))}
        rows, confidence, right = self._bins
        figures["ece"] = float(np.abs(confidence - right).sum() / max(rows.sum(), 1))
        if self._values is None or not self._confusion.any():
            return figures
        return figures | ordinal_figures(self._confusion, self._values)


class Comparison:
    """The answers of an old and a new model, whose labels are among `names`; with `multi` rows may have several. Labels
    that are `ordered` are numbers."""

    def __init__(self, names: Sequence[str], *, multi: bool, ordered: bool = False) -> None:
        self.names = tuple(names)
        self.multi = multi
        self.rows = self.compared = self.changed = self.only_old = self.only_new = 0
        self.unlabelled = 0
        self.abstained_by_old = self.abstained_by_new = 0
        self.labelled = self.unknown = self._old_alone_right = self._new_alone_right = 0
        self._confidence_change = 0.0
        # By who abstains, the old label and the new one; one more name stands for a row without any label.
        self._pairs = np.zeros((len(_ABSTAINS), len(names) + 1, len(names) + 1), np.int64)
        self._gained = np.zeros(len(names), np.int64)
        self._lost = np.zeros(len(names), np.int64)
        self._examples: list[tuple[float, int, dict[str, Any]]] = []
        values = np.array([float(name) for name in names]) if ordered else None
        self._quality = Quality(len(names), values), Quality(len(names), values)

    def add(self, old: Answers, new: Answers) -> NDArray[np.bool_]:
        """Count n further rows; which of them changed, (n,) bool. A row that only one model scores, or from which only
        one abstains, has changed."""
        both = old.scored & new.scored
        either = old.scored | new.scored
        relabelled = (old.chosen != new.chosen).any(axis=1)
        changed: NDArray[np.bool_] = relabelled | (old.scored != new.scored) | (old.abstained != new.abstained)
        self.compared += int(either.sum())
        self.changed += int(changed.sum())
        self.only_old += int((old.scored & ~new.scored).sum())
        self.only_new += int((new.scored & ~old.scored).sum())
        self.abstained_by_old += int(old.abstained.sum())
        self.abstained_by_new += int(new.abstained.sum())
        self._confidence_change += float(np.abs(old.confidence - new.confidence, dtype=np.float64)[both].sum())
        self._gained += (new.chosen & ~old.chosen).sum(axis=0)
        self._lost += (old.chosen & ~new.chosen).sum(axis=0)
        if not self.multi:
            labels = (self._single(answers.chosen[changed]) for answers in (old, new))
            np.add.at(self._pairs, (_abstains(old, new)[changed], *labels), 1)
        self._remember(old, new, np.flatnonzero(changed))
        self.rows += len(changed)
        return changed

    def judge(self, old: Answers, new: Answers, true: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
        """Count n rows that at least one model scored, and whose labels are `true` (n, names) where all of them are
        among the names, which `known` (n,) says: other labels are beyond both models, which are wrong there."""
        right = [(answers.chosen == true).all(axis=1) & answers.scored & known for answers in (old, new)]
        for quality, answers, correct in zip(self._quality, (old, new), right, strict=True):
            quality.add(answers, true, correct)
        self.labelled += len(known)
        self.unknown += int((~known).sum())
        self._old_alone_right += int((right[0] & ~right[1]).sum())
        self._new_alone_right += int((right[1] & ~right[0]).sum())

    @property
    def changed_share(self) -> float:
        return self.changed / self.compared if self.compared else 0.0

    @property
    def metrics(self) -> tuple[dict[str, float] | None, dict[str, float] | None]:
        """Of the old and of the new model, on the rows whose labels are known."""
        old, new = (quality.as_dict(multi=self.multi) for quality in self._quality)
        return old, new

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; no texts."""
        both = self.compared - self.only_old - self.only_new
        return {
            "rows": self.rows,
            "compared": self.compared,
            "changed": self.changed,
            "changed_share": round(self.changed_share, 6),
            "scored_only_by_old": self.only_old,
            "scored_only_by_new": self.only_new,
            "abstained_by_old": self.abstained_by_old,
            "abstained_by_new": self.abstained_by_new,
            "mean_confidence_change": round(self._confidence_change / both, 6) if both else None,
            **(self._label_changes() if self.multi else self._changes()),
            "examples": [example for *_, example in sorted(self._examples, key=lambda one: (-one[0], -one[1]))],
            "labelled": self.labelled,
            "with_unknown_labels": self.unknown,
            "mcnemar": self._mcnemar(),
        }

    def _mcnemar(self) -> dict[str, Any] | None:
        if not self.labelled:
            return None
        alone = self._old_alone_right, self._new_alone_right
        return {
            "only_old_right": alone[0],
            "only_new_right": alone[1],
            "p_value": mcnemar_p_value(*alone),
        }

    def _changes(self) -> dict[str, Any]:
        """The most frequent changes of a row's label, None for a row without a score, and of who abstains from it; how
        many rows have changed in other ways."""
        names = (*self.names, None)
        order = np.argsort(-self._pairs, axis=None, kind="stable")[:_TOP]
        places = np.transpose(np.unravel_index(order, self._pairs.shape)).tolist()
        changes = [
            {"old": names[old], "new": names[new], "abstains": _ABSTAINS[who], "rows": int(self._pairs[who, old, new])}
            for who, old, new in places
            if self._pairs[who, old, new]
        ]
        return {"changes": changes, "other_changes": self.changed - sum(change["rows"] for change in changes)}

    def _label_changes(self) -> dict[str, Any]:
        """How many rows gained and lost each label, most first."""
        order = np.argsort(-(self._gained + self._lost), kind="stable")
        changes = [(self.names[i], int(self._gained[i]), int(self._lost[i])) for i in order.tolist()]
        return {
            "changes": [
                {"label": name, "gained": gained, "lost": lost} for name, gained, lost in changes if gained or lost
            ]
        }

    def _remember(self, old: Answers, new: Answers, changed: NDArray[np.int64]) -> None:
        """Keep the changes that both models are surest of; with several labels a row those where a label's probability
        has changed most."""
        if self.multi:
            relabelled = (old.chosen != new.chosen)[changed]
            sure = np.where(relabelled, np.abs(old.probability - new.probability)[changed], 0).max(axis=1)
        else:
            sure = np.minimum(old.confidence, new.confidence)[changed]
        abstains = _abstains(old, new)
        for place in np.argsort(-sure, kind="stable")[:_TOP]:
            row = int(changed[place])
            example = {
                "row": self.rows + row + 1,
                "old": self._named(old, row),
                "new": self._named(new, row),
                "abstains": _ABSTAINS[abstains[row]],
                "old_confidence": round(float(old.confidence[row]), 6),
                "new_confidence": round(float(new.confidence[row]), 6),
            }
            # Of equals the earlier row stays: it is the greater one here.
            heapq.heappush(self._examples, (float(sure[place]), -(self.rows + row), example))
            if len(self._examples) > _TOP:
                heapq.heappop(self._examples)

    def _named(self, answers: Answers, row: int) -> str | list[str] | None:
        if not answers.scored[row]:
            return None
        names = [self.names[place] for place in np.flatnonzero(answers.chosen[row])]
        return names if self.multi else names[0]

    def _single(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The one label of each row, or the number of names where it has none."""
        return np.where(chosen.any(axis=1), chosen.argmax(axis=1), len(self.names))


def _abstains(old: Answers, new: Answers) -> NDArray[np.int64]:
    """Who abstains from each row, places in `_ABSTAINS` (n,)."""
    return (2 * old.abstained + new.abstained).astype(np.int64)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's test (McNemar 1947): how probable a difference as large is when both models
    are equally good. `only_first` rows are right by the first model alone, `only_second` by the second alone.

    Exact, by the binomial distribution; above a thousand such rows by the chi-squared distribution with one degree of
    freedom and the continuity correction of Edwards 1948.
    """
    rows = only_first + only_second
    fewer = min(only_first, only_second)
    if rows <= _MOST_EXACT:
        tail = sum(math.comb(rows, count) for count in range(fewer + 1))
        return min(1.0, 2 * tail / float(2**rows))
    statistic = max(0.0, abs(only_first - only_second) - 1.0) ** 2 / rows
    return math.erfc(math.sqrt(statistic / 2.0))
