"""What torch promises to nobody: each name is taken away, and the answers stay."""

from __future__ import annotations

import functools
import types

import numpy as np
import pytest
import torch

from scorer.classifier import torch_internals
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.execution import Machine
from scorer.classifier.torch_internals import (
    attends_efficiently,
    attends_ragged,
    cpu_has_bf16,
    fuses_gelu,
    packs_weights,
)
from tests.classifier.forward.wide import slow_ragged
from tests.models import sentences


@pytest.fixture(autouse=True)
def _asked_anew():
    doors = (packs_weights, fuses_gelu, attends_efficiently, attends_ragged)
    for door in doors:
        door.cache_clear()
    yield
    for door in doors:
        door.cache_clear()


class Without:
    """Something of a library, without one of its names, or with another thing under it."""

    def __init__(self, whole, **instead):
        self._whole = whole
        self._instead = instead

    def __getattr__(self, name):
        if name in self._instead:
            if self._instead[name] is None:
                raise AttributeError(name)
            return self._instead[name]
        return getattr(self._whole, name)


def torch_without(**instead):
    """A torch whose operators of oneDNN lack some."""
    return Without(torch, ops=Without(torch.ops, mkldnn=Without(torch.ops.mkldnn, **instead)))


def refuse(*_arguments):
    raise RuntimeError("mkldnn: not for this processor")


def zeros(x, packed, bias, *_rest):  # noqa: ARG001
    return torch.zeros(len(x), len(bias), dtype=x.dtype)


LACKING = {
    "no oneDNN": Without(torch, ops=Without(torch.ops, mkldnn=None)),
    "_reorder_linear_weight": torch_without(_reorder_linear_weight=None),
    "_linear_pointwise": torch_without(_linear_pointwise=None),
    "an operator without this overload": torch_without(_linear_pointwise=types.SimpleNamespace()),
    "a processor that is refused": torch_without(_reorder_linear_weight=refuse),
    "an operator that computes something else": torch_without(
        _linear_pointwise=types.SimpleNamespace(default=zeros, binary=zeros)
    ),
    "an operator with other arguments": torch_without(
        _linear_pointwise=types.SimpleNamespace(default=lambda x: x, binary=lambda x: x)
    ),
}


def probabilities(model, texts, precision):
    classifier = Classifier(open_model(str(model)), precision=precision, backend="packed")
    logits, outcomes = classifier.logits(classifier.encode(texts))
    assert not outcomes.any()
    return torch.softmax(torch.from_numpy(logits), dim=1).numpy()


def test_this_torch_packs_weights():
    assert packs_weights(torch.float32)
    assert not packs_weights(torch.float16)


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.1)])
def test_without_onednn_the_answers_are_the_same(tiny_model, monkeypatch, lacking, precision, tolerance):
    model, texts = tiny_model("bert"), sentences(40, seed=5, longest=40)
    expected = probabilities(model, texts, precision)
    monkeypatch.setattr(torch_internals, "torch", LACKING[lacking])
    packs_weights.cache_clear()
    assert not packs_weights(torch.float32)
    np.testing.assert_allclose(probabilities(model, texts, precision), expected, atol=tolerance)


@pytest.mark.parametrize(("activation", "architecture"), [("relu", "bert"), ("gelu", "electra")])
def test_without_onednn_every_activation_is_computed(tiny_model, monkeypatch, tmp_path, activation, architecture):
    source = tiny_model(architecture)
    for path in source.iterdir():
        text = path.read_bytes()
        if path.name == "config.json":
            text = text.replace(b'"hidden_act": "gelu"', f'"hidden_act": "{activation}"'.encode())
        (tmp_path / path.name).write_bytes(text)
    texts = sentences(20, seed=6)
    expected = probabilities(tmp_path, texts, "fp32")
    monkeypatch.setattr(torch_internals, "torch", LACKING["no oneDNN"])
    packs_weights.cache_clear()
    np.testing.assert_allclose(probabilities(tmp_path, texts, "fp32"), expected, atol=1e-5)


def cpu(**names):
    """A torch that knows no more of the processor than `names`."""
    return types.SimpleNamespace(cpu=types.SimpleNamespace(**names))


def no():
    return False


def yes():
    return True


