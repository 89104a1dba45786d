"""The head's first guess.

Owns where a fresh head starts. Does not know how it is trained.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from scorer.classifier.labels import Targets


def start_from_frequencies(model: PreTrainedModel, targets: Targets) -> None:
    """Let a fresh head give each label the probability that it has among the training `targets` (n, labels) of 0 and 1;
    with one label a row, where `targets` is (n,), nothing is done.

    Each label's bias becomes its log-odds (Lin et al. 2017, section 3.3, for rare classes). A fresh bias is 0, which
    says one half, and AdamW moves it by no more than the learning rate a step: too slowly for labels that one row in a
    hundred has.
    """
    if targets.ndim == 1:
        return
    heads = [module for module in model.modules() if isinstance(module, nn.Linear)]
    head = next((module for module in reversed(heads) if module.out_features == targets.shape[1]), None)
    if head is None or head.bias is None:
        return
    present = targets.sum(axis=0, dtype=np.int64) + 0.5
    odds = present / (len(targets) + 1 - present)
    with torch.no_grad():
        head.bias.copy_(torch.from_numpy(np.log(odds)))
