"""The choice for long texts; their cuts and the pooling of windows against lists and the tokenizers library itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from scorer.classifier.long_text import LongText, SpecialTokens, head_and_tail, windows
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.classifier.tokenization import TextEncoder
from scorer.config import FitConfig
from scorer.errors import ConfigError, UsageError
from tests.classifier.test_tokenization import texts
from tests.models import ARCHITECTURES, sentences


def asked(**options) -> LongText:
    return LongText.of(FitConfig(train=Path("a"), **options))


def test_what_is_asked_for():
    assert asked() == LongText("truncate", 0, "mean")
    assert asked(long_text="head-tail") == LongText("head-tail", 0, "mean")
    assert asked(long_text="window", max_length=100) == LongText("window", 25, "mean")
    assert asked(long_text="window", stride=0, pooling="max") == LongText("window", 0, "max")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 8}, "--stride 8: is for windows"),
        ({"pooling": "mean", "long_text": "head-tail"}, "--pooling mean: is for windows"),
        ({"long_text": "window", "stride": 128}, "--stride 128: windows of --max-length 128 share fewer"),
    ],
)
def test_what_would_have_no_effect_is_a_usage_error(options, message):
    with pytest.raises(UsageError, match=message):
        asked(**options)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), max_size=5), st.sampled_from(["mean", "max"]), st.integers(0, 99))
def test_pooling_is_label_by_label(counts, pooling, seed):
    logits = np.random.default_rng(seed).normal(size=(sum(counts), 3)).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    found = LongText("window", 1, pooling).pool(logits, starts)
    expected = [getattr(logits[a:b], pooling)(axis=0) for a, b in pairwise(starts)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.reshape(expected, (-1, 3)), rtol=1e-5, atol=1e-6)


MAX_LENGTH = 24


def whole(rows: list[list[int]]) -> TokenSequences:
    lengths = [len(row) for row in rows]
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    flat = np.array([token for row in rows for token in row], np.int32)
    return TokenSequences(flat, offsets, np.array(lengths, np.int32), np.zeros(len(rows), np.bool_))


def listed(inputs: EncodedInputs) -> list[list[list[int]]]:
    """The token ids of each sequence of each input."""
    offsets = inputs.sequences.offsets
    rows = [inputs.sequences.ids[begin:end].tolist() for begin, end in pairwise(offsets)]
    return [rows[begin:end] for begin, end in pairwise(inputs.starts)]


def encoder(directory, max_length: int, **long_text) -> TextEncoder:
    tokenizer = AutoTokenizer.from_pretrained(directory).backend_tokenizer
    return TextEncoder(tokenizer, max_length=max_length, long_text=LongText(**long_text))


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(0, 2), st.integers(0, 2), st.integers(1, 9), st.data())
def test_windows_are_slices_that_share_the_stride(counts, prefix, suffix, room, data):
    stride = data.draw(st.integers(0, room - 1))
    special = SpecialTokens(prefix + room + suffix, prefix, suffix)
    before, after = [-1, -2][:prefix], [-3, -4][:suffix]
    texts = [list(range(100 * row, 100 * row + count)) for row, count in enumerate(counts)]
    found = listed(windows(whole([before + text + after for text in texts]), special, stride=stride))
    for text, cut in zip(texts, found, strict=True):
        expected, start = [text[:room]], 0
        while start + room < len(text):
            start += room - stride
            expected.append(text[start : start + room])
        assert cut == [before + part + after for part in expected]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(0, 2), st.integers(0, 2), st.integers(1, 9))
def test_head_and_tail_leave_out_the_middle(counts, prefix, suffix, room):
    before, after = [-1, -2][:prefix], [-3, -4][:suffix]
    texts = [list(range(100 * row, 100 * row + count)) for row, count in enumerate(counts)]
    cut = head_and_tail(
        whole([before + text + after for text in texts]), SpecialTokens(prefix + room + suffix, prefix, suffix)
    )
    head = room // 4
    kept = [text if len(text) <= room else text[:head] + text[head - room :] for text in texts]
    assert listed(cut) == [[before + text + after] for text in kept]
    assert cut.truncated.tolist() == [len(text) > room for text in texts]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("stride", [0, 6, 21])
def test_windows_are_those_of_the_tokenizers_own_overflow(tiny_model, architecture, stride):
    directory = tiny_model(architecture)
    some = [text[:600] for text in texts(seed=9)]
    found = encoder(directory, MAX_LENGTH, strategy="window", stride=stride)(some)
    oracle = AutoTokenizer.from_pretrained(directory)(
        some, truncation=True, max_length=MAX_LENGTH, stride=stride, return_overflowing_tokens=True
    )
    expected = [[] for _ in some]
    for ids, row in zip(oracle["input_ids"], oracle["overflow_to_sample_mapping"], strict=True):
        expected[row].append(ids)
    assert listed(found) == expected
    assert max(map(len, expected)) > 20
    assert not found.truncated.any()
    assert found.lengths.tolist() == [sum(map(len, rows)) for rows in expected]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_head_and_tail_are_those_of_the_whole_text(tiny_model, architecture):
    directory = tiny_model(architecture)
    some = texts(seed=10)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    found = encoder(directory, MAX_LENGTH, strategy="head-tail")(some)
    room = MAX_LENGTH - 2
    for row, text in enumerate(some):
        content = tokenizer(text, add_special_tokens=False)["input_ids"]
        short = content if len(content) <= room else content[: room // 4] + content[room // 4 - room :]
        begin, end = tokenizer("")["input_ids"]
        assert listed(found)[row] == [[begin, *short, end]], f"row {row}"
        assert bool(found.truncated[row]) == (len(content) > room), f"row {row}"


@pytest.mark.parametrize("strategy", ["head-tail", "window"])
def test_texts_that_fit_are_encoded_as_ever(tiny_model, strategy):
    some = sentences(20, longest=12)
    found = encoder(tiny_model("roberta"), 64, strategy=strategy)(some)
    plain = encoder(tiny_model("roberta"), 64)(some)
    assert found.one_each
    assert np.array_equal(found.sequences.ids, plain.sequences.ids)
    assert not found.truncated.any()


def test_the_parts_in_which_texts_are_encoded_do_not_show(tiny_model):
    """A million characters are more than are encoded at once."""
    some = texts(seed=11)
    some *= -(-1_000_000 // sum(map(len, some)))
    encode = encoder(tiny_model("bert"), MAX_LENGTH, strategy="window", stride=5)
    assert listed(encode(some)) == [listed(encode([text]))[0] for text in some]
    assert listed(encode([])) == []


def test_what_lies_beyond_the_bound_of_characters_is_left_out(tiny_model):
    text = "good " * 30_000 + "bad"
    directory = tiny_model("bert")
    window = encoder(directory, 128, strategy="window", stride=0)([text])
    tail = encoder(directory, 128, strategy="head-tail")([text])
    first = AutoTokenizer.from_pretrained(directory)("good")["input_ids"][1]
    assert window.truncated.tolist() == tail.truncated.tolist() == [True]
    assert len(window.sequences) == -(-20_000 // 126)
    assert listed(tail)[0][0][1:-2] == [first] * 125
    assert listed(tail)[0][0][-2] != first


def test_windows_need_room_to_advance(tiny_model):
    with pytest.raises(ConfigError, match=r"2 special tokens and the 9 that windows share leave no room.*say 12"):
        encoder(tiny_model("bert"), 11, strategy="window", stride=9)
    assert len(encoder(tiny_model("bert"), 12, strategy="window", stride=9)(["good " * 13]).sequences) == 4


@pytest.mark.parametrize("strategy", ["head-tail", "window"])
def test_pairs_are_refused(tiny_model, strategy):
    with pytest.raises(UsageError, match=f"--long-text {strategy} reads one text a row"):
        encoder(tiny_model("bert"), 32, strategy=strategy)(["a"], ["b"])
