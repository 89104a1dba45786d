"""Any base model fills in tokens: the head is asked for the hidden ones alone, and says what it would say of all."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from scorer.adapting.masked_model import load_masked_model, predictions
from scorer.adapting.scratch import make_tokenizer
from scorer.config import AdaptConfig
from scorer.errors import ConfigError, DataError, ModelError
from tests.models import ARCHITECTURES, sentences


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_head_says_of_hidden_tokens_what_it_says_of_all(tiny_model, architecture):
    base = load_masked_model(AdaptConfig(data="x.csv", base_model=str(tiny_model(architecture)), max_length=32))
    assert base.new_head
    model = base.model.eval()
    ids = torch.randint(5, 60, (3, 16), generator=torch.Generator().manual_seed(1))
    places = torch.tensor([1, 5, 17, 40])
    with torch.inference_mode():
        some, follows = predictions(model, model, {"input_ids": ids, "places": places})
        whole = model(input_ids=ids).logits.reshape(48, -1)
    assert follows is None
    torch.testing.assert_close(some, whole[places], rtol=1e-4, atol=1e-5)


def test_the_pooler_of_the_base_model_is_kept_and_the_head_is_dropped_by_a_fit(tiny_model, tmp_path):
    directory = tiny_model("bert")
    base = load_masked_model(AdaptConfig(data="x.csv", base_model=str(directory), max_length=32))
    base.model.save_pretrained(tmp_path / "kept", state_dict=base.weights())
    original, again = (AutoModelForSequenceClassification.from_pretrained(p) for p in (directory, tmp_path / "kept"))
    for name, weight in original.bert.state_dict().items():
        assert torch.equal(weight, again.bert.state_dict()[name]), name
    there = load_masked_model(AdaptConfig(data="x.csv", base_model=str(tmp_path / "kept"), max_length=32))
    assert not there.new_head


def test_a_new_token_is_tied_to_its_embedding(tiny_model):
    base = load_masked_model(AdaptConfig(data="x.csv", base_model=str(tiny_model("bert")), max_length=32))
    tokens = base.model.config.vocab_size
    more = base.with_tokens(["房", "##馆"], seed=1)
    head, embeddings = more.model.get_output_embeddings(), more.model.get_input_embeddings()
    assert head.weight is embeddings.weight
    assert len(head.weight) == len(head.bias) == tokens + 2
    assert more.new_tokens == ("房", "##馆")


def test_what_cannot_be_adapted_is_refused(tiny_model):
    with pytest.raises(ConfigError, match="--nsp"):
        load_masked_model(AdaptConfig(data="x.csv", base_model=str(tiny_model("roberta")), nsp=True))
    with pytest.raises(ConfigError, match="try --max-length 128"):
        load_masked_model(AdaptConfig(data="x.csv", base_model=str(tiny_model("bert")), max_length=512))
    with pytest.raises(ModelError, match="no such directory"):
        load_masked_model(AdaptConfig(data="x.csv", base_model="./nowhere"))


def test_a_tokenizer_of_nothing_but_texts_is_the_same_every_time():
    texts = [*sentences(300, seed=2), "房间很不错。", "服务很好，房间不错。"]
    first, again = (make_tokenizer(texts, 300, where="x") for _ in range(2))
    assert first.get_vocab() == again.get_vocab()
    assert sorted(first.get_vocab().values()) == list(range(300))
    assert first.tokenize("房间不错") == ["房", "间", "不", "错"]
    assert first.unk_token not in first.tokenize("the unbelievable 房间 was café")
    assert len(first.tokenize("the hotel was good")) < 12, "words are more than their characters"
    small = make_tokenizer(texts, 40, where="x")
    assert len(small) == 40
    with pytest.raises(DataError, match="no character"):
        make_tokenizer(["a", "b"], 100, where="x")


def test_a_tokenizer_of_nothing_has_no_pieces_of_chinese_words():
    characters = [chr(0x4E00 + 7 * place) for place in range(60)]
    texts = ["".join(characters[place:] + characters[:place]) for place in range(20)]
    vocabulary = make_tokenizer(texts, 65, where="here").get_vocab()
    assert set(characters) <= vocabulary.keys()
    assert not [token for token in vocabulary if token.startswith("##")]
