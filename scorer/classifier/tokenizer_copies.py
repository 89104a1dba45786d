"""A tokenizer out of its description in JSON, or as a copy of another: one that gives every text the very same tokens.

`Tokenizer.from_str` alone does not do that. It loses the last bits of the scores of unigrams, so that another way to
spell a text may come out as the likelier one. And whether a text that spells a special token holds one is not written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import Unigram

Description = tuple[str, bool]
"""A tokenizer in JSON, and whether it splits special tokens that a text spells."""


def read_tokenizer(text: str, document: Mapping[str, Any] | None = None) -> Tokenizer:
    """The tokenizer that `text` in JSON describes, as transformers has it; `document` are its contents where they are
    known. Raises what the tokenizers library does, an Exception of any kind, where it is none."""
    tokenizer = Tokenizer.from_str(text)
    if isinstance(tokenizer.model, Unigram):
        model = (document or json.loads(text))["model"]
        pieces = [(piece, score) for piece, score in model["vocab"]]
        tokenizer.model = Unigram(pieces, model["unk_id"], model.get("byte_fallback", False))
    return tokenizer


def described(tokenizer: Tokenizer) -> Description:
    """All of `tokenizer`, for another process."""
    return tokenizer.to_str(), tokenizer.encode_special_tokens


def restored(description: Description) -> Tokenizer:
    """The tokenizer that was `described`."""
    text, splits_special = description
    tokenizer = read_tokenizer(text)
    tokenizer.encode_special_tokens = splits_special
    return tokenizer


def copied(tokenizer: Tokenizer) -> Tokenizer:
    """Another one with the same tokens for every text, whose padding and truncation may be set to something else."""
    return restored(described(tokenizer))
