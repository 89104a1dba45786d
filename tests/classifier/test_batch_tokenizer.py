"""The short way for plain texts against the tokenizer itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace
from tokenizers.processors import BertProcessing

from scorer.classifier import batch_tokenizer
from scorer.classifier.batch_tokenizer import BatchTokenizer

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


def test_plain_texts_go_the_short_way(monkeypatch):
    made = tokenizer()
    before = made.normalizer.__getstate__()
    ours = BatchTokenizer(made)
    monkeypatch.setattr(batch_tokenizer, "_is_plain", lambda text: "!" in text)
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
def test_where_plain_texts_need_the_whole_way(made, monkeypatch):
    ours = BatchTokenizer(made)
    monkeypatch.setattr(batch_tokenizer, "_is_plain", lambda _: True)
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
