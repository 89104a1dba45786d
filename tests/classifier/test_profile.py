"""Histograms against a slow count, and profiles that cannot be."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

from scorer.classifier.profile import (
    CONFIDENCE_EDGES,
    LENGTH_EDGES,
    UNKNOWN_EDGES,
    Profile,
    histogram,
    label_counts,
    unknown_histogram,
)

PROFILE = Profile(
    training_labels=(4, 6, 0),
    rows=6,
    lengths=(0, 1, 2, 3, *[0] * (len(LENGTH_EDGES) - 3)),
    truncated_share=0.5,
    unknown_token=1,
    unknown_share=0.01,
    unknowns=(5, 1, *[0] * (len(UNKNOWN_EDGES) - 1)),
    validation_rows=3,
    true_labels=(1, 2, 0),
    predicted_labels=(2, 1, 0),
    confidences=(3, *[0] * len(CONFIDENCE_EDGES)),
)


@pytest.mark.parametrize("edges", [LENGTH_EDGES, CONFIDENCE_EDGES, UNKNOWN_EDGES])
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


def test_rows_by_their_share_of_unknown_tokens():
    unknown, tokens = np.array([0, 1, 1, 3, 30, 0]), np.array([12, 100, 5, 5, 30, 0])
    assert unknown_histogram(unknown, tokens, (0.0, 0.1, 0.2, 0.6)).tolist() == [2, 1, 1, 1, 1]


def test_a_profile_of_an_earlier_version_does_not_tell_unknown_tokens_by_row():
    document = json.loads(json.dumps(dataclasses.asdict(PROFILE)))
    del document["unknown_edges"], document["unknowns"]
    found = Profile.from_document(document)
    assert found == dataclasses.replace(PROFILE, unknowns=None)
    found.check(labels=2)


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
        {"unknown_token": None},
        {"unknowns": (6,)},
        {"unknowns": (6.0, *PROFILE.unknowns[1:])},
        {"unknown_edges": (0.0, 0.2, 0.1, 0.3, 0.5)},
        {"unknown_edges": (0.0, 0.2, 0.1), "unknowns": None},
        {"rows": -1},
        {"rows": "6"},
    ],
)
def test_what_is_no_profile(changes):
    with pytest.raises(ValueError, match="profile"):
        dataclasses.replace(PROFILE, **changes).check(labels=2)
