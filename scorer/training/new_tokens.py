"""Tokens for the characters that the base model cannot spell.

Owns which characters get one and where its embedding starts. Does not know files, nor how embeddings are trained.

WordPiece makes one unknown token of a whole word as soon as a character of it is not in the vocabulary: to an English
model a Chinese sentence is a row of the same token, and so is every emoji. With tokens of their own the characters can
be told apart, and training finds out what they mean. Tokenizers of other kinds spell such characters in bytes, or come
with vocabularies of many scripts; they are left as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from torch import nn
from transformers import PreTrainedModel

# What fewer training rows have can hardly be learned.
_ENOUGH_ROWS = 10


def lacking_tokens(rows: Iterable[Sequence[str]], tokenizer: Tokenizer) -> list[str]:
    """What the WordPiece vocabulary of `tokenizer` lacks to spell the characters of `rows`, each of one text or two:
    the token of a character that ten rows have or more, at a word's start or with its prefix within one.

    The most frequent first; none for a tokenizer of another kind.
    """
    model = tokenizer.model
    if not isinstance(model, WordPiece):
        return []
    vocabulary = tokenizer.get_vocab()
    prefix = model.continuing_subword_prefix
    lacking: dict[str, frozenset[str]] = {}
    counts: Counter[str] = Counter()
    for texts in rows:
        characters = set().union(*texts)
        for character in characters - lacking.keys():
            # Twice: what may stand within a word does so here, and what is always a word of its own does not.
            pieces = (piece for word in _words(character * 2, tokenizer) for piece in _spelt(word, prefix))
            lacking[character] = frozenset(piece for piece in pieces if piece not in vocabulary)
        counts.update(frozenset().union(*(lacking[character] for character in characters)))
    # Equal counts by the token itself: a set has no order that another run would have too.
    frequent = [(-count, token) for token, count in counts.items() if count >= _ENOUGH_ROWS]
    return [token for _, token in sorted(frequent)]


def add_tokens(model: PreTrainedModel, tokenizer: Tokenizer, tokens: Sequence[str], *, seed: int) -> None:
    """Put `tokens` behind those of the WordPiece `tokenizer`, and embeddings of theirs into `model`.

    `seed` draws the embeddings, each component normal with the mean and the standard deviation that it has among the
    model's own: training tells characters apart from its first step, which it could not if all began as their mean.
    """
    if not tokens:
        return
    first = max(tokenizer.get_vocab().values()) + 1
    wordpiece = tokenizer.model
    tokenizer.model = WordPiece(
        tokenizer.get_vocab(with_added_tokens=False) | {token: first + place for place, token in enumerate(tokens)},
        unk_token=wordpiece.unk_token,
        max_input_chars_per_word=wordpiece.max_input_chars_per_word,
        continuing_subword_prefix=wordpiece.continuing_subword_prefix,
    )
    own = _embeddings(model)[:first]
    drawn = torch.randn(len(tokens), own.shape[1], generator=torch.Generator().manual_seed(seed))
    drawn = own.mean(dim=0) + own.std(dim=0) * drawn
    model.resize_token_embeddings(max(len(_embeddings(model)), first + len(tokens)), mean_resizing=False)
    _embeddings(model)[first : first + len(tokens)] = drawn


def _embeddings(model: PreTrainedModel) -> torch.Tensor:
    """Those of the tokens, (tokens, hidden) fp32, by reference."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table.weight.detach()


def _words(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words in which WordPiece looks for its tokens."""
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    if tokenizer.pre_tokenizer is None:
        return [text]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def _spelt(word: str, prefix: str) -> list[str]:
    return [character if place == 0 else prefix + character for place, character in enumerate(word)]
