"""How many labels the tanh form of gelu turns, which a GPU computes with the product before it: on a CPU, whose answers
to the same texts are compared with the exact form, in fp32 and in bf16."""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from scorer.classifier import batches
from scorer.classifier.directory import open_model
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.loading import load
from scorer.classifier.tokenization import TextEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model directory of the BERT family")
    parser.add_argument("texts", help="a CSV file")
    parser.add_argument("--column", default="sentence")
    asked = parser.parse_args()
    loaded = load(open_model(asked.model))
    texts = pl.read_csv(asked.texts)[asked.column].to_list()
    inputs = TextEncoder(loaded.tokenizer, max_length=loaded.max_length, token_types=loaded.token_types)(texts)
    family = BertFamily.of(loaded.config, loaded.weights)
    labels: dict[tuple[str, str], NDArray[np.int64]] = {}
    for dtype, gelu in itertools.product((torch.float32, torch.bfloat16), ("exact", "tanh")):
        forward = PackedForward(family, replace(DeviceDtype(torch.device("cpu"), dtype), gelu=gelu))
        found = np.zeros(len(texts), np.int64)
        for rows in batches.plan(inputs.lengths, budget=2_048):
            found[rows] = forward(inputs.sequences.take(rows)).argmax(axis=1)
        labels[str(dtype), gelu] = found
    for (dtype, gelu), found in labels.items():
        print(
            f"{dtype}, gelu {gelu}: {_turned(found, labels['torch.float32', 'exact'])} are others than exactly in fp32"
        )
    for dtype in ("torch.float32", "torch.bfloat16"):
        print(f"{dtype}: tanh turns {_turned(labels[dtype, 'tanh'], labels[dtype, 'exact'])} of the exact form")


def _turned(found: NDArray[np.int64], expected: NDArray[np.int64]) -> str:
    turned = int((found != expected).sum())
    return f"{turned} of {len(found):,} labels ({turned / len(found):.3%})"


if __name__ == "__main__":
    main()
