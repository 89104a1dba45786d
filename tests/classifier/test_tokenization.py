"""Token ids against the tokenizer of transformers itself, for every architecture, and the short way for plain texts."""

from __future__ import annotations

import json
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace
from tokenizers.processors import BertProcessing
from transformers import AutoTokenizer

from scorer.classifier.directory import open_model
from scorer.classifier.loading import load
from scorer.classifier.sequences import EncodedInputs
from scorer.classifier.tokenization import BatchTokenizer, TextEncoder
from scorer.errors import ConfigError
from tests.models import ARCHITECTURES, sentences

MAX_LENGTH = 32
ODD = [
    "",
    " ",
    "\n\t ",
    "a",
    "x" * 5000,
    "服务很好" * 300,
    "nothing  but   spaces" + " " * 3000 + "end",
    " " * 700 + "late word",
    "word" + " " * 400 + "x " * 50,
    "tabs\tand\nlines " * 60,
    "e\u0301 cafe\u0301 " * 80,
    "👩\u200d👩\u200d👧 👎🏽 " * 60,
    "\u202eright to left\u202c שלום عليكم " * 40,
    "[SEP] [CLS] <s> </s> <mask> [MASK] " * 30,
    "good <mask>" + "  <mask>" * 80,
    "\x00 null \x00",
    "non\u00a0breaking\u00a0space " * 50,
    "good room " * 15 + "\u0301\u0301 combined",
    "ａｂｃ ﬁne ½ ™ " * 60,
]


def texts(seed: int) -> list[str]:
    """Ordinary sentences, odd cases, and random mixtures whose length straddles the cut."""
    draw = random.Random(seed)
    alphabet = ["good", "awful", "x", " ", "  ", "\n", "服务", "é", "e\u0301", "😀", "\u200b", ".", "-", "unbelievable"]
    mixed = ["".join(draw.choices(alphabet, k=draw.choice([5, 40, 150, 600]))) for _ in range(40)]
    spaced = [" ".join(draw.choices(alphabet, k=draw.choice([30, 60, 90, 400]))) for _ in range(40)]
    return [*sentences(40, seed=seed, longest=60), *ODD, *mixed, *spaced]


def encoder(directory, max_length: int) -> TextEncoder:
    return TextEncoder(AutoTokenizer.from_pretrained(directory).backend_tokenizer, max_length=max_length)


