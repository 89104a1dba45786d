"""A classifier as transformers makes it: what its network says of tokens, positions, padding and outputs.

transformers itself is not imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from scorer.classifier.feeding import Feed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# As an id of padding it stands in no row: the head of a decoder that looks for the last other token takes the last.
_NO_TOKEN = -1


@dataclass(frozen=True)
class Network:
    """`model`, with fp32 weights on the CPU, and how it is called."""

    model: PreTrainedModel
    feed: Feed


def max_positions(model: PreTrainedModel) -> int | None:
    """The longest input in tokens that the position embeddings allow; None when positions are not embedded.

    RoBERTa and its kin count positions from padding_idx + 1, which takes that many rows from the table.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - reserved
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if limit and limit > 0 else None


def output_layer(model: PreTrainedModel, *, outputs: int) -> nn.Linear | None:
    """The last layer of the head with so many `outputs`, if it has a bias; None where there is none."""
    encoder = f"{model.base_model_prefix}."
    named = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    layers = [layer for name, layer in named if not name.startswith(encoder) and layer.out_features == outputs]
    return layers[-1] if layers and layers[-1].bias is not None else None


def settle_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, bool]:
    """What fills a row, and whether the model knows it for padding.

    A decoder's head takes the last token that is no padding. To one that names none every token is a text's own, so the
    last place is read, and rows of several lengths cannot be together; that is what the model is told here.
    """
    config = model.config.get_text_config()
    tokens = token_count(model)
    known = getattr(config, "pad_token_id", None)
    if known is not None and 0 <= known < tokens:
        return known, True
    config.pad_token_id = _NO_TOKEN
    own = tokenizer.pad_token_id
    return (own if own is not None and 0 <= own < tokens else 0), False


def token_count(model: PreTrainedModel) -> int:
    """The rows of the table of token embeddings."""
    embeddings = model.get_input_embeddings()
    if isinstance(embeddings, nn.Embedding):
        return embeddings.num_embeddings
    # What Perceiver gives for it holds no tokens.
    return int(model.config.get_text_config().vocab_size)


def settle_attention(model: PreTrainedModel, max_length: int) -> int | None:
    """Let every token of a text see every other, where the model does so with each text of `max_length` alone.

    BigBird looks at blocks of long texts only, until a short one comes: from then on it sees the whole of every text.
    None, or the longest text in tokens that it sees the whole of, where `max_length` is more.
    """
    config = model.config
    if getattr(config, "attention_type", None) != "block_sparse":
        return None
    most = (5 + 2 * int(config.num_random_blocks)) * int(config.block_size)
    if max_length > most:
        return most
    switched: Any = next(module for module in model.modules() if hasattr(module, "set_attention_type"))
    switched.set_attention_type("original_full")
    return None
