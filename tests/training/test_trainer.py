"""The order of training examples."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.training.trainer import EpochOrder

LENGTHS = [int(length) for length in np.random.default_rng(0).integers(3, 60, 1003)]


def order(*, seed: int = 0, epoch: int = 0, batch: int = 8, lengths: list[int] = LENGTHS) -> list[int]:
    sampler = EpochOrder(batch, lengths, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def batches(rows: list[int], batch: int = 8) -> list[list[int]]:
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 1003])
def test_every_row_comes_once(count: int) -> None:
    assert sorted(order(lengths=LENGTHS[:count])) == list(range(count))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)
    assert order(seed=0, epoch=1) != order(seed=1, epoch=0)


def test_batches_hold_similar_lengths_in_no_particular_order() -> None:
    means = [np.mean([LENGTHS[row] for row in batch]) for batch in batches(order())]
    spreads = [np.ptp([LENGTHS[row] for row in batch]) for batch in batches(order())[1:-1]]
    assert np.mean(spreads) < 4 < np.ptp(LENGTHS) / 4
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_the_longest_row_comes_first() -> None:
    assert LENGTHS[order()[0]] == max(LENGTHS)
