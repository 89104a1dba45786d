"""Every row of a stream is equally likely to be in the sample."""

from __future__ import annotations

import numpy as np

from scorer.checking.sample import Sample


def rows(first: int, count: int) -> list[tuple[str, ...]]:
    return [(str(number),) for number in range(first, first + count)]


def test_a_short_stream_is_kept_whole():
    sample = Sample(10)
    sample.add(rows(0, 4))
    sample.add(rows(4, 6))
    assert sample.complete
    assert sample.texts == rows(0, 10)
    sample.add(rows(10, 1))
    assert not sample.complete
    assert len(sample.texts) == 10


def test_a_long_stream_is_sampled_evenly_and_always_alike():
    def drawn() -> Sample:
        sample = Sample(1_000)
        for window in range(10):
            sample.add(rows(window * 1_000, 1_000))
        return sample

    numbers = np.array([int(text) for (text,) in drawn().texts])
    assert len(set(numbers.tolist())) == 1_000
    # Of each tenth about 100 rows, with a standard deviation of 9.5.
    assert (np.abs(np.bincount(numbers // 1_000) - 100) < 40).all()
    assert drawn().texts == drawn().texts


def test_long_texts_are_cut_and_their_length_is_kept():
    sample = Sample(2)
    sample.add([("x" * 30_000, "yz")])
    assert (len(sample.texts[0][0]), sample.texts[0][1], sample.lengths) == (10_000, "yz", [30_002])
