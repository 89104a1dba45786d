"""Tokens for the characters that the base model cannot spell.

Owns which they are and where their embeddings start. Does not know files, nor how embeddings are trained.

WordPiece makes one unknown token of a whole word as soon as a character of it is not in the vocabulary: to an English
model a Chinese sentence is a row of the same token, and so is every emoji. With tokens of their own the characters can
be told apart, and training finds out what they mean. Tokenizers of other kinds, most of which spell such characters in
bytes, are left as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from torch import nn
from transformers import PreTrainedModel

# What fewer training rows have can hardly be learned.
_ENOUGH_ROWS = 10
# Beside the seed, so that the draws are others than those of the head.
_STREAM = 1


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


def add_tokens(model: PreTrainedModel, tokenizer: Tokenizer, tokens: Sequence[str], *, seed: int) -> None:
    """Put `tokens` behind those of the WordPiece `tokenizer`, and embeddings of theirs into `model`.

    `seed` draws the embeddings, each component normal with the mean and the standard deviation that it has among the
    model's own: training tells characters apart from its first step, which it could not if all began as their mean.
    """
    if not tokens:
        return
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
