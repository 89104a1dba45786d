"""Folds: every class spread evenly, equal texts together."""

from __future__ import annotations

import numpy as np

from scorer.examples.folds import stratified_folds


def test_folds_are_even_in_size_and_in_every_class() -> None:
    draw = np.random.default_rng(0)
    classes = draw.choice(4, 503, p=[0.6, 0.3, 0.09, 0.01])
    folds = stratified_folds(classes, np.arange(503), folds=5, seed=1)
    assert np.ptp(np.bincount(folds, minlength=5)) <= 1
    for class_ in range(4):
        assert np.ptp(np.bincount(folds[classes == class_], minlength=5)) <= 1


def test_equal_texts_are_in_one_fold() -> None:
    draw = np.random.default_rng(1)
    groups = draw.integers(0, 40, 300)
    folds = stratified_folds(draw.integers(0, 3, 300), groups, folds=4, seed=2)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(40))
    assert set(folds.tolist()) == {0, 1, 2, 3}


def test_the_seed_decides() -> None:
    classes, groups = np.arange(60) % 3, np.arange(60)
    once, again, other = (stratified_folds(classes, groups, folds=3, seed=seed) for seed in (5, 5, 6))
    assert (once == again).all()
    assert (once != other).any()
