"""Inputs of several sequences against lists of lists."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.classifier.inputs import EncodedInputs, concatenate
from scorer.classifier.sequences import TokenSequences

Rows = list[list[tuple[int, bool]]]


def rows(*, smallest: int = 0) -> st.SearchStrategy[Rows]:
    """Inputs as their sequences, each as (how many tokens, truncated)."""
    sequence = st.tuples(st.integers(1, 4), st.booleans())
    single = st.lists(st.lists(sequence, min_size=1, max_size=1), min_size=smallest, max_size=5)
    return single | st.lists(st.lists(sequence, min_size=1, max_size=3), min_size=smallest, max_size=5)


def of(some: Rows) -> EncodedInputs:
    flat = [sequence for row in some for sequence in row]
    lengths = [length for length, _ in flat]
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    truncated = np.array([truncated for _, truncated in flat], np.bool_)
    sequences = TokenSequences(np.arange(offsets[-1], dtype=np.int32), offsets, np.array(lengths, np.int32), truncated)
    return EncodedInputs(sequences, np.concatenate(([0], np.cumsum([len(row) for row in some], dtype=np.int64))))


def ids(inputs: EncodedInputs) -> list[list[list[int]]]:
    offsets = inputs.sequences.offsets
    cut = [inputs.sequences.ids[begin:end].tolist() for begin, end in pairwise(offsets)]
    return [cut[begin:end] for begin, end in pairwise(inputs.starts)]


@settings(deadline=None)
@given(rows())
def test_lengths_and_truncation_are_those_of_all_sequences(some):
    inputs = of(some)
    assert len(inputs) == len(some)
    assert inputs.lengths.tolist() == [sum(length for length, _ in row) for row in some]
    assert inputs.truncated.tolist() == [any(truncated for _, truncated in row) for row in some]
    assert inputs.one_each == all(len(row) == 1 for row in some)


@settings(deadline=None)
@given(rows())
def test_a_token_is_counted_in_all_sequences_of_its_input(some):
    inputs = of(some)
    inputs = EncodedInputs(dataclasses.replace(inputs.sequences, ids=inputs.sequences.ids % 3), inputs.starts)
    assert inputs.count(1).tolist() == [sum(sequence.count(1) for sequence in row) for row in ids(inputs)]


@settings(deadline=None)
@given(rows(smallest=1), st.data())
def test_take_gives_the_inputs_asked_for_in_that_order(some, data):
    inputs = of(some)
    wanted = data.draw(st.lists(st.integers(0, len(some) - 1), max_size=6))
    taken = inputs.take(np.array(wanted, np.int64))
    assert ids(taken) == [ids(inputs)[row] for row in wanted]
    assert taken.starts.dtype == np.int64


@settings(deadline=None)
@given(st.lists(rows(), max_size=3))
def test_concatenate_joins_in_order(parts):
    made = [of(part) for part in parts]
    assert ids(concatenate(made)) == [row for part in made for row in ids(part)]
