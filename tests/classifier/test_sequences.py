"""Ragged sequences, and inputs of several of them, against lists of lists."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.classifier.sequences import EncodedInputs, TokenSequences

Rows = list[tuple[list[int], int, bool]]


def rows(*, smallest: int = 0) -> st.SearchStrategy[Rows]:
    """Sequences as (ids, how many of them are of type 0, truncated)."""
    ids = st.lists(st.integers(1, 2**31 - 1), max_size=6)
    row = ids.flatmap(lambda ids: st.tuples(st.just(ids), st.integers(0, len(ids)), st.booleans()))
    return st.lists(row, min_size=smallest, max_size=6)


def of(rows: Rows) -> TokenSequences:
    flat = [token for ids, _, _ in rows for token in ids]
    return TokenSequences(
        ids=np.array(flat, np.int32),
        offsets=np.array([sum(len(ids) for ids, _, _ in rows[:end]) for end in range(len(rows) + 1)], np.int64),
        first=np.array([first for _, first, _ in rows], np.int32),
        truncated=np.array([truncated for _, _, truncated in rows], np.bool_),
    )


def listed(sequences: TokenSequences) -> Rows:
    bounds = zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)
    ids = [sequences.ids[begin:end].tolist() for begin, end in bounds]
    return list(zip(ids, sequences.first.tolist(), sequences.truncated.tolist(), strict=True))


@given(rows(smallest=1), st.data())
def test_take_gives_the_rows_asked_for_in_that_order(some, data):
    wanted = data.draw(st.lists(st.integers(0, len(some) - 1), max_size=8))
    taken = of(some).take(np.array(wanted, np.int64))
    assert listed(taken) == [some[row] for row in wanted]
    assert (taken.ids.dtype, taken.offsets.dtype) == (np.int32, np.int64)


@given(st.lists(rows(), max_size=4))
def test_concatenate_joins_in_order(parts):
    assert listed(TokenSequences.concatenate([of(part) for part in parts])) == [row for part in parts for row in part]


@given(rows(), st.integers(0, 9))
def test_padded_is_a_rectangle_filled_on_the_right(some, pad):
    longest = max((len(ids) for ids, _, _ in some), default=0)
    ids, mask, types = of(some).padded(pad)
    assert ids.shape == mask.shape == types.shape == (len(some), longest)
    for row, (expected, first, _) in enumerate(some):
        spare = longest - len(expected)
        assert ids[row].tolist() == expected + [pad] * spare
        assert mask[row].tolist() == [1] * len(expected) + [0] * spare
        assert types[row].tolist() == [0] * first + [1] * (len(expected) - first) + [0] * spare


def test_no_sequences_at_all():
    empty = TokenSequences.empty()
    assert len(empty) == 0
    assert listed(TokenSequences.concatenate([])) == []
    assert empty.padded(0)[0].shape == (0, 0)
    with pytest.raises(IndexError):
        empty.take(np.array([0]))


InputRows = list[list[tuple[int, bool]]]


def input_rows(*, smallest: int = 0) -> st.SearchStrategy[InputRows]:
    """Inputs as their sequences, each as (how many tokens, truncated)."""
    sequence = st.tuples(st.integers(1, 4), st.booleans())
    single = st.lists(st.lists(sequence, min_size=1, max_size=1), min_size=smallest, max_size=5)
    return single | st.lists(st.lists(sequence, min_size=1, max_size=3), min_size=smallest, max_size=5)


def inputs_of(some: InputRows) -> EncodedInputs:
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
@given(input_rows())
def test_lengths_and_truncation_are_those_of_all_sequences(some):
    inputs = inputs_of(some)
    assert len(inputs) == len(some)
    assert inputs.lengths.tolist() == [sum(length for length, _ in row) for row in some]
    assert inputs.truncated.tolist() == [any(truncated for _, truncated in row) for row in some]
    assert inputs.one_each == all(len(row) == 1 for row in some)


@settings(deadline=None)
@given(input_rows())
def test_a_token_is_counted_in_all_sequences_of_its_input(some):
    inputs = inputs_of(some)
    inputs = EncodedInputs(dataclasses.replace(inputs.sequences, ids=inputs.sequences.ids % 3), inputs.starts)
    assert inputs.count(1).tolist() == [sum(sequence.count(1) for sequence in row) for row in ids(inputs)]


@settings(deadline=None)
@given(input_rows(smallest=1), st.data())
def test_take_gives_the_inputs_asked_for_in_that_order(some, data):
    inputs = inputs_of(some)
    wanted = data.draw(st.lists(st.integers(0, len(some) - 1), max_size=6))
    taken = inputs.take(np.array(wanted, np.int64))
    assert ids(taken) == [ids(inputs)[row] for row in wanted]
    assert taken.starts.dtype == np.int64


@settings(deadline=None)
@given(st.lists(input_rows(), max_size=3))
def test_concatenate_joins_inputs_in_order(parts):
    made = [inputs_of(part) for part in parts]
    assert ids(EncodedInputs.concatenate(made)) == [row for part in made for row in ids(part)]
