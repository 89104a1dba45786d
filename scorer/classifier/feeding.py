"""What a model is called with: a batch of token sequences as the arguments of transformers' own forward.

Which arguments a model takes, and how it is told of padding, is decided here, once for training and for scoring.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from scorer.classifier.model_config import ModelConfig
from scorer.classifier.sequences import TokenSequences

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MOST_SHOWN = 9


@dataclass(frozen=True)
class Feed:
    """How `model` is called.

    pad_id       fills a row up
    token_types  whether it is told which text of a pair a token is of
    uncached     whether it is told to keep nothing for a next token, as transformers' pipeline tells it
    end          the token that it reads the answer at, where that must be as often in every row of a batch
    """

    pad_id: int
    token_types: bool = False
    uncached: bool = False
    end: int | None = None

    @classmethod
    def of(cls, model: PreTrainedModel, *, pad_id: int, token_types: bool) -> Feed:
        """`token_types` says whether the tokenizer gives them; to GPT-2 they are tokens more."""
        parameters = inspect.signature(model.forward).parameters
        end = getattr(model.config, "eos_token_id", None)
        return cls(
            pad_id=pad_id,
            token_types=token_types and "token_type_ids" in parameters,
            uncached="use_cache" in parameters,
            end=end if getattr(model.config, "is_encoder_decoder", False) and isinstance(end, int) else None,
        )

    def arguments(self, batch: TokenSequences) -> dict[str, NDArray[np.int64]]:
        """The arrays (n, longest) int64 of `batch`, by the names that transformers gives them."""
        ids, mask, types = batch.padded(self.pad_id)
        arrays = {"input_ids": ids, "attention_mask": mask}
        return arrays | {"token_type_ids": types} if self.token_types else arrays

    @property
    def options(self) -> dict[str, Any]:
        """What else the model is called with."""
        return {"use_cache": False} if self.uncached else {}

    def together(self, batch: TokenSequences) -> list[NDArray[np.int64]]:
        """The rows of `batch` that may be computed together: all, but for those whose text holds the end's token.

        An encoder-decoder's head takes the state at the last end of each row, and refuses rows with unlike numbers.
        """
        rows = np.arange(len(batch))
        if self.end is None or len(batch) < 2:
            return [rows]
        ends = np.add.reduceat(np.append(batch.ids == self.end, False), batch.offsets[:-1], dtype=np.int64)
        usual = ends == 1
        if usual.all():
            return [rows]
        return [part for part in (rows[usual], *(rows[[row]] for row in rows[~usual])) if len(part)]


def why_no_pairs(name: str, config: ModelConfig, tokenizer: Tokenizer, *, token_types: bool) -> str | None:
    """Why the model `name` cannot score pairs, or None: its tokenizer gives other types of token than 0 at first and
    then 1, or a second one though the model, if it is told `token_types`, has no embedding of it."""
    types = _types(tokenizer.encode("a", "b")) if token_types else []
    if types != sorted(types) or max(types, default=0) > 1:
        return f"{name}: scores single texts only: its tokenizer gives a pair the types of token {_shown(types)}"
    if getattr(config, "type_vocab_size", None) != 1 or max(types, default=0) == 0:
        return None
    return f"{name}: scores single texts only: its tokenizer gives two types of token, it knows one"


def why_no_texts(name: str, tokenizer: Tokenizer) -> str | None:
    """Why the model `name` cannot score texts, or None: its tokenizer, which tells types of token, gives a single text
    others than 0, which alone are computed."""
    types = _types(tokenizer.encode("a"))
    if not any(types):
        return None
    return f"{name}: its tokenizer gives a text the types of token {_shown(types)}; only type 0 is computed"


def _types(encoded: Encoding) -> list[int]:
    """The types of the tokens of a text, or of a pair; not those of the padding that the tokenizer may put beside."""
    return [kind for kind, inside in zip(encoded.type_ids, encoded.attention_mask, strict=True) if inside]


def _shown(types: list[int]) -> str:
    return ", ".join(map(str, types[:_MOST_SHOWN])) + (", ..." if len(types) > _MOST_SHOWN else "")
