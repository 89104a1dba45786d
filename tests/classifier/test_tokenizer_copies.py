"""A copy of a tokenizer gives every text the ids that the tokenizer gives it, here, in a fit and in other processes."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from scorer.classifier import token_processes
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.token_processes import ProcessEncoder
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.tokenizer_copies import copied
from scorer.classifier.transformers_parts import quietly
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import FitConfig
from scorer.training.pretrained import load_base_model
from tests.models import FIVE_STARS, make_model

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SPELT = ["a", "b", "aa", "ab", "ba", "bb", "aba", "bab", "abab"]
TEXTS = ["".join(letters) for length in range(1, 11) for letters in product("ab", repeat=length)]


def unigrams(seed: int = 0) -> Unigram:
    """Nine pieces whose scores make many ways to spell a text all but equally likely, so that the last bits decide; and
    special tokens, XLM-R's."""
    draw = random.Random(seed)
    one, two = draw.uniform(1, 3), draw.uniform(1, 3)
    scores = {piece: -(piece.count("a") * one + piece.count("b") * two) for piece in SPELT}
    return Unigram([*((token, 0.0) for token in SPECIAL), *scores.items()], SPECIAL.index("<unk>"), False)


def ids(tokenizer: Tokenizer) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]


def loses_bits(model: Unigram) -> bool:
    """Whether the library's own way to copy spells one of the texts otherwise."""
    tokenizer = Tokenizer(model)
    return ids(Tokenizer.from_str(tokenizer.to_str())) != ids(tokenizer)


def telling() -> Unigram:
    return next(filter(loses_bits, map(unigrams, range(100))))


def test_the_last_bits_of_scores_decide_and_are_kept():
    for seed in range(20):
        tokenizer = Tokenizer(unigrams(seed))
        assert ids(copied(tokenizer)) == ids(tokenizer)
    assert sum(map(loses_bits, map(unigrams, range(20)))) > 5, "the library's own way keeps them by now"


@pytest.mark.parametrize("splits", [False, True])
def test_whether_special_tokens_are_split_is_kept(splits, tiny_model):
    tokenizer = Tokenizer.from_file(str(tiny_model("bert") / "tokenizer.json"))
    tokenizer.encode_special_tokens = splits
    text = "good [SEP] room"
    assert copied(tokenizer).encode(text).ids == tokenizer.encode(text).ids
    assert (tokenizer.token_to_id("[SEP]") in tokenizer.encode(text, add_special_tokens=False).ids) is not splits


def test_a_copy_is_set_to_something_else_alone():
    tokenizer = Tokenizer(unigrams())
    copied(tokenizer).enable_truncation(1)
    assert tokenizer.truncation is None


@pytest.mark.parametrize("splits", [False, True])
def test_processes_give_the_same_ids(splits, tiny_model, monkeypatch):
    monkeypatch.setattr(token_processes, "_TEXTS_AT_ONCE", 500)
    tokenizer = Tokenizer.from_file(str(tiny_model("xlm-roberta") / "tokenizer.json"))
    tokenizer.pre_tokenizer, tokenizer.model = None, telling()
    tokenizer.encode_special_tokens = splits
    alone = TextEncoder(tokenizer, max_length=24)
    divided = ProcessEncoder(alone, count=1, options={"max_length": 24})
    texts = [*TEXTS, "ab</s>ba", "<s>"]
    try:
        assert divided(texts).sequences.ids.tolist() == alone(texts).sequences.ids.tolist()
    finally:
        divided.close()


def test_a_fit_and_what_counts_tokens_see_the_same_ids(tmp_path: Path):
    directory = make_model(tmp_path, "xlm-roberta")
    with quietly():
        config = FitConfig(train="t.csv", base_model=str(directory), max_length=32)
        base = load_base_model(config, LabelSet.from_values(FIVE_STARS))
    own = base.tokenizer.backend_tokenizer
    own.no_padding()
    own.pre_tokenizer, own.model = None, telling()
    expected = [len(row) for row in ids(own)], ids(own)
    encoder = base.encoder(max_length=32, long_text=LongText())
    found = encoder(TEXTS).sequences
    assert [found.ids[start:stop].tolist() for start, stop in zip(found.offsets, found.offsets[1:], strict=False)] == (
        expected[1]
    )
    assert base.vocabulary().count([(text,) for text in TEXTS]).lengths.tolist() == expected[0]
    own.save(str(directory / "tokenizer.json"))
    alone = Vocabulary.of_base_model(str(directory))
    assert ids(alone.tokenizer) == expected[1]
