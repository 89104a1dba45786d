"""The stratified split, over random label counts, and the folds: every class spread evenly, equal texts together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.examples.split import rarest_labels, stratified_folds, stratified_split


def split(
    classes: list[int], fraction: float, seed: int = 0, groups: list[int] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers = np.arange(len(classes)) if groups is None else np.array(groups)
    return stratified_split(np.array(classes), numbers, fraction=fraction, seed=seed)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.floats(0.01, 0.9), st.integers(0, 5))
def test_every_row_is_on_one_side_and_every_class_gives_its_share(
    counts: list[int], fraction: float, seed: int
) -> None:
    classes = [class_ for class_, count in enumerate(counts) for _ in range(count)]
    train, valid = split(classes, fraction, seed)
    assert sorted([*train, *valid]) == list(range(len(classes)))
    for class_, count in enumerate(counts):
        held_out = sum(classes[row] == class_ for row in valid)
        assert held_out <= count - 1
        assert held_out >= min(int(count * fraction), count - 1)
        assert held_out <= int(count * fraction) + 1
    assert bool(len(valid)) == any(count > 1 for count in counts)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=80), st.integers(0, 5))
def test_equal_texts_stay_together(rows: list[tuple[int, int]], seed: int) -> None:
    groups = [group for _, group in rows]
    train, valid = split([class_ for class_, _ in rows], 0.3, seed, groups)
    assert not {groups[row] for row in train} & {groups[row] for row in valid}
    assert sorted([*train, *valid]) == list(range(len(rows)))


def test_the_whole_share_is_met_where_classes_are_large() -> None:
    train, valid = split([0] * 50 + [1] * 30 + [2] * 20, 0.1)
    assert (len(train), len(valid)) == (90, 10)
    assert np.bincount(np.array([0] * 50 + [1] * 30 + [2] * 20)[valid]).tolist() == [5, 3, 2]


def test_the_seed_decides() -> None:
    classes = [0, 1] * 100
    assert split(classes, 0.2, 1)[1].tolist() == split(classes, 0.2, 1)[1].tolist()
    assert split(classes, 0.2, 1)[1].tolist() != split(classes, 0.2, 2)[1].tolist()


def test_a_class_with_one_example_is_trained_on() -> None:
    train, valid = split([0] * 20 + [1], 0.5)
    assert 20 in train
    assert len(valid) == 10


def test_several_labels_count_for_the_rarest() -> None:
    targets = np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], np.int8)
    assert rarest_labels(targets).tolist() == [2, 1, 0, 3, 1]


def test_a_rare_label_beside_common_ones_is_on_both_sides() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((2000, 4)) < (0.9, 0.5, 0.3, 0.01)).astype(np.int8)
    train, valid = stratified_split(targets, np.arange(2000), fraction=0.2, seed=0)
    assert sorted([*train, *valid]) == list(range(2000))
    assert abs(int(targets[valid, 3].sum()) - 0.2 * int(targets[:, 3].sum())) <= 1
    np.testing.assert_allclose(targets[valid].mean(axis=0), targets.mean(axis=0), atol=0.05)


@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=4, max_size=30), st.integers(0, 20))
def test_every_one_of_several_labels_is_trained_on(rows: list[list[int]], seed: int) -> None:
    targets = np.zeros((len(rows), 6), np.int8)
    for row, labels in enumerate(rows):
        targets[row, labels] = 1
    train, valid = stratified_split(targets, np.arange(len(rows)), fraction=0.5, seed=seed)
    assert sorted([*train, *valid]) == list(range(len(rows)))
    assert targets[train].any(axis=0).tolist() == targets.any(axis=0).tolist()


def test_a_label_that_stands_beside_rarer_ones_alone_is_trained_on() -> None:
    """Label 2 counts for neither of its rows, and by chance both may be held out."""
    targets = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]], np.int8)
    for seed in range(30):
        train, _ = stratified_split(targets, np.arange(4), fraction=0.5, seed=seed)
        assert targets[train].any(axis=0).all()


def test_a_label_that_only_contradicts_equal_texts_is_trained_on() -> None:
    for seed in range(30):
        train, valid = stratified_split(np.array([0, 0, 0, 0, 1]), np.array([0, 1, 2, 3, 3]), fraction=0.5, seed=seed)
        assert 4 in train
        assert len(valid)


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


def test_the_seed_decides_the_folds() -> None:
    classes, groups = np.arange(60) % 3, np.arange(60)
    once, again, other = (stratified_folds(classes, groups, folds=3, seed=seed) for seed in (5, 5, 6))
    assert (once == again).all()
    assert (once != other).any()
