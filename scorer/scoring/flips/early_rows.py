"""The rows of one part that may leave the model early: the sample, the exits that it gives, the audit, the certificate.

One object accompanies a part from its first window to its receipt. It is used by the stage that classifies alone, in
the order of the windows, so that what it does depends on nothing but the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

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
from scorer.scoring.flips.calibration import (
    Calibrated,
    Recorded,
    Suggested,
    calibrated,
    flipped,
    shown,
    suggested,
    work_of,
)
from scorer.scoring.flips.ladder import Shown
from scorer.scoring.flips.sample import (
    AUDITED,
    LEAST_ROWS,
    Audit,
    RowSample,
    SampleSize,
    sampled,
)
from scorer.scoring.windows import Decided, EncodedWindow, Window

OF_A_STREAM: Final = "of rows that arrive as a stream there is no sample beforehand"
"""Why no row of a stream leaves."""

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

    def begin(
        self,
        tables: Callable[[], Iterator[pa.Table]],
        *,
        seed: str,
        check: Callable[[], None],
        rows_of_file: int | None = None,
    ) -> None:
        """Score a sample of all rows and make exits of it. `tables` reads them from the beginning, or only the first
        ones of so many `rows_of_file`; `seed` tells their content; `check` is called meanwhile, and may raise to
        stop."""
        if self._exact is not None:
            return
        assert self._model is not None, "no model to leave, and no reason given; this is a bug"
        sample = sampled(tables(), self._text_columns, seed=seed, share=self._bound.share, rows_of_file=rows_of_file)
        self._audit = Audit.of(seed)
        if sample.rows < LEAST_ROWS:
            self._exact = f"{sample.rows:,} rows, and a sample pays from {LEAST_ROWS:,} on"
            return
        found_out = self._found_out(self._model, sample, check)
        if found_out is None:
            self._exact = "the sample has too few rows with a text"
            return
        share, confidence = self._bound.share, self._bound.confidence
        found = calibrated(*found_out, self._model.decision, share=share, confidence=confidence, rows=sample.rows)
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

    def _found_out(
        self, model: EarlyBatches, sample: RowSample, check: Callable[[], None]
    ) -> tuple[Suggested, Shown] | None:
        """What the fitting rows of the sample suggest and the certifying ones show of it, None where too few of them
        have a score; the scores of all are kept for the rows' own windows."""
        encoded = self._encode(Window(0, sample.table, self._text_columns))
        scored = _SampleScores(model, encoded, check)
        # Rows without a text are missed in both parts alike.
        fitting = round(len(encoded.fresh) * sample.size.fitting / sample.size.total)
        recorded = scored.recorded(np.arange(fitting))
        numbers = sample.numbers[encoded.scorable]
        if 2 * len(recorded.logits) < sample.size.fitting:
            self._keep(numbers[:fitting], encoded.scores)
            return None
        made = suggested(recorded, model)
        certifying = scored.shown(np.arange(fitting, len(encoded.fresh)), made)
        self._keep(numbers, encoded.scores)
        if certifying is None or 2 * (made.rows + certifying.rows) < sample.size.total:
            return None
        return made, certifying

    def _keep(self, numbers: NDArray[np.int64], scores: NDArray[np.void]) -> None:
        """The rows of these numbers have the first `scores`."""
        order = np.argsort(numbers)
        self._numbers, self._scores = numbers[order], scores[order]


@dataclass(frozen=True)
class _SampleScores:
    """Scores inputs of an `encoded` sample by the whole `model`, into its scores; `check` is called meanwhile."""

    model: EarlyBatches
    encoded: EncodedWindow
    check: Callable[[], None]

    def recorded(self, chosen: NDArray[np.int64]) -> Recorded:
        """The `chosen` inputs, those of them that have a score."""
        model, layers = self.model, range(self.model.layers + 1)
        logits = np.zeros((len(chosen), self.encoded.scores["logits"].shape[1]), np.float32)
        states: NDArray[np.float32] | None = None
        good = np.zeros(len(chosen), np.bool_)
        plan = model.plan(self.encoded.fresh.lengths[chosen])
        with closing(model.states(self.encoded.fresh, [chosen[rows] for rows in plan], layers)) as batches:
            for rows, batch in zip(plan, batches, strict=True):
                found = batch[2]
                if states is None:
                    states = np.zeros((len(layers), len(chosen), found.shape[2]), np.float32)
                states[:, rows], logits[rows] = found, batch[0]
                good[rows] = self._kept(chosen[rows], *batch)
        if states is None:
            states = np.zeros((len(layers), 0, 0), np.float32)
        return Recorded(logits, states) if good.all() else Recorded(logits[good], states[:, good])

    def shown(self, chosen: NDArray[np.int64], made: Suggested) -> Shown | None:
        """What the probes show of the `chosen` inputs, those of them that have a score; None where there are none."""
        model = self.model
        plan = [chosen[rows] for rows in model.plan(self.encoded.fresh.lengths[chosen])]
        pieces = []
        with closing(model.said(self.encoded.fresh, plan, made.probes)) as batches:
            for rows, batch in zip(plan, batches, strict=True):
                good = self._kept(rows, *batch)
                pieces.append(shown(batch[2][:, good], batch[0][good], model.decision))
        return Shown.of_all(pieces) if pieces else None

    def _kept(
        self,
        rows: NDArray[np.int64],
        logits: NDArray[np.float32],
        outcomes: NDArray[np.int8],
        found: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Keep the scores of a batch; which `rows` of it have one, and finite numbers in what was `found` of them."""
        self.check()
        scores = self.encoded.scores
        scores["logits"][rows], scores["outcome"][rows] = logits, outcomes
        return np.asarray((outcomes == Outcome.SCORED) & np.isfinite(found).all(axis=(0, 2)))
