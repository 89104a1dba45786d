"""Histograms against a slow count, and profiles that cannot be."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES, Profile, histogram, label_counts

PROFILE = Profile(
    training_labels=(4, 6, 0),
    rows=6,
    lengths=(0, 1, 2, 3, *[0] * (len(LENGTH_EDGES) - 3)),
    truncated_share=0.5,
    unknown_token=1,
    unknown_share=0.01,
    validation_rows=3,
    true_labels=(1, 2, 0),
    predicted_labels=(2, 1, 0),
    confidences=(3, *[0] * len(CONFIDENCE_EDGES)),
)


@pytest.mark.parametrize("edges", [LENGTH_EDGES, CONFIDENCE_EDGES])
def test_a_bin_holds_what_is_above_its_lower_edge_and_at_most_its_upper_one(edges):
    values = np.random.default_rng(0).choice([*edges, *(edge * 0.99 for edge in edges), max(edges) * 2], size=500)
    bounds = [-np.inf, *edges, np.inf]
    expected = [sum(low < value <= high for value in values) for low, high in pairwise(bounds)]
    assert histogram(values, edges).tolist() == expected


def test_nothing_to_count():
    assert histogram(np.zeros(0), (1, 2)).tolist() == [0, 0, 0]
    assert label_counts(np.zeros((0, 2), np.bool_)).tolist() == [0, 0, 0]


def test_rows_by_label_and_those_without_any():
    chosen = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], np.int8)
    assert label_counts(chosen).tolist() == [3, 1, 1]


def test_a_profile_survives_json():
    document = json.loads(json.dumps(dataclasses.asdict(PROFILE)))
    assert Profile.from_document(document) == PROFILE
    PROFILE.check(labels=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": (1,)},
        {"lengths": (-1, *PROFILE.lengths[1:])},
        {"lengths": (True, *PROFILE.lengths[1:])},
        {"true_labels": (1, 2)},
        {"training_labels": (1, 2)},
        {"predicted_labels": (1, 2, 3, 4)},
        {"length_edges": (4, 4, *LENGTH_EDGES[2:])},
        {"confidence_edges": (float("nan"), *CONFIDENCE_EDGES[1:])},
        {"truncated_share": 1.5},
        {"unknown_share": float("nan")},
        {"unknown_token": "1"},
    ],
)
def test_what_is_no_profile(changes):
    with pytest.raises(ValueError, match="profile"):
        dataclasses.replace(PROFILE, **changes).check(labels=2)