def compare(directory, encoded, firsts, seconds, max_length):
    """Every row's ids, token types and truncation as transformers says them."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    both = [firsts] if seconds is None else [firsts, seconds]
    oracle = tokenizer(*both, truncation=True, max_length=max_length, return_token_type_ids=True)
    whole = tokenizer(*both, truncation=False)["input_ids"]
    assert encoded.one_each
    encoded = encoded.sequences
    for row in range(len(firsts)):
        ids = encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]].tolist()
        types = [0] * int(encoded.first[row]) + [1] * (len(ids) - int(encoded.first[row]))
        assert ids == oracle["input_ids"][row], f"row {row}"
        assert types == oracle["token_type_ids"][row], f"row {row}"
        assert bool(encoded.truncated[row]) == (len(whole[row]) > max_length), f"row {row}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_single_texts_are_encoded_as_transformers_does(tiny_model, architecture):
    directory = tiny_model(architecture)
    some = texts(seed=3)
    compare(directory, encoder(directory, MAX_LENGTH)(some), some, None, MAX_LENGTH)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pairs_are_encoded_as_transformers_does(tiny_model, architecture):
    directory = tiny_model(architecture)
    # The oracle's own truncation is quadratic in the length of pairs.
    firsts, seconds = ([text[:600] for text in texts(seed)] for seed in (4, 5))
    random.Random(6).shuffle(seconds)
    compare(directory, encoder(directory, MAX_LENGTH)(firsts, seconds), firsts, seconds, MAX_LENGTH)


def test_the_length_limit_itself_is_not_truncated(tiny_model):
    directory = tiny_model("bert")
    words = ["good " * count for count in range(27, 34)]
    encoded = encoder(directory, MAX_LENGTH)(words)
    assert encoded.lengths.tolist() == [29, 30, 31, 32, 32, 32, 32]
    assert encoded.truncated.tolist() == [False] * 4 + [True] * 3


def test_nothing_to_encode(tiny_model):
    assert len(encoder(tiny_model("bert"), MAX_LENGTH)([])) == 0


@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("unit", ["good room ", "服务很好", "x", " "], ids=["words", "no-spaces", "one-word", "spaces"])
def test_ten_megabytes_are_cut_off_within_a_second(tiny_model, architecture, unit):
    encode = encoder(tiny_model(architecture), 128)
    text = unit * (10_000_000 // len(unit.encode()))
    begun = time.process_time()
    encoded = encode([text])
    seconds = time.process_time() - begun
    assert encoded.truncated.tolist() == [True]
    assert encoded.lengths[0] <= 128
    assert seconds < 1.0


def test_ten_megabytes_twice_in_a_pair(tiny_model):
    encode = encoder(tiny_model("bert"), 128)
    text = "good room " * 1_000_000
    begun = time.process_time()
    encoded = encode([text, "good", text], ["good", text, text])
    seconds = time.process_time() - begun
    assert encoded.truncated.tolist() == [True] * 3
    assert encoded.lengths.tolist() == [128] * 3
    assert encoded.sequences.first.tolist() == [128 - 2, 3, 62 + 2]
    assert seconds < 2.0


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
@pytest.mark.parametrize("max_length", [6, 7, 8, 11])
def test_every_way_to_share_a_few_tokens_between_two_texts(tiny_model, architecture, max_length):
    directory = tiny_model(architecture)
    counts = [(first, second) for first in range(9) for second in range(9)]
    firsts, seconds = ([" ".join(["good"] * pair[side]) for pair in counts] for side in (0, 1))
    compare(directory, encoder(directory, max_length)(firsts, seconds), firsts, seconds, max_length)


def test_a_pair_needs_room_for_its_special_tokens(tiny_model):
    with pytest.raises(ConfigError, match="needs 4 special tokens and one of each text; say 6 at least"):
        encoder(tiny_model("roberta"), 5)(["a"], ["b"])
    assert encoder(tiny_model("roberta"), 5)(["good " * 9]).lengths.tolist() == [5]


def test_the_encoder_sees_the_same_tokens_however_long_the_rest_is(tiny_model):
    encode = encoder(tiny_model("modernbert"), MAX_LENGTH)
    text = " ".join(sentences(300, seed=8))
    whole, head = encode([text]), encode([text[:5000]])
    assert np.array_equal(whole.sequences.ids, head.sequences.ids)


def test_without_token_types_both_texts_have_type_zero(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("albert")).backend_tokenizer
    encoded = TextEncoder(tokenizer, max_length=32, token_types=False)(["good room"], ["bad soup"])
    assert encoded.sequences.first.tolist() == encoded.lengths.tolist()


def test_many_texts_are_encoded_as_few_are(tiny_model):
    """9,000 texts are more than are encoded at once, 500 are fewer."""
    encode = encoder(tiny_model("bert"), 16)
    firsts, seconds = sentences(9_000, seed=4), sentences(9_000, seed=5)
    parts = [slice(start, start + 500) for start in range(0, len(firsts), 500)]
    alone = EncodedInputs.concatenate([encode(firsts[part]) for part in parts])
    pairs = EncodedInputs.concatenate([encode(firsts[part], seconds[part]) for part in parts])
    for many, few in ((encode(firsts), alone), (encode(firsts, seconds), pairs)):
        assert many.starts.tolist() == few.starts.tolist()
        for name, values in vars(few.sequences).items():
            np.testing.assert_array_equal(vars(many.sequences)[name], values)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_texts_are_cut_off_at_the_side_that_the_tokenizer_names(tiny_model, tmp_path, architecture):
    """transformers keeps the end of a text where a tokenizer's truncation_side is left."""
    directory = Path(shutil.copytree(tiny_model(architecture), tmp_path / "model"))
    config = directory / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"truncation_side": "left"}))
    loaded = load(open_model(str(directory)), max_length=MAX_LENGTH)
    encode = TextEncoder(loaded.tokenizer, max_length=MAX_LENGTH, truncation_side=loaded.truncation_side)
    some, firsts, seconds = texts(seed=3), *([text[:600] for text in texts(seed)] for seed in (4, 5))
    random.Random(6).shuffle(seconds)
    compare(directory, encode(some), some, None, MAX_LENGTH)
    compare(directory, encode(firsts, seconds), firsts, seconds, MAX_LENGTH)


