"""What a model directory holds, taken apart and not yet checked: configuration, weights, tokenizer.

Plain files are read as they are. What they leave open is left to transformers, which takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from scorer.classifier.model_config import ModelConfig
from scorer.classifier.network import Network
from scorer.classifier.tokenization import TruncationSide
from scorer.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a classifier, in fp32 on the CPU.

    weights          by the names that they have in their file; None where `made` holds them
    token_types      whether the tokenizer tells which text of a pair a token is of, and `sees_types` whether the model
                     is told
    longest          what the tokenizer's configuration says is the longest input in tokens
    truncation_side  where it cuts a longer one
    embeddings       rows of the table of token embeddings
    positions        the longest input in tokens that positions are embedded for; None when they are not
    pad_id           fills a row up
    may_mix          whether rows of several lengths may be together, if the architecture allows it: padding is known
                     for such
    network          makes what transformers makes of it; `made`, if that is there already
    """

    config: ModelConfig
    weights: Mapping[str, Tensor] | None
    tokenizer: Tokenizer
    token_types: bool
    sees_types: bool
    longest: Any
    truncation_side: TruncationSide
    embeddings: int
    positions: int | None
    pad_id: int
    may_mix: bool
    network: Callable[[], Network]
    made: Network | None = None


def refuse_nonfinite(name: str, weights: Iterable[tuple[str, Tensor]]) -> None:
    """ModelError where one of the `weights` of the model `name`, each with its own name, is not finite."""
    for weight, values in weights:
        if not torch.isfinite(values).all():
            raise ModelError(f"{name}: {weight} holds non-finite weights; fit the model again")


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Name after `what` whatever transformers and tokenizers raise on a damaged or foreign directory: anything.

    A panic in tokenizers, a library of Rust, is no Exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(f"{what} ({type(error).__name__}: {reason})") from error
