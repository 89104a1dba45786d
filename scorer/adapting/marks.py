"""What a tokenizer's tokens are to an adaptation: which begin words, which stand around a text, which may be hidden."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from scorer.errors import ConfigError, ModelError

# What begins a word in byte pairs (a space, as their alphabet writes it) and in SentencePiece.
_SPACES = ("Ġ", "▁")
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")


@dataclass(frozen=True)
class Marks:
    """Of the v ids of a tokenizer.

    before, after  the ids that stand before a text and behind it
    between        the id between two documents in a block; that of the first token `after`
    mask, padding  ids
    special        (v,) whether an id spells no text, so is never hidden nor drawn
    begins         (v,) whether an id begins a word; all True where words are not asked for
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mask: int
    padding: int
    special: NDArray[np.bool_]
    begins: NDArray[np.bool_]

    @classmethod
    def of(cls, tokenizer: Any, name: str, *, words: bool) -> Marks:
        """Of transformers' `tokenizer` of the model `name`; ModelError when it hides no tokens, ConfigError when its
        `words` are asked for and it does not tell them."""
        if tokenizer.mask_token_id is None:
            raise ModelError(f"{name}: its tokenizer has no mask token; choose an encoder such as BERT or RoBERTa")
        backend: Tokenizer = tokenizer.backend_tokenizer
        size = max(backend.get_vocab().values()) + 1
        special = np.zeros(size, np.bool_)
        special[tokenizer.all_special_ids] = True
        before, after = _around(backend, special)
        if not after:
            raise ModelError(f"{name}: nothing stands behind its texts; choose an encoder such as BERT or RoBERTa")
        begins = _begins(backend, size, name) if words else np.ones(size, np.bool_)
        return cls(before, after, tokenizer.mask_token_id, tokenizer.pad_token_id, special, begins | special)

    @property
    def between(self) -> int:
        return self.after[0]

    @property
    def around(self) -> int:
        """How many ids stand around a text."""
        return len(self.before) + len(self.after)

    def spells(self, ids: NDArray[np.uint32]) -> bool:
        """Whether one of `ids` (t,) at least spells text."""
        return not bool(self.special[ids].all())

    @property
    def ordinary(self) -> NDArray[np.int64]:
        """The ids that spell texts."""
        return np.flatnonzero(~self.special)


def _around(tokenizer: Tokenizer, special: NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What stands before a text and behind it: around one that has an ordinary token."""
    ids = np.asarray(tokenizer.encode("a").ids)
    inside = np.flatnonzero(~special[ids])
    if not len(inside):  # it cannot spell an a
        return tuple(ids[:1].tolist()), tuple(ids[-1:].tolist())
    return tuple(ids[: inside[0]].tolist()), tuple(ids[inside[-1] + 1 :].tolist())


def _begins(tokenizer: Tokenizer, size: int, name: str) -> NDArray[np.bool_]:
    vocabulary = tokenizer.get_vocab()
    begins = np.ones(size, np.bool_)
    if isinstance(tokenizer.model, WordPiece):
        prefix = json.loads(tokenizer.to_str())["model"]["continuing_subword_prefix"]
        begins[[id_ for token, id_ in vocabulary.items() if token.startswith(prefix)]] = False
        return begins
    begins[[id_ for token, id_ in vocabulary.items() if not token.startswith(_SPACES)]] = False
    if not begins.any():
        raise ConfigError(f"--whole-words: the tokenizer of {name} does not tell where words begin; leave it out")
    # No space stands before these; WordPiece has them as words of their own.
    ids = list(vocabulary.values())
    texts = tokenizer.decode_batch([[id_] for id_ in ids], skip_special_tokens=False)
    begins[[id_ for id_, text in zip(ids, texts, strict=True) if _CHINESE.match(text.lstrip())]] = True
    return begins
