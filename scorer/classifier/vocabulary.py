"""The tokenizer of a model without the model: how many tokens texts have, and how many of them are unknown.

The tokenizer is loaded on its own, so that nobody loads torch to count tokens. Nothing is truncated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scorer.classifier.base_model import resolve_base_model, unavailable
from scorer.classifier.directory import find_model
from scorer.classifier.spelling import extend, lacking_tokens
from scorer.classifier.tokenization import without_dropout
from scorer.errors import ModelError

_ROWS_AT_ONCE = 1_000
# transformers counts positions of these from the padding token's id + 1 on.
_POSITIONS_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "longformer",
    "mpnet",
    "data2vec-text",
}


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of n texts: `lengths` (n,) with the special tokens, `unknown` (n,) of them unknown; both int64."""

    lengths: NDArray[np.int64]
    unknown: NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer of the model `name`; `positions` is the longest input in tokens, None where nothing limits it."""

    name: str
    positions: int | None
    tokenizer: Tokenizer

    @classmethod
    def of_base_model(cls, base_model: str | None) -> Vocabulary:
        """That of the base model as `scorer fit --base-model` names it. ModelError when it cannot be loaded."""
        location, name = resolve_base_model(base_model)
        try:
            path = find_model(location)
        except ModelError as error:
            if Path(location).is_dir():
                raise
            raise unavailable(name, error.__cause__ or error) from error
        tokenizer = _load(path, name)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        without_dropout(tokenizer)
        return cls(name, _positions(path), tokenizer)

    @property
    def unknown_id(self) -> int | None:
        """The id of the unknown token; None where every text can be spelt."""
        model = json.loads(self.tokenizer.to_str())["model"]
        token = model.get("unk_token")
        return self.tokenizer.token_to_id(token) if token is not None else model.get("unk_id")

    def extended(self, rows: Sequence[tuple[str, ...]]) -> Vocabulary:
        """The vocabulary that a fit on `rows` would make of it; itself where it lacks nothing that they need."""
        tokens = lacking_tokens(rows, self.tokenizer)
        if not tokens:
            return self
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        extend(tokenizer, tokens)
        return replace(self, tokenizer=tokenizer)

    def count(self, rows: Sequence[tuple[str, ...]]) -> TokenCounts:
        """Count the tokens of each row of one text or two."""
        lengths, unknown, unknown_id = [], [], self.unknown_id
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = [row if len(row) > 1 else row[0] for row in rows[start : start + _ROWS_AT_ONCE]]
            for encoding in self.tokenizer.encode_batch_fast(part):
                ids = encoding.ids
                lengths.append(len(ids))
                unknown.append(ids.count(unknown_id) if unknown_id is not None else 0)
        return TokenCounts(np.array(lengths, np.int64), np.array(unknown, np.int64))


def _load(path: Path, name: str) -> Tokenizer:
    file = path / "tokenizer.json"
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        from transformers import AutoTokenizer

        loaded: Any = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
        backend: Tokenizer = loaded.backend_tokenizer
        return backend
    except Exception as error:
        # tokenizers raises plain Exception, transformers anything from KeyError to OSError.
        raise ModelError(f"{name}: its tokenizer cannot be loaded ({type(error).__name__})") from error


def _positions(path: Path) -> int | None:
    """From `config.json` alone; `scorer.classifier.loading.max_positions` asks the loaded model."""
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int) or limit <= 0:
        return None
    padding = config.get("pad_token_id", 1)
    after_padding = isinstance(padding, int) and config.get("model_type") in _POSITIONS_AFTER_PADDING
    return limit - (padding + 1 if after_padding else 0)
