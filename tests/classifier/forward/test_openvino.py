"""The OpenVINO forward pass against transformers itself, one row at a time, unpadded."""

from __future__ import annotations

import random

import numpy as np
import pytest

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.openvino import CONVERTIBLE, is_installed
from scorer.errors import UsageError
from tests.classifier.forward.oracle import oracle, probabilities
from tests.models import ARCHITECTURES, sentences

needs_openvino = pytest.mark.skipif(not is_installed(), reason="openvino is not installed: pip install '.[openvino]'")


@needs_openvino
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_shape_of_batch_has_the_probabilities_of_rows_alone(tiny_model, architecture):
    assert architecture in CONVERTIBLE
    directory = tiny_model(architecture)
    texts = ["a", *sentences(30, seed=31, shortest=1, longest=60)]
    classifier = Classifier(open_model(str(directory)), precision="fp32", backend="openvino", batch_tokens=300)
    for columns in ([texts], [texts, random.Random(2).sample(texts, len(texts))]):
        logits, outcomes = classifier.logits(classifier.encode(*columns))
        assert not outcomes.any()
        np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=1e-5)


@needs_openvino
def test_auto_compiles_what_cannot_be_packed(tiny_model):
    engine = Classifier(open_model(str(tiny_model("albert")))).engine
    assert (engine.backend, engine.device) == ("openvino", "cpu")


@pytest.mark.skipif(is_installed(), reason="openvino is installed here")
def test_without_the_package_the_error_says_how_to_get_it(tiny_model):
    with pytest.raises(UsageError, match=r"pip install 'scorer\[openvino\]'"):
        Classifier(open_model(str(tiny_model("bert"))), backend="openvino")


def test_fp16_is_refused(tiny_model):
    with pytest.raises(UsageError, match="--backend openvino: fp16"):
        Classifier(open_model(str(tiny_model("bert"))), backend="openvino", precision="fp16")
