"""What becomes of rows when the device has no memory or the logits are not finite, with fake forward passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.forward.resilient import Outcome, ResilientForward
from scorer.classifier.sequences import TokenSequences

LABELS = 3


class FakeForward:
    """Row i's logits are made of its tokens; more than `memory` tokens at once do not fit; `bad` tokens give NaN."""

    name = "fake"

    def __init__(self, *, memory: float = float("inf"), bad: int | None = None, infinite: bool = False) -> None:
        self.memory = memory
        self.bad = bad
        self.value = np.float32("-inf") if infinite else np.float32("nan")
        self.batches: list[int] = []

    def __call__(self, batch: TokenSequences) -> np.ndarray:
        self.batches.append(len(batch))
        if len(batch) * int(batch.lengths.max(initial=0)) > self.memory:
            raise DeviceOutOfMemory("fake")
        logits = np.array([logits_of(ids) for ids in tokens(batch)], np.float32)
        for row, ids in enumerate(tokens(batch)):
            if self.bad in ids:
                logits[row, 1] = self.value
        return logits


def tokens(batch: TokenSequences) -> list[list[int]]:
    bounds = zip(batch.offsets[:-1], batch.offsets[1:], strict=True)
    return [batch.ids[begin:end].tolist() for begin, end in bounds]


def logits_of(ids: list[int]) -> list[float]:
    return [float(sum(ids)), float(len(ids)), float(ids[0])]


def sequences(rows: list[list[int]]) -> TokenSequences:
    lengths = [len(row) for row in rows]
    flat = np.array([token for row in rows for token in row], np.int32)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return TokenSequences(flat, offsets, np.array(lengths, np.int32), np.zeros(len(rows), np.bool_))


def no_second_model():
    raise AssertionError("fp32 was asked for without need")


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=9), min_size=1, max_size=20), st.integers(1, 60))
def test_what_fits_alone_is_scored_and_what_does_not_is_told(rows, memory):
    forward = ResilientForward(FakeForward(memory=memory), in_fp32=no_second_model, labels=LABELS)
    logits, outcomes = forward(sequences(rows))
    for row, ids in enumerate(rows):
        fits = len(ids) <= memory
        assert outcomes[row] == (Outcome.SCORED if fits else Outcome.OUT_OF_MEMORY)
        assert logits[row].tolist() == (logits_of(ids) if fits else [0.0] * LABELS)
    too_large = len(rows) * max(map(len, rows)) > memory
    assert (forward.back_offs > 0) == too_large


def test_a_device_without_any_memory_ends():
    fake = FakeForward(memory=0)
    logits, outcomes = ResilientForward(fake, in_fp32=no_second_model, labels=LABELS)(sequences([[1, 2]] * 8))
    assert outcomes.tolist() == [Outcome.OUT_OF_MEMORY] * 8
    assert not logits.any()
    assert sorted(fake.batches) == [1] * 8 + [2] * 4 + [4] * 2 + [8]


@pytest.mark.parametrize("infinite", [False, True])
def test_rows_that_are_not_finite_are_computed_again_in_fp32_once_made(infinite):
    made = []

    def in_fp32() -> FakeForward:
        made.append(FakeForward(bad=99))
        return made[-1]

    forward = ResilientForward(FakeForward(bad=7, infinite=infinite), in_fp32=in_fp32, labels=LABELS)
    rows = [[1, 2], [7, 3], [4], [7, 99], [7]]
    logits, outcomes = forward(sequences(rows))
    forward(sequences([[7]]))

    assert len(made) == 1
    assert made[0].batches == [3, 1], "rows of one batch are computed again together"
    assert (forward.rows, forward.recomputed) == (6, 4)
    lost = [row == [7, 99] for row in rows]
    assert outcomes.tolist() == [Outcome.NONFINITE if gone else Outcome.SCORED for gone in lost]
    expected = [[0.0] * LABELS if gone else logits_of(row) for row, gone in zip(rows, lost, strict=True)]
    assert logits.tolist() == expected


def test_no_memory_for_the_second_look():
    forward = ResilientForward(FakeForward(bad=7), in_fp32=lambda: FakeForward(memory=1), labels=LABELS)
    logits, outcomes = forward(sequences([[7, 7], [1]]))
    assert outcomes.tolist() == [Outcome.OUT_OF_MEMORY, Outcome.SCORED]
    assert logits[0].tolist() == [0.0] * LABELS


def test_the_size_that_failed_is_remembered_and_tried_again_later():
    fake = FakeForward(memory=40)
    forward = ResilientForward(fake, in_fp32=no_second_model, labels=LABELS)
    forward(sequences([[1] * 5] * 16))
    assert (fake.batches, forward.back_offs) == ([16, 8, 8], 1)
    forward(sequences([[1] * 4] * 20))
    assert (fake.batches[3:], forward.back_offs) == ([10, 10], 1), "a shape of the same size is cut beforehand"
    forward(sequences([[1]] * 79))
    assert (fake.batches[5:], forward.back_offs) == ([79, 40, 39], 2), "a smaller one is tried"
    fake.memory = 1000
    for _ in range(200):
        logits, outcomes = forward(sequences([[1] * 5] * 16))
        assert not outcomes.any()
        assert logits.tolist() == [logits_of([1] * 5)] * 16
    assert fake.batches[-1] == 16
    assert forward.back_offs == 2


def test_a_row_that_never_fits_does_not_make_all_batches_small():
    """As long as the others do, and however often it comes: only what failed as a batch is cut beforehand."""

    class Quadratic(FakeForward):
        def __call__(self, batch: TokenSequences) -> np.ndarray:
            if batch.lengths.max() > 20:
                self.batches.append(len(batch))
                raise DeviceOutOfMemory("fake")
            return super().__call__(batch)

    fake = Quadratic()
    forward = ResilientForward(fake, in_fp32=no_second_model, labels=LABELS)
    for _ in range(3):
        _, outcomes = forward(sequences([[1] * 21, *[[1] * 20] * 31]))
        assert outcomes.tolist() == [Outcome.OUT_OF_MEMORY] + [Outcome.SCORED] * 31
    fake.batches.clear()
    forward(sequences([[1] * 20] * 32))
    assert fake.batches == [32]


def test_memory_that_is_short_for_the_second_look_halves_that():
    forward = ResilientForward(FakeForward(bad=7), in_fp32=lambda: FakeForward(memory=4), labels=LABELS)
    logits, outcomes = forward(sequences([[7, 7], [7, 1], [7, 2], [7, 3], [1, 1]]))
    assert not outcomes.any()
    assert logits.tolist() == [logits_of(row) for row in ([7, 7], [7, 1], [7, 2], [7, 3], [1, 1])]
    assert forward.back_offs == 1


def test_other_errors_are_not_swallowed():
    class Broken:
        name = "broken"

        def __call__(self, batch: TokenSequences) -> np.ndarray:
            raise RuntimeError(f"{len(batch)} rows")

    with pytest.raises(RuntimeError, match="2 rows"):
        ResilientForward(Broken(), in_fp32=no_second_model, labels=LABELS)(sequences([[1], [2]]))
