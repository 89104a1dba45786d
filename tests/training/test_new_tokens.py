"""Characters that the base model cannot spell: which get tokens, where their embeddings start, and that they help."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import EvaluateConfig, FitConfig
from scorer.errors import Interrupted
from scorer.evaluation.predictions import fit_config
from scorer.training.pretrained import BaseModel, load_base_model
from tests.conftest import TinyModel
from tests.models import FIVE_STARS
from tests.training.fits import Remembering, run, weights, write_csv
from tests.training.test_label_kinds import scored
from tests.training.test_seeds import interrupt_at

# None of them is in the vocabulary of the tiny models.
BAD, GOOD = "菜慢冷坏", "香快棒赞"


def loaded(base: Path, tokens: Sequence[str], *, seed: int = 42) -> BaseModel:
    config = FitConfig(train=Path("train.csv"), base_model=str(base), seed=seed)
    return load_base_model(config, LabelSet(FIVE_STARS, "string")).with_tokens(tokens, seed=seed)


def embeddings(base: BaseModel) -> torch.Tensor:
    return base.model.get_input_embeddings().weight.detach()


def write_meals(path: Path, count: int = 120) -> Path:
    """Texts whose mood only characters tell that the tiny models do not know."""
    draw = random.Random(0)
    rows = []
    for number in range(count):
        label, characters = draw.choice([("bad", BAD), ("good", GOOD)])
        rows.append(("".join(draw.choices(characters, k=4)) + f" {number}", label))
    return write_csv(path, ("sentence", "label"), rows)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "electra"])
def test_new_tokens_stand_behind_the_others(tiny_model: TinyModel, architecture: str) -> None:
    before, after = (loaded(tiny_model(architecture), tokens) for tokens in ((), ("菜", "🚀", "##🚀")))
    old = len(embeddings(before))
    assert after.new_tokens == ("菜", "🚀", "##🚀")
    assert after.model.config.vocab_size == len(embeddings(after)) == old + 3
    ids = after.tokenizer("Good菜 🚀 fine🚀", add_special_tokens=False)["input_ids"]
    assert [token - old for token in ids if token >= old] == [0, 1, 2]
    assert after.tokenizer.unk_token_id not in ids
    assert torch.equal(embeddings(after)[:old], embeddings(before))
    for name, weight in before.model.named_parameters():
        if weight.shape == after.model.get_parameter(name).shape:
            assert torch.equal(weight, after.model.get_parameter(name)), name


def test_the_seed_draws_embeddings_like_the_models_own(tiny_model: TinyModel) -> None:
    base, tokens = tiny_model("bert"), tuple(f"##{chr(0x13000 + place)}" for place in range(500))
    first, again, other = (embeddings(loaded(base, tokens, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    own, new = first[:-500], first[-500:]
    assert len(torch.unique(new, dim=0)) == 500
    torch.testing.assert_close(new.mean(dim=0), own.mean(dim=0), rtol=0, atol=0.3 * float(own.std()))
    torch.testing.assert_close(new.std(dim=0), own.std(dim=0), rtol=0.2, atol=0)


def test_embeddings_without_a_token_are_taken_first(tiny_model: TinyModel, tmp_path: Path) -> None:
    """As models have whose vocabulary was rounded up."""
    base = Path(shutil.copytree(tiny_model("bert"), tmp_path / "base"))
    model = AutoModelForSequenceClassification.from_pretrained(base)
    spoken = model.config.vocab_size
    model.resize_token_embeddings(spoken + 5)
    model.save_pretrained(base)
    found = loaded(base, ("菜", "香"))
    assert len(embeddings(found)) == spoken + 5
    assert found.tokenizer.convert_tokens_to_ids(["菜", "香"]) == [spoken, spoken + 1]


def test_tokens_that_somebody_added_keep_their_ids(tiny_model: TinyModel, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_model("bert"), tmp_path / "base"))
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["qqq", "zzz"])
    tokenizer.save_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(base)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(base)
    extended = loaded(base, ("菜", "香"))
    extended.tokenizer.save_pretrained(tmp_path / "saved")
    expected = [len(tokenizer) - 2, len(tokenizer) - 1, len(tokenizer), len(tokenizer) + 1]
    for found in (extended.tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert found("qqq zzz 菜 香", add_special_tokens=False)["input_ids"] == expected
    saved = Tokenizer.from_file(str(tmp_path / "saved" / "tokenizer.json"))
    assert saved.encode("qqq菜", add_special_tokens=False).ids == expected[:3:2]


def test_what_could_not_be_spelt_is_learned(tiny_model: TinyModel) -> None:
    console = Remembering()
    train = write_meals(Path("train.csv"), 240)
    summary = run(train, tiny_model("bert"), console, output=Path("model"))
    assert summary.metrics["accuracy"] > 0.9
    (line,) = console.having("new tokens: 8, for characters that ")
    assert (
        line.removesuffix(line[-1]) == f"new tokens: 8, for characters that {tiny_model('bert')} cannot spell, such as "
    )
    assert line[-1] in BAD + GOOD
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    assert metadata.profile is not None
    assert (metadata.new_tokens, metadata.profile.unknown_share) == (8, 0.0)
    assert "that the base model cannot spell: 8;" in Path("model/README.md").read_text(encoding="utf-8")

    blind = run(train, tiny_model("bert"), output=Path("blind"), extend_vocabulary=False)
    assert blind.metrics["accuracy"] < 0.8
    assert "--no-extend-vocabulary" in Path("blind/README.md").read_text(encoding="utf-8")
    vocabularies = [len(AutoTokenizer.from_pretrained(path)) for path in ("model", "blind")]
    assert vocabularies[0] == vocabularies[1] + 8


def test_a_pipeline_spells_them_too(tiny_model: TinyModel) -> None:
    run(write_meals(Path("train.csv")), tiny_model("bert"), output=Path("model"))
    texts = [GOOD, BAD, "good 香", "慢 坏 🚀"]
    classify = pipeline("text-classification", model="model", device="cpu")
    expected = [answer["label"] for answer in classify(texts)]
    assert expected[:2] == ["good", "bad"]
    assert scored(Path("model"), texts)["score"].to_pylist() == expected


def test_an_interrupted_fit_goes_on_with_the_same_tokens(tiny_model: TinyModel) -> None:
    train, base = write_meals(Path("train.csv"), 60), tiny_model("bert")
    settings = {"seeds": 2, "epochs": 1.0}
    run(train, base, output=Path("whole"), **settings)
    with pytest.raises(Interrupted):
        run(train, base, interrupt_at("seed 43", 1), output=Path("stopped"), **settings)
    run(train, base, output=Path("stopped"), resume=True, **settings)
    assert weights(Path("stopped")) == weights(Path("whole"))
    metadata = ModelMetadata.read(Path("stopped"))
    assert metadata is not None
    assert metadata.new_tokens == 8
    assert Path("stopped/tokenizer.json").read_bytes() == Path("whole/tokenizer.json").read_bytes()


@pytest.mark.parametrize("options", [{"freeze_layers": 1}, {"lora_rank": 2}], ids=str)
def test_frozen_embeddings_stay_as_they_were_drawn(tiny_model: TinyModel, options: dict[str, int]) -> None:
    train = write_meals(Path("train.csv"), 60)
    run(train, tiny_model("bert"), output=Path("model"), epochs=1.0, **options)
    tokens = tuple(json.loads(Path("model/tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])[-8:]
    drawn = loaded(tiny_model("bert"), tokens)
    fitted = AutoModelForSequenceClassification.from_pretrained("model")
    assert torch.equal(fitted.get_input_embeddings().weight, embeddings(drawn))


def test_a_fold_extends_the_vocabulary_as_the_fit_did(tiny_model: TinyModel) -> None:
    run(write_meals(Path("train.csv"), 60), tiny_model("bert"), output=Path("model"), max_steps=1)
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    config = EvaluateConfig(data="train.csv", model="model")
    assert fit_config(metadata, config).extend_vocabulary
    del metadata.training["extend_vocabulary"]
    assert not fit_config(metadata, config).extend_vocabulary, "earlier versions did not"