@pytest.mark.parametrize(
    ("names", "flags", "expected"),
    [
        ({"get_capabilities": lambda: {"avx512_bf16": True}}, "", True),
        ({"get_capabilities": lambda: {"amx_tile": True, "avx512_bf16": False}}, "", True),
        ({"get_capabilities": lambda: {"avx2": True}}, "flags : avx512_bf16", False),
        ({"_is_avx512_bf16_supported": no, "_is_amx_tile_supported": yes}, "", True),
        ({"_is_avx512_bf16_supported": no, "_is_amx_tile_supported": no}, "flags : amx_tile", False),
        ({"_is_amx_tile_supported": no}, "flags : fpu avx512_bf16 x", True),
        ({"_is_avx512_bf16_supported": no}, "flags\t\t: fpu amx_tile", True),
        ({}, "model name : amx_tile\nflags : fpu avx2\nflags : avx512_bf16", False),
        ({}, "", False),
    ],
)
def test_bf16_on_a_processor_whoever_knows_of_it(monkeypatch, tmp_path, names, flags, expected):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(flags)
    monkeypatch.setattr(torch_internals, "torch", cpu(**names))
    assert cpu_has_bf16(Machine(tmp_path)) is expected


def test_bf16_on_a_processor_nobody_knows_of(monkeypatch, tmp_path):
    monkeypatch.setattr(torch_internals, "torch", cpu())
    assert cpu_has_bf16(Machine(tmp_path)) is False


def test_all_who_know_of_this_processor_agree(monkeypatch):
    expected = cpu_has_bf16()
    for lacking in ({"get_capabilities": None}, {"get_capabilities": None, "_is_amx_tile_supported": None}):
        monkeypatch.setattr(torch_internals, "torch", Without(torch, cpu=Without(torch.cpu, **lacking)))
        assert cpu_has_bf16() is expected


def attention(query, key, value, scale):
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)


def flash(query, key, value, cum_q, cum_k, max_q, max_k, dropout, causal, debug, *, scale=None):  # noqa: ARG001
    """As torch 2.11 and 2.13 have it, but for what is optional."""
    assert cum_q.dtype == torch.int32
    assert (dropout, causal, debug) == (0.0, False, False)
    found = torch.empty_like(query)
    for start, stop in zip(cum_q.tolist(), cum_q.tolist()[1:], strict=False):
        row = [part[start:stop].transpose(0, 1) for part in (query, key, value)]
        found[start:stop] = attention(*row, scale).transpose(0, 1)
    return found, None, None, None, None


def efficient(query, key, value, bias, logsumexp, dropout, causal, *, scale=None):
    assert (bias, logsumexp, dropout, causal) == (None, False, 0.0, False)
    return attention(query, key, value, scale), None, None, None


def fused(bias, x, weight, *, use_gelu):
    assert use_gelu
    return torch.nn.functional.gelu(torch.addmm(bias, x, weight), approximate="tanh")


CPU = torch.device("cpu")
DOORS = {
    "_addmm_activation": (lambda: fuses_gelu(CPU, torch.float32), fused),
    "_scaled_dot_product_efficient_attention": (lambda: attends_efficiently(CPU, torch.float32, 8), efficient),
    "_flash_attention_forward": (lambda: attends_ragged(CPU, torch.float32, 8), flash),
}


def nonsense(*arguments, **options):
    found = DOORS[options.pop("name")][1](*arguments, **options)
    return (found[0] + 1.0,) if isinstance(found, tuple) else found + 1.0


@pytest.mark.parametrize("name", DOORS)
def test_what_a_gpu_computes_with_is_tried_before(monkeypatch, name):
    works, right = DOORS[name]

    def found(operator):
        for door in (fuses_gelu, attends_efficiently, attends_ragged):
            door.cache_clear()
        aten = Without(torch.ops.aten, **{name: operator})
        lacking = Without(torch, ops=Without(torch.ops, aten=aten), **{name: operator})
        monkeypatch.setattr(torch_internals, "torch", lacking)
        return works()

    assert found(right)
    assert not found(None)
    assert not found(refuse)
    assert not found(lambda x: x)
    assert not found(functools.partial(nonsense, name=name))


def flash_nearby(*arguments, scale=None, window_size_left=None, window_size_right=None, **sides):
    """The same, with windows."""
    if window_size_left is None:
        return flash(*arguments, scale=scale, **sides)
    assert window_size_left == window_size_right
    query, key, value, offsets, *_ = arguments
    return (slow_ragged(query, key, value, offsets, arguments[5], window_size_left), None, None, None, None)


@pytest.mark.parametrize(
    ("operator", "works"),
    [(flash_nearby, True), (flash, False), (lambda *a, scale, **_: flash(*a, scale=scale), False)],
)
def test_windows_are_asked_of_flash_attention_that_has_them(monkeypatch, operator, works):
    """One that does not know them refuses them, or sees everything."""
    aten = Without(torch.ops.aten, _flash_attention_forward=operator)
    monkeypatch.setattr(torch_internals, "torch", Without(torch, ops=Without(torch.ops, aten=aten)))
    assert attends_ragged(CPU, torch.float32, 8)
    assert attends_ragged(CPU, torch.float32, 8, window=2) is works
