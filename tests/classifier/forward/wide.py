"""Networks as wide as real ones, of two layers, without a tokenizer: their kernels depend on the width of a head."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedConfig

from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.sequences import TokenSequences

Network = TypeVar("Network", bound=nn.Module)

VOCABULARY = 50


def wide_network(hidden: int, heads: int, *, activation: str = "gelu") -> BertForSequenceClassification:
    """A BERT of two layers, `peaked`."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=300,
        num_labels=3,
        hidden_act=activation,
    )
    return peaked(BertForSequenceClassification, config)


def peaked(kind: Callable[[Any], Network], config: PreTrainedConfig) -> Network:
    """A network of the `kind` whose attention is peaked: with the usual weights every token would be alike."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = kind(config).eval()
        for name, parameter in network.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, 1.0 if "embeddings" in name else 1.5 / parameter.shape[1] ** 0.5)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
    return network


def family_of(network: BertForSequenceClassification) -> BertFamily:
    family = BertFamily.of(network.config, network.state_dict())
    assert family is not None
    return family


def random_tokens(lengths: Sequence[int]) -> TokenSequences:
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ids = np.random.default_rng(0).integers(1, VOCABULARY, offsets[-1]).astype(np.int32)
    return TokenSequences(ids, offsets, np.asarray(lengths, np.int32), np.zeros(len(lengths), np.bool_))


@torch.no_grad()
def logits_alone(network: BertForSequenceClassification, batch: TokenSequences) -> np.ndarray:
    """Each sequence alone, unpadded, in fp32 on the CPU."""
    rows = [torch.from_numpy(batch.take(np.array([row])).ids.astype(np.int64))[None] for row in range(len(batch))]
    return torch.cat([network(ids).logits for ids in rows]).numpy()


def slow_ragged(query, key, value, offsets, longest, window=None):
    """Attention one sequence after the other."""
    found = torch.empty_like(query)
    bounds = offsets.tolist()
    assert longest == max(stop - start for start, stop in pairwise(bounds))
    for start, stop in pairwise(bounds):
        row = [part[start:stop].transpose(0, 1) for part in (query, key, value)]
        scores = math.log(2.0) * row[0] @ row[1].transpose(1, 2)
        if window is not None:
            places = torch.arange(stop - start)
            scores.masked_fill_((places[:, None] - places).abs() > window, -torch.inf)
        found[start:stop] = (torch.softmax(scores, dim=-1) @ row[2]).transpose(0, 1)
    return found
