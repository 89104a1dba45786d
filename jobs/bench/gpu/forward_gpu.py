"""The packed pass in every way that a GPU can compute it: first how far it lies from fp32, then how long a batch takes.

    python jobs/bench/gpu/forward_gpu.py --shape bert-base minilm-l6          # from the project's root
    python jobs/bench/gpu/forward_gpu.py --device cpu --seconds 0             # do all compute the same?

A JSON line for each shape, length and way. `error` is the distance of the logits from those of fp32, divided by their
norm. `ms` is the median of a batch as a worker computes it, copies to and from the device included; `alone_ms` that of
the device between two events, where there is one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.append(str(Path(__file__).parents[1]))
sys.path.append(str(Path(__file__).parents[3]))

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from harness.random_model import LABELS, SHAPES, VOCABULARY
from scorer.classifier.device import use_kernels_without_plans
from scorer.classifier.forward import attention
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.sequences import TokenSequences

TOKENS = {"cuda": 32_768, "cpu": 300}


@dataclass(frozen=True)
class Way:
    """What of the fastest target is used, and from how many tokens on attention is flash attention."""

    takes: tuple[str, ...] = ()
    flash_from: int = 64


EVERYTHING = ("folds", "gelu", "ragged")
WAYS = {
    "plain": Way(flash_from=0),
    "efficient attention": Way(flash_from=1 << 20),
    "folded": Way(("folds",)),
    "folded, tanh": Way(("folds", "gelu")),
    "folded, tanh, ragged always": Way(EVERYTHING, flash_from=0),
    "as it is": Way(EVERYTHING),
}


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    use_kernels_without_plans(device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    for shape in options.shape:
        family = random_family(shape)
        exact = PackedForward(family, DeviceDtype(device, torch.float32, head_multiple=8))
        made = forwards(family, device, dtype)
        for length in map(int, options.lengths.split(",")):
            for spread in (0, max(length // 20, 1)):
                batch = batch_of(length, TOKENS[device.type], spread, len(family.words))
                found = {"shape": shape, "length": length, "spread": spread, "tokens": len(batch.ids)}
                reference = exact(batch)
                for name, forward in made.items():
                    measured = _measured(name, forward, batch, reference, device, options.seconds)
                    measured |= _rates(shape, len(batch.ids), measured)
                    print(json.dumps(found | {"way": name} | measured), flush=True)


def random_family(shape: str) -> BertFamily:
    """A BERT of this `shape` whose biases and weights are large enough that what is lost shows."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {**SHAPES[shape], "num_labels": LABELS}
    vocabulary = 1000 if shape == "tiny" else VOCABULARY
    model = BertForSequenceClassification(BertConfig(vocab_size=vocabulary, **sizes)).eval()
    for name, parameter in model.named_parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1 if name.endswith("bias") else 0.03)
    return BertFamily.of(model.config, model.state_dict())


def forwards(family: BertFamily, device: torch.device, dtype: torch.dtype) -> dict[str, PackedForward]:
    """The pass of `family` in each of the WAYS. On a CPU those that a GPU alone can take are left out."""
    best = DeviceDtype.best(device, dtype, head_width=family.head_width)
    if device.type == "cpu":
        best = replace(best, folds=True, gelu="tanh")
    plain = DeviceDtype(device, dtype, head_multiple=8)
    targets = {name: replace(plain, **{took: getattr(best, took) for took in way.takes}) for name, way in WAYS.items()}
    return {name: PackedForward(family, target) for name, target in targets.items()}


def batch_of(length: int, tokens: int, spread: int, vocabulary: int) -> TokenSequences:
    """About so many `tokens` in sequences of `length` to `length - spread`."""
    source = np.random.default_rng(0)
    lengths = np.maximum(length - source.integers(0, spread + 1, max(tokens // length, 2)), 2)
    lengths[0] = length
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ids = source.integers(1, vocabulary, offsets[-1]).astype(np.int32)
    return TokenSequences(ids, offsets, lengths.astype(np.int32), np.zeros(len(lengths), np.bool_))


@contextmanager
def way_of(name: str) -> Iterator[None]:
    """Attention as this of the WAYS has it."""
    with patch.object(attention, "_FLASH_FROM", WAYS[name].flash_from):
        yield


def _measured(
    name: str, forward: PackedForward, batch: TokenSequences, reference: Any, device: torch.device, seconds: float
) -> dict[str, Any]:
    try:
        with way_of(name):
            error = float(np.linalg.norm(forward(batch) - reference) / np.linalg.norm(reference))
            return {"error": error, **_times(forward, batch, device, seconds)}
    except Exception as failure:  # noqa: BLE001 (the other ways are to be measured all the same)
        return {"failed": f"{type(failure).__name__}: {failure}"[:300]}


def _times(forward: PackedForward, batch: TokenSequences, device: torch.device, seconds: float) -> dict[str, float]:
    whole, alone, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(whole) < (5 if device.type == "cuda" else 1):
        begun = time.perf_counter()
        if device.type == "cuda":
            events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            events[0].record()
            forward(batch)
            events[1].record()
            events[1].synchronize()
            alone.append(events[0].elapsed_time(events[1]))
        else:
            forward(batch)
        whole.append(1e3 * (time.perf_counter() - begun))
    found = {"ms": statistics.median(whole)}
    return found | ({"alone_ms": statistics.median(alone)} if alone else {})


def _rates(shape: str, tokens: int, measured: dict[str, Any]) -> dict[str, float]:
    if "ms" not in measured:
        return {}
    sizes = SHAPES[shape]
    hidden, inner, layers = sizes["hidden_size"], sizes["intermediate_size"], sizes["num_hidden_layers"]
    rate = 1e3 * tokens / measured["ms"]
    return {"tokens_per_second": rate, "tflops": rate * 2 * layers * (4 * hidden**2 + 2 * hidden * inner) / 1e12}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The packed pass in every way that a GPU can compute it.")
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=["tiny"])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--lengths", default="21,44,128,256", help="tokens of the longest sequence of a batch")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each way, shape and length")
    return parser.parse_args()


if __name__ == "__main__":
    main()
