"""Tokens that the base model lacks, in the model as in its tokenizer.

Owns where their embeddings start. Does not know which tokens are worth having, nor how embeddings are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel

from scorer.classifier.spelling import extend

# Beside the seed, so that the draws are others than those of the head.
_STREAM = 1


def add_tokens(model: PreTrainedModel, tokenizer: Tokenizer, tokens: Sequence[str], *, seed: int) -> None:
    """Put `tokens` behind those of the WordPiece `tokenizer`, and embeddings of theirs into `model`.

    `seed` draws the embeddings, each component normal with the mean and the standard deviation that it has among the
    model's own: training tells characters apart from its first step, which it could not if all began as their mean.
    """
    if not tokens:
        return
    first = extend(tokenizer, tokens)
    own = _embeddings(model)[:first]
    noise = np.random.default_rng([seed, _STREAM]).standard_normal((len(tokens), own.shape[1]), np.float32)
    drawn = own.mean(dim=0) + own.std(dim=0) * torch.from_numpy(noise)
    model.resize_token_embeddings(max(len(_embeddings(model)), first + len(tokens)), mean_resizing=False)
    _embeddings(model)[first : first + len(tokens)] = drawn


def _embeddings(model: PreTrainedModel) -> torch.Tensor:
    """Those of the tokens, (tokens, hidden) fp32, by reference."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table.weight.detach()
