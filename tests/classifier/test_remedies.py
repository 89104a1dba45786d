"""What a model directory lacks is said in one line, and what the line advises helps."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.remedies import install_sentencepiece, is_installed
from scorer.classifier.vocabulary import Vocabulary
from scorer.errors import ModelError
from tests.models import sentences

HAS_SENTENCEPIECE = is_installed("sentencepiece") and is_installed("google.protobuf")


def refusal(model: Path) -> str:
    """Why `model` is not opened: the same whether it is to score or to be fitted."""
    said = []
    for use in (lambda: Classifier(open_model(str(model))), lambda: Vocabulary.of_base_model(str(model))):
        with pytest.raises(ModelError) as raised:
            use()
        said.append(str(raised.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    return said[0]


def run_advice(message: str, out: Path, **replaced: str) -> None:
    """Run the Python that `message` has between backticks."""
    code = re.search("`(.*)`", message)[1].replace("'OUT'", repr(str(out)))
    for name, value in replaced.items():
        code = code.replace(f"={name}", f"={value}")
    exec(code, {})


def logits(model: Path) -> np.ndarray:
    classifier = Classifier(open_model(str(model)), precision="fp32")
    return classifier.logits(classifier.encode(sentences(6)))[0]


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_is_merged_as_the_line_says(tiny_model, tmp_path):
    peft = pytest.importorskip("peft")
    base, adapter, merged = tiny_model("bert", labels=("a", "b", "c")), tmp_path / "it's", tmp_path / "merged"
    model = AutoModelForSequenceClassification.from_pretrained(base)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"], init_lora_weights=False)
    )
    adapted.save_pretrained(adapter)
    assert not (adapter / "config.json").exists()
    message = refusal(adapter)
    assert "an adapter of PEFT" in message
    run_advice(message, merged, N="3")
    AutoTokenizer.from_pretrained(base).save_pretrained(merged)
    tokenizer, texts = AutoTokenizer.from_pretrained(base), sentences(6)
    with torch.no_grad():
        expected = [adapted.eval()(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in texts]
    np.testing.assert_allclose(logits(merged), expected, atol=1e-4)
    assert not np.allclose(logits(base), expected, atol=1e-2)


def test_pickled_weights_are_converted_as_the_line_says(model, tmp_path):
    before = logits(model)
    torch.save(AutoModelForSequenceClassification.from_pretrained(model).state_dict(), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    message = refusal(model)
    assert "only pickled weights (pytorch_model.bin)" in message
    run_advice(message, tmp_path / "converted")
    np.testing.assert_allclose(logits(tmp_path / "converted"), before, atol=1e-6)


def with_sentencepiece_alone(model: Path) -> Path:
    (model / "tokenizer.json").unlink()
    for left in model.glob("vocab*"):
        left.unlink()
    (model / "sentencepiece.bpe.model").write_bytes(b"what a trainer of sentencepiece writes")
    return model


@pytest.mark.skipif(HAS_SENTENCEPIECE, reason="sentencepiece and protobuf are installed here")
def test_a_sentencepiece_tokenizer_without_its_libraries_names_them(model):
    message = refusal(with_sentencepiece_alone(model))
    assert "tokenizer is a sentencepiece file (sentencepiece.bpe.model)" in message
    assert "pip install 'scorer[sentencepiece]'" in message
    assert "tiktoken" not in message


@pytest.mark.skipif(not HAS_SENTENCEPIECE, reason="sentencepiece and protobuf are not installed")
def test_a_sentencepiece_tokenizer_is_read_with_its_libraries(tiny_model, tmp_path):
    import sentencepiece

    model = Path(shutil.copytree(tiny_model("xlm-roberta"), tmp_path / "model"))
    (tmp_path / "corpus.txt").write_text("\n".join(sentences(500)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "corpus.txt"), model_prefix=str(tmp_path / "own"), vocab_size=200, hard_vocab_limit=False
    )
    (model / "tokenizer.json").unlink()
    shutil.copy(tmp_path / "own.model", model / "sentencepiece.bpe.model")
    assert install_sentencepiece("name", model) is None
    assert np.isfinite(logits(model)).all()


def test_another_vocabulary_beside_a_sentencepiece_file_will_do(model):
    (model / "spiece.model").touch()
    assert install_sentencepiece("name", model) is None


def test_a_package_that_is_not_there_has_no_modules():
    assert is_installed("numpy.linalg")
    assert not is_installed("numpy.nothing")
    assert not is_installed("nothing.at.all")
