"""Characters that a tokenizer cannot spell, and the tokens that they would need.

WordPiece makes one unknown token of a whole word as soon as a character of it is not in the vocabulary: to an English
model a Chinese sentence is a row of the same token, and so is every emoji. With tokens of their own the characters can
be told apart, and training finds out what they mean. Tokenizers of other kinds, most of which spell such characters in
bytes, are left as they are.

Chooses the tokens that are worth having and adds them to the tokenizer. `scorer.training.new_tokens` gives them their
embeddings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

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