def test_ten_megabytes_that_are_cut_off_at_the_left(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    encode = TextEncoder(tokenizer.backend_tokenizer, max_length=MAX_LENGTH, truncation_side="left")
    end = "bad soup"
    encoded = encode(["good room " * 1_000_000 + end], None)
    kept = tokenizer.convert_ids_to_tokens(encoded.sequences.ids.tolist())
    assert encoded.truncated.tolist() == [True]
    assert kept[-3:] == ["bad", "soup", "[SEP]"]
    assert len(kept) == MAX_LENGTH


def test_a_text_has_the_same_tokens_every_time(tiny_model):
    """Merges that a tokenizer leaves out by chance are for its training; a score shall not be another each time."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("roberta")).backend_tokenizer
    some = sentences(30, seed=1)
    expected = TextEncoder(tokenizer, max_length=MAX_LENGTH)(some).sequences.ids
    tokenizer.model.dropout = 0.5
    encode = TextEncoder(tokenizer, max_length=MAX_LENGTH)
    assert np.array_equal(encode(some).sequences.ids, expected)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "##b", "A", "##A", "!", ".", "[", "]", "e", "cafe", "cls"]
PIECES = ["a", "b", "A", "B", "e", "!", ".", "[", " ", "\n", "\t", "[CLS]", "[cls]", "e\u0301", "\x00", "\x0b"]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.text(st.characters(max_codepoint=127), max_size=30),
    st.text(),
)


def tokenizer(normalizer=None, pre_tokenizer=None, *, added: str = "") -> Tokenizer:
    made = Tokenizer(WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizer or BertNormalizer()
    made.pre_tokenizer = pre_tokenizer or BertPreTokenizer()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    made.add_tokens([added] if added else [])
    made.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def seen(encoding):
    return encoding.ids, encoding.type_ids, encoding.sequence_ids, bool(encoding.overflowing)


@pytest.mark.parametrize("max_length", [None, 6])
@pytest.mark.parametrize(
    "normalizer", [BertNormalizer(), BertNormalizer(lowercase=False), BertNormalizer(clean_text=False), Lowercase()]
)
@given(texts=st.lists(st.one_of(TEXTS, st.tuples(TEXTS, TEXTS)), max_size=6))
def test_every_text_is_encoded_as_by_the_tokenizer(normalizer, max_length, texts):
    oracle, ours = tokenizer(normalizer), BatchTokenizer(tokenizer(normalizer))
    if max_length is not None:
        oracle.enable_truncation(max_length=max_length)
    for encoding, text in zip(ours(texts, max_length=max_length), texts, strict=True):
        assert seen(encoding) == seen(oracle.encode(*([text] if isinstance(text, str) else text)))


def test_plain_texts_go_the_short_way():
    made = tokenizer()
    before = made.normalizer.__getstate__()
    ours = BatchTokenizer(made, is_plain=lambda text: "!" in text)
    accent, none, upper = ours(["\u00e1!", "\u00e1", "A!"])
    # Taken for plain, a letter keeps its accent, which no token has.
    assert (accent.ids, none.ids, upper.ids) == ([2, 1, 10, 3], [2, 4, 3], [2, 4, 10, 3])
    assert made.normalizer.__getstate__() == before


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(tokenizer(added="caf\u00e9"), id="an added token that becomes plain"),
        pytest.param(tokenizer(added="a b"), id="an added token with white space in it"),
        pytest.param(tokenizer(Lowercase()), id="another normalizer"),
        pytest.param(tokenizer(pre_tokenizer=Whitespace()), id="another way to split"),
    ],
)
def test_where_plain_texts_need_the_whole_way(made):
    ours = BatchTokenizer(made, is_plain=lambda _: True)
    texts = ["\u00e1 cafe", "[CLS] Aa!", "a\nb"]
    assert [each.ids for each in ours(texts)] == [made.encode(text).ids for text in texts]


def test_threads_do_not_see_each_other_s_normalizer():
    made = tokenizer()
    texts = ["A " * 40, "\u00c1 " * 40] * 30
    expected = [made.encode(text).ids for text in texts]
    ours = BatchTokenizer(made)
    with ThreadPoolExecutor(4) as pool:
        for encodings in pool.map(ours, [texts] * 40):
            assert [each.ids for each in encodings] == expected


def test_each_call_has_a_truncation_of_its_own():
    """Threads share a tokenizer: one that encodes pairs whole shall not let another's texts be whole."""
    ours = BatchTokenizer(tokenizer())
    text = "a b " * 9
    lengths = [len(ours([text], max_length=most)[0].ids) for most in (None, 6, None)]
    assert lengths == [20, 6, 20]
    assert ours([text], max_length=6, side="left")[0].ids[1:-1] == ours([text])[0].ids[-5:-1]
