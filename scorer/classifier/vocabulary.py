"""The tokenizer of a model without the model: how many tokens texts have, how many are unknown, which ones it lacks.

The tokenizer is loaded on its own, so that nobody loads torch to count tokens. Nothing is truncated.

WordPiece makes one unknown token of a whole word as soon as a character of it is not in the vocabulary: to an English
model a Chinese sentence is a row of the same token, and so is every emoji. With tokens of their own the characters can
be told apart, and training finds out what they mean. Tokenizers of other kinds, most of which spell such characters in
bytes, are left as they are. The tokens that are worth having are chosen and added here; `scorer.training.new_tokens`
gives them their embeddings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from scorer.classifier.base_model import resolve_base_model, unavailable
from scorer.classifier.directory import find_model
from scorer.classifier.remedies import install_sentencepiece
from scorer.classifier.tokenization import without_dropout
from scorer.classifier.tokenizer_copies import copied, read_tokenizer
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
        tokenizer = copied(self.tokenizer)
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
            return read_tokenizer(file.read_text(encoding="utf-8"))
        if (lacking := install_sentencepiece(name, path)) is not None:
            raise ModelError(lacking)
        from transformers import AutoTokenizer

        loaded: Any = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
        backend: Tokenizer = loaded.backend_tokenizer
        return backend
    except ModelError:
        raise
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


# What fewer training rows have can hardly be learned.
_ENOUGH_ROWS = 10


def lacking_tokens(rows: Iterable[Sequence[str]], tokenizer: Tokenizer) -> list[str]:
    """The tokens of one character that the WordPiece `tokenizer` lacks to spell `rows`, each of one text or two.

    A character at the start of a word and one within it, with the prefix, are two tokens; each must be in ten rows at
    least. The most frequent come first. None for a tokenizer of another kind.
    """
    if not isinstance(tokenizer.model, WordPiece):
        return []
    vocabulary = tokenizer.get_vocab()
    lacking: dict[str, frozenset[str]] = {}
    counts: Counter[str] = Counter()
    for texts in rows:
        characters = set().union(*texts)
        for character in characters - lacking.keys():
            # Twice: what may stand within a word does so here, and what is always a word of its own does not.
            lacking[character] = frozenset(_characters(character * 2, tokenizer)) - vocabulary.keys()
        if wanted := frozenset().union(*(lacking[character] for character in characters)):
            counts.update(wanted.intersection(token for text in texts for token in _characters(text, tokenizer)))
    # Equal counts by the token itself: a set has no order that another run would have too.
    frequent = [(-count, token) for token, count in counts.items() if count >= _ENOUGH_ROWS]
    return [token for _, token in sorted(frequent)]


def extend(tokenizer: Tokenizer, tokens: Sequence[str]) -> int:
    """Put `tokens` behind all others of the WordPiece `tokenizer`; the id of the first."""
    vocabulary = tokenizer.get_vocab()
    first = max(vocabulary.values()) + 1
    wordpiece = tokenizer.model
    tokenizer.model = WordPiece(
        # With tokens that somebody added before: whoever opens the tokenizer gives those that are not here new ids.
        vocabulary | {token: first + place for place, token in enumerate(tokens)},
        unk_token=wordpiece.unk_token,
        max_input_chars_per_word=wordpiece.max_input_chars_per_word,
        continuing_subword_prefix=wordpiece.continuing_subword_prefix,
    )
    return first


def _characters(text: str, tokenizer: Tokenizer) -> Iterator[str]:
    """The tokens that spell `text` character by character; of words that are too long for WordPiece none."""
    wordpiece = tokenizer.model
    prefix, longest = wordpiece.continuing_subword_prefix, wordpiece.max_input_chars_per_word
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    words = [text]
    if tokenizer.pre_tokenizer is not None:
        words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
    for word in words:
        if len(word) <= longest:
            yield from (character if place == 0 else prefix + character for place, character in enumerate(word))
