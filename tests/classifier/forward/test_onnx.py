"""The ONNX forward pass against transformers itself, one row at a time, unpadded; and the graphs that are kept."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil

import numpy as np
import pytest

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward import onnx as onnx_forward
from scorer.classifier.forward.onnx import is_installed
from scorer.classifier.forward.onnx_graph import write_graph
from scorer.classifier.forward.openvino import CONVERTIBLE
from scorer.classifier.loading import load
from scorer.errors import UsageError
from tests.classifier.forward.oracle import oracle, probabilities
from tests.models import ARCHITECTURES, sentences

needs_onnx = pytest.mark.skipif(not is_installed(), reason="onnx is not installed: pip install '.[onnx]'")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for graphs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/scorer/onnx"


@pytest.fixture(scope="module")
def graph(tiny_model, tmp_path_factory):
    """The graph of a BERT."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(load(open_model(str(tiny_model("bert")))), path)
    return path


@pytest.fixture
def quick(graph, monkeypatch):
    """Who makes a graph of that model copies it."""
    monkeypatch.setattr(onnx_forward, "write_graph", lambda _loaded, path: shutil.copy(graph, path))


@needs_onnx
@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[] if name == "bert" else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_every_shape_of_batch_has_the_probabilities_of_rows_alone(tiny_model, cache, architecture, request):
    assert architecture in CONVERTIBLE
    if architecture == "bert":
        request.getfixturevalue("quick")
    directory = tiny_model(architecture)
    texts = ["a", *sentences(30, seed=31, shortest=1, longest=60)]
    classifier = Classifier(open_model(str(directory)), backend="onnx", batch_tokens=300)
    assert (classifier.engine.backend, classifier.engine.precision) == ("onnx", "fp32")
    for columns in ([texts], [texts, random.Random(2).sample(texts, len(texts))]):
        logits, outcomes = classifier.logits(classifier.encode(*columns))
        assert not outcomes.any()
        np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=1e-5)
    assert len(list(cache.iterdir())) == 1


@needs_onnx
@pytest.mark.usefixtures("quick")
def test_a_graph_is_made_once_and_again_where_it_is_damaged(tiny_model, cache, monkeypatch):
    directory, made = str(tiny_model("bert")), []
    write = onnx_forward.write_graph
    monkeypatch.setattr(onnx_forward, "write_graph", lambda loaded, path: made.append(write(loaded, path)))
    for _ in range(2):
        first = Classifier(open_model(directory), backend="onnx")
    assert len(made) == 1
    (graph,) = cache.glob("*/model.onnx")
    graph.write_bytes(graph.read_bytes()[:5000])
    for past in range(6):
        (cache / f"past{past}").mkdir()
        os.utime(cache / f"past{past}", (past, past))
    again = Classifier(open_model(directory), backend="onnx")
    assert len(made) == 2
    inputs = first.encode(["a good room"])
    np.testing.assert_array_equal(first.logits(inputs)[0], again.logits(inputs)[0])
    # Those of models that were not used for long go.
    assert sorted(path.name for path in cache.iterdir()) == sorted(["past3", "past4", "past5", graph.parent.name])


@needs_onnx
@pytest.mark.usefixtures("quick")
def test_a_folder_that_others_write_into_is_not_read(tiny_model, cache):
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    classifier = Classifier(open_model(str(tiny_model("bert"))), backend="onnx")
    assert np.isfinite(classifier.logits(classifier.encode(["a"]))[0]).all()
    assert list(cache.iterdir()) == []


def test_auto_does_not_take_it(tiny_model):
    assert Classifier(open_model(str(tiny_model("bert")))).engine.backend == "packed"
    assert onnx_forward.SPEC.yields(object(), object()) is not None


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_are_refused(tiny_model, precision):
    with pytest.raises(UsageError, match=f"--backend onnx: {precision} is not computed by it; say --precision fp32"):
        Classifier(open_model(str(tiny_model("bert"))), backend="onnx", precision=precision)


def test_without_the_packages_the_error_says_how_to_get_them(tiny_model, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name))
    with pytest.raises(UsageError, match=r"pip install 'scorer\[onnx\]'"):
        Classifier(open_model(str(tiny_model("bert"))), backend="onnx")
