"""The base model in memory: its encoder is what the directory holds, its head is fresh, whatever head it had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.transformers_parts import quietly
from scorer.config import FitConfig
from scorer.errors import UsageError
from scorer.training.pretrained import load_base_model, start_from_frequencies
from tests.conftest import TinyModel
from tests.models import ARCHITECTURES, FIVE_STARS

by_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def loaded(base: Path, *, seed: int = 42, multi: bool = False) -> PreTrainedModel:
    """The model that a fit on the five labels of the tiny models begins with."""
    config = FitConfig(train=Path("train.csv"), base_model=str(base), seed=seed)
    with quietly():
        return load_base_model(config, LabelSet(FIVE_STARS, "string", multi)).model


def network(path: Path) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(path)


@by_architecture
def test_a_classifier_of_as_many_labels_keeps_its_encoder_alone(tiny_model: TinyModel, architecture: str) -> None:
    base = tiny_model(architecture)
    encoder = network(base).base_model_prefix + "."
    models = (network(base), loaded(base), loaded(base), loaded(base, seed=1))
    before, drawn, again, other = (model.state_dict() for model in models)
    for name, weight in before.items():
        assert torch.equal(drawn[name], again[name]), name
        if name.startswith(encoder):
            assert torch.equal(drawn[name], weight), name
        elif weight.ndim == 2:
            assert not torch.equal(drawn[name], weight), name
            assert not torch.equal(drawn[name], other[name]), name


@by_architecture
def test_the_head_is_that_of_the_encoder_alone(tiny_model: TinyModel, tmp_path: Path, architecture: str) -> None:
    base = tiny_model(architecture)
    alone = Path(shutil.copytree(base, tmp_path / "alone"))
    network(base).base_model.save_pretrained(alone)
    expected, found = loaded(alone).state_dict(), loaded(base).state_dict()
    assert list(found) == list(expected)
    for name, weight in expected.items():
        assert torch.equal(found[name], weight), name


def test_the_head_of_a_classifier_starts_from_the_frequencies_too(tiny_model: TinyModel) -> None:
    model, rows = loaded(tiny_model("bert"), multi=True), np.array([0, 1, 10, 50, 99])
    start_from_frequencies(model, (np.arange(99)[:, None] < rows).astype(np.int8))
    odds = (rows + 0.5) / (99.5 - rows)
    np.testing.assert_allclose(model.classifier.bias.detach().numpy(), np.log(odds), rtol=1e-5)


def test_a_special_token_that_a_text_spells_is_read_in_training_as_in_scoring(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    """A tokenizer that splits them says so in its configuration, not in tokenizer.json."""
    path = Path(shutil.copytree(tiny_model(), tmp_path / "base"))
    config = path / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"split_special_tokens": True}))
    settings = FitConfig(train=Path("train.csv"), base_model=str(path), max_length=32)
    base = load_base_model(settings, LabelSet.from_values(FIVE_STARS))
    text = "good [SEP] room"
    found = base.encoder(max_length=32, long_text=LongText())([text]).sequences.ids.tolist()
    assert found == base.tokenizer(text)["input_ids"]
    assert found.count(base.tokenizer.sep_token_id) == 1
    base.tokenizer.save_pretrained(tmp_path / "fitted")
    assert AutoTokenizer.from_pretrained(tmp_path / "fitted")(text)["input_ids"] == found


@by_architecture
def test_the_lowest_layers_are_those_of_the_base_model(
    tiny_model: TinyModel, architecture: str, tmp_path: Path
) -> None:
    """Written and read again it has so many layers, and its first hidden states are those of the whole model."""
    whole = AutoModel.from_pretrained(tiny_model(architecture)).eval()
    labels = LabelSet.from_values(["a", "b"])
    config = FitConfig(train="t.csv", base_model=str(tiny_model(architecture)), layers=1, max_length=16)
    base = load_base_model(config, labels)
    base.model.save_pretrained(tmp_path / "small")
    again = AutoModel.from_pretrained(tmp_path / "small").eval()
    assert again.config.num_hidden_layers == 1 < whole.config.num_hidden_layers
    ids = torch.tensor([[5, 9, 11, 7]])
    with torch.no_grad():
        first, kept = (model(input_ids=ids, output_hidden_states=True).hidden_states[1] for model in (whole, again))
    if architecture not in ("modernbert", "electra"):  # whose last hidden state has a norm, or whose names differ
        torch.testing.assert_close(kept, first)
    assert sum(parameter.numel() for parameter in again.parameters()) <= sum(p.numel() for p in whole.parameters())


def test_layers_that_a_model_does_not_have_are_refused(tiny_model: TinyModel) -> None:
    labels = LabelSet.from_values(["a", "b"])
    config = FitConfig(train="t.csv", base_model=str(tiny_model("bert")), layers=9, max_length=16)
    with pytest.raises(UsageError, match=r"--layers 9: .* has 2 layers"):
        load_base_model(config, labels)
