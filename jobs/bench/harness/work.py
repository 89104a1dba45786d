"""How much there is to multiply in a token."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel


def flop_per_token(model: Path) -> float:
    """Two for every weight of the encoder of the directory `model`: the matrix products of one token.

    Attention scores, which grow with the length of a text, and embeddings, which are looked up, are left out.
    """
    with torch.device("meta"):
        body = AutoModel.from_config(AutoConfig.from_pretrained(model))
    weights: int = sum(parameter.numel() for parameter in body.encoder.parameters())
    return 2.0 * weights
