"""The rows of one part that may leave the model early: the sample, the exits that it gives, the audit, the certificate.

One object accompanies a part from its first window to its receipt. It is used by the stage that classifies alone, in
the order of the windows, so that what it does depends on nothing but the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.early import EarlyBatches
from scorer.classifier.exits import Exits
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.stages import WHOLE_MODEL, stage_names
from scorer.records.flips import Certificate
from scorer.scoring.flips.binomial import lower_bound
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.flips.calibration import Calibrated, Recorded, calibrated, flipped, work_of
from scorer.scoring.flips.sample import (
    AUDITED,
    LEAST_ROWS,
    Audit,
    RowSample,
    SampleSize,
    sampled,
)
from scorer.scoring.windows import Decided, EncodedWindow, Window

# So little less work is not worth having answers that may differ.
_WORTH = 0.93
# The audit speaks against a bound when it would do so by chance in one of so many parts.
_AUDIT_CONFIDENCE = 0.999


class EarlyRows:
    """Those of a part whose texts are in the `text_columns`, scored by `model` within the `bound`. `exact` says why
    none may leave, if that is known beforehand."""

    def __init__(
        self,
        bound: FlipBound,
        *,
        model: EarlyBatches | None,
        encode: Callable[[Window], EncodedWindow],
        text_columns: tuple[str, ...],
        exact: str | None = None,
    ) -> None:
        self._bound = bound
        self._model = model
        self._encode = encode
        self._text_columns = text_columns
        self._exact = exact
        self._found: Calibrated | None = None
        self._numbers = np.zeros(0, np.int64)
        self._scores: NDArray[np.void] | None = None
        self._audit: Audit | None = None
        self._audited = self._audit_flips = 0

    @property
    def exits(self) -> Exits | None:
        """The exits by which rows leave, None where none leaves."""
        return self._found.exits if self._found is not None and self._exact is None else None

    def begin(self, tables: Callable[[], Iterator[pa.Table]], *, seed: str, check: Callable[[], None]) -> None:
        """Score a sample of all rows and make exits of it. `tables` reads them from the beginning, `seed` tells their
        content; `check` is called meanwhile, and may raise to stop."""
        if self._exact is not None:
            return
        assert self._model is not None, "no model to leave, and no reason given; this is a bug"
        sample = sampled(tables(), self._text_columns, seed=seed, share=self._bound.share)
        self._audit = Audit.of(seed)
        if sample.rows < LEAST_ROWS:
            self._exact = f"{sample.rows:,} rows, and a sample pays from {LEAST_ROWS:,} on"
            return
        recorded = self._recorded(self._model, sample, check)
        if recorded is None:
            self._exact = "the sample has too few rows with a text"
            return
        # Rows without a text or a score are missed in both halves alike.
        fitting = round(len(recorded.logits) * sample.size.fitting / sample.size.total)
        share, confidence = self._bound.share, self._bound.confidence
        found = calibrated(recorded, self._model, fitting=fitting, share=share, confidence=confidence, rows=sample.rows)
        if found is None:
            self._exact = "no row of the sample can leave within the bound"
        elif found.outcome.work > _WORTH:
            self._exact = f"rows that leave early would save {1 - found.outcome.work:.0%} of the work"
        else:
            self._found = found

    def sample_of(self, encoded: EncodedWindow) -> tuple[NDArray[np.int64], NDArray[np.void]]:
        """The inputs (k,) of a window that rows of the sample have, which are not known otherwise, and their scores."""
        numbers = encoded.window.first + encoded.scorable
        there = np.flatnonzero(np.isin(numbers, self._numbers) & ~encoded.known[encoded.inputs])
        inputs, first = np.unique(encoded.inputs[there], return_index=True)
        if self._scores is None:
            return inputs, np.zeros(0, encoded.scores.dtype)
        return inputs, self._scores[np.searchsorted(self._numbers, numbers[there[first]])]

    def batches(
        self, encoded: EncodedWindow, todo: NDArray[np.int64], planned: NDArray[np.int64], replayed: NDArray[np.bool_]
    ) -> Generator[Decided]:
        """The rows `planned` of the inputs that a window has `todo`; some are audited, the others may leave. Batches
        that were `replayed`, which the whole model has decided then, are left out."""
        assert self._model is not None, "nothing to leave; this is a bug"
        assert self._found is not None, "no exits; this is a bug"
        model, exits, fresh = self._model, self._found.exits, encoded.fresh
        audited = np.isin(todo[planned], self._drawn(encoded))
        rows = planned[audited]
        plan = [rows[batch] for batch in model.plan(fresh.lengths[rows])]
        with closing(model.audited(fresh, plan, exits)) as batches:
            for rows, (logits, outcomes, said) in zip(plan, batches, strict=True):
                scored = outcomes == Outcome.SCORED
                self._audited += int(scored.sum())
                self._audit_flips += int((flipped(said, logits, exits.decision) & scored).sum())
                yield rows, (logits, outcomes, np.full(len(rows), WHOLE_MODEL, np.int8))
        rows = planned[~audited]
        plan = [rows[batch] for batch in model.plan(fresh.lengths[rows])]
        groups = [group for group in model.together(plan) if not all(replayed[rows].all() for rows in group)]
        with closing(model.leaving(fresh, groups, exits)) as batches:
            for group, found in zip(groups, batches, strict=True):
                yield np.concatenate(group), found

    def _drawn(self, encoded: EncodedWindow) -> NDArray[np.int64]:
        """The inputs that rows of a window have which are drawn for the audit."""
        assert self._audit is not None, "no sample was drawn; this is a bug"
        drawn = self._audit(encoded.window.table.num_rows)
        return np.unique(encoded.inputs[drawn[encoded.scorable]])

    def hear_audit(self) -> None:
        """The rows of a window are decided; hear the audit before the next one."""
        if self.exits is None:
            return
        least = lower_bound(self._audit_flips, self._audited, confidence=_AUDIT_CONFIDENCE)
        if least > self._bound.share:
            self._exact = (
                f"the audit found {self._audit_flips} flips in {self._audited:,} rows, and "
                "from there on the whole model scored all"
            )

    def expected_work(self, rows: int) -> float:
        """The share of the whole model's work that a file of so many `rows` takes, with its sample and its audit."""
        if self._found is None:
            return 1.0
        whole = min(SampleSize.of(rows, share=self._bound.share).total / max(rows, 1) + AUDITED, 1.0)
        return whole + (1 - whole) * self._found.outcome.work

    def certificate(self, stages: Counter[int]) -> Certificate:
        """What is known when all rows of a part are decided: so many by each of the `stages`."""
        names = self._model.stages if self._model is not None else stage_names(0)
        decided = {names[stage]: rows for stage, rows in sorted(stages.items()) if rows}
        found = self._found
        return Certificate(
            max_flips=self._bound.share,
            confidence=self._bound.confidence,
            exact=self._exact,
            sample_rows=len(self._numbers),
            certified_rows=found.outcome.rows if found else 0,
            certified_flips=found.outcome.flips if found else 0,
            bound=round(found.bound, 6) if found else 0.0,
            audit_rows=self._audited,
            audit_flips=self._audit_flips,
            decided=decided,
            work=self._work(stages),
        )

    def _work(self, stages: Counter[int]) -> float:
        rows = stages.total()
        if not rows:
            return 1.0
        shares = [1.0, *work_of(self._model.layers + 1).tolist()] if self._model is not None else [1.0]
        done = sum(count * shares[stage] for stage, count in stages.items())
        return round(done / rows, 4)

    def _recorded(self, model: EarlyBatches, sample: RowSample, check: Callable[[], None]) -> Recorded | None:
        """What the whole model says of the sample; its scores are kept for the rows' own windows."""
        encoded = self._encode(Window(0, sample.table, self._text_columns))
        layers = range(model.layers + 1)
        scores, inputs = encoded.scores, encoded.fresh
        states: NDArray[np.float32] | None = None
        plan = model.plan(inputs.lengths)
        with closing(model.states(inputs, plan, layers)) as batches:
            for rows, (logits, outcomes, found) in zip(plan, batches, strict=True):
                check()
                scores["logits"][rows], scores["outcome"][rows] = logits, outcomes
                if states is None:
                    states = np.full((len(layers), len(inputs), found.shape[2]), np.nan, np.float32)
                states[:, rows] = found
        numbers = sample.numbers[encoded.scorable]
        order = np.argsort(numbers)
        self._numbers, self._scores = numbers[order], scores[order]
        if states is None:
            return None
        good = (scores["outcome"] == Outcome.SCORED) & np.isfinite(states).all(axis=(0, 2))
        if 2 * good.sum() < sample.size.total:
            return None
        if good.all():
            return Recorded(scores["logits"], states)
        return Recorded(scores["logits"][good], states[:, good])
