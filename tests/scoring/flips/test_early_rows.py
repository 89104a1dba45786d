"""The sample of a part: its certificate is what all of its states at once would give, and few of them are ever held."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.early import EarlyBatches
from scorer.config import FrameConfig
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.flips.calibration import Calibrated, Recorded, calibrated, shown, suggested
from scorer.scoring.flips.early_rows import EarlyRows
from scorer.scoring.flips.sample import SampleSize, sampled
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import Window
from tests.models import sentences

ROWS = 12_000
BOUND = FlipBound(0.03, 0.95)


@dataclass(frozen=True)
class Counting(EarlyBatches):
    """Counts the rows whose states are handed over."""

    rows: list[int] = field(default_factory=list)

    def states(self, inputs, plan, layers):
        self.rows.extend(len(rows) for rows in plan)
        return super().states(inputs, plan, layers)


@pytest.fixture(scope="module")
def scorer(tiny_model) -> Scorer:
    return Scorer.build(ScorerSpec(options=FrameConfig(model=str(tiny_model("bert", labels=("no", "yes"))))))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table({"text": [*sentences(ROWS - 40, seed=3, shortest=3, longest=10), *[None] * 40]})


def at_once(scorer: Scorer, table: pa.Table) -> Calibrated | None:
    """The slow, obvious way: all states of the sample in one array."""
    model = scorer.model.early
    sample = sampled([table], ("text",), seed="s", share=BOUND.share)
    inputs = scorer.encode(Window(0, sample.table, ("text",))).fresh
    logits, states = np.zeros((len(inputs), 2), np.float32), [None] * len(inputs)
    plan = model.plan(inputs.lengths)
    for rows, (found, _, seen) in zip(plan, model.states(inputs, plan, range(model.layers + 1)), strict=True):
        logits[rows] = found
        for place, row in enumerate(rows.tolist()):
            states[row] = seen[:, place]
    whole = np.stack(states, axis=1)
    fitting = round(len(inputs) * sample.size.fitting / sample.size.total)
    made = suggested(Recorded(logits[:fitting], whole[:, :fitting]), model)
    said = [probe.said(one[fitting:]) for probe, one in zip(made.probes, whole, strict=True)]
    certifying = shown(said, logits[fitting:], model.decision)
    return calibrated(
        made, certifying, model.decision, share=BOUND.share, confidence=BOUND.confidence, rows=table.num_rows
    )


def begun(scorer: Scorer, table: pa.Table, *, bound: FlipBound = BOUND) -> tuple[EarlyRows, list[int]]:
    counting = Counting(**vars(scorer.model.early))
    early = EarlyRows(bound, model=counting, encode=scorer.encode, text_columns=("text",))
    early.begin(lambda: iter([table]), seed="s", check=lambda: None)
    return early, counting.rows


def test_the_certificate_is_that_of_all_states_at_once(scorer, table):
    expected = at_once(scorer, table)
    assert expected is not None
    early, _ = begun(scorer, table)
    found = early.certificate(Counter())
    assert found.exact is None
    assert (found.certified_rows, found.certified_flips) == (expected.outcome.rows, expected.outcome.flips)
    assert found.bound == pytest.approx(expected.bound, abs=1e-6)
    exits = early.exits
    assert exits.layers == expected.exits.layers
    assert [one.clear for one in exits.exits] == pytest.approx([one.clear for one in expected.exits.exits], rel=1e-3)
    # Those without a text have no score.
    assert SampleSize.of(ROWS, share=BOUND.share).total > found.sample_rows > 600


def test_states_of_fitting_rows_alone_are_held(scorer, table):
    size = SampleSize.of(10**6, share=0.001)
    assert size.certifying == 10 * size.fitting
    # A file of which a larger share certifies than fits.
    bound = FlipBound(0.0002, 0.95)
    many = pa.concat_tables([table] * 8)
    size = SampleSize.of(many.num_rows, share=bound.share)
    assert size.certifying > size.fitting
    _, rows = begun(scorer, many, bound=bound)
    assert 0 < sum(rows) <= size.fitting


def test_the_first_rows_of_a_file_have_a_sample_as_large_as_that_of_the_file(scorer, table):
    early = EarlyRows(BOUND, model=scorer.model.early, encode=scorer.encode, text_columns=("text",))
    early.begin(lambda: iter([table]), seed="s", check=lambda: None, rows_of_file=10**6)
    found = early.certificate(Counter())
    size = SampleSize.of(10**6, share=BOUND.share)
    assert size.total > SampleSize.of(ROWS, share=BOUND.share).total
    assert 0.99 * size.total < found.sample_rows <= size.total


def test_a_sample_without_texts_makes_no_exits(scorer):
    early, _ = begun(scorer, pa.table({"text": ["good room"] * 1_000 + [None] * 11_000}))
    assert early.certificate(Counter()).exact == "the sample has too few rows with a text"
    assert early.exits is None
