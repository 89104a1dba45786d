"""Texts to token sequences, with the model's own tokenizer.

Texts are truncated here, and of a very long text only a part is looked at. Nothing is padded: batches are planned
later.

Plain texts take a shorter way. BERT's normalizer decomposes accents, looks for Chinese characters and drops control
characters, which takes a third of the tokenizer's time. An ASCII text without control characters has none of these: all
that the normalizer does to it is to lower its case, and that is done here, faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from operator import not_
from threading import Lock
from typing import Literal

import numpy as np
from tokenizers import Encoding, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from scorer.classifier.long_text import LongText, SpecialTokens, head_and_tail, windows
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.errors import ConfigError, ModelError

# A text is first tried by its beginning alone: this many characters for each token that the model can see.
_CHARACTERS_A_TOKEN = 10
# No tokenizer is given more than this of one text, or a text without any word break would take it seconds; what lies
# beyond could matter only if all before it made fewer tokens than the model can see.
_LONGEST_TEXT = 100_000
# Texts that are encoded whole are encoded so many characters at a time: the tokenizer needs a hundred bytes a token.
_CHARACTERS_AT_ONCE = 500_000
# Those of which only the beginning counts, so many texts at a time.
_ROWS_AT_ONCE = 4_096
# White space that the pre-tokenizer splits at is no control character here.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


Text = str | tuple[str, str]
TruncationSide = Literal["left", "right"]
"""Which end of a long text is cut off."""


class TextEncoder:
    """Encodes texts, or pairs of texts, into sequences of at most `max_length` token ids, the model's special tokens
    included. `long_text` says what becomes of a text that has more.

    Truncation is that of transformers: what is cut off is at `truncation_side`, of a pair the longer text's. Without
    `token_types` every token has type 0, for models whose tokenizer does not tell them (ALBERT's, in transformers 5).
    `why_no_pairs` says why the model cannot score pairs, if it cannot. `tokenizer` is changed: its padding and
    truncation are set anew, and it gives one text the same tokens every time. ConfigError when windows have no room to
    advance.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        token_types: bool = True,
        long_text: LongText = LongText(),  # noqa: B008 (frozen)
        truncation_side: TruncationSide = "right",
        why_no_pairs: str | None = None,
    ) -> None:
        self._why_no_pairs = why_no_pairs
        self._side: TruncationSide = truncation_side
        self.max_length = max_length
        self.long_text = long_text
        self._token_types = token_types
        self._beginning = max_length * _CHARACTERS_A_TOKEN
        self._longest_text = max(_LONGEST_TEXT, self._beginning)
        tokenizer.no_padding()
        without_dropout(tokenizer)
        self.tokenizer = tokenizer
        self._tokenize = BatchTokenizer(tokenizer)
        self._special = self._measure_special()

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> EncodedInputs:
        """Encode `texts` (n,), each with its counterpart in `pairs` (n,) where there is one.

        ConfigError when the special tokens of a pair leave no room in `max_length` for a token of each text, UsageError
        for pairs where long texts are not truncated, ModelError for those that the model cannot score.
        """
        if pairs is not None:
            if self._why_no_pairs is not None:
                raise ModelError(self._why_no_pairs)
            self.long_text.refuse_pair(("first", "second"))
            parts = [self._encode_pairs(texts[rows], pairs[rows]) for rows in _slices(len(texts))]
            return EncodedInputs.single(TokenSequences.concatenate(parts))
        if self.long_text.strategy == "truncate":
            return EncodedInputs.single(
                TokenSequences.concatenate([self._encode(texts[rows]) for rows in _slices(len(texts))])
            )
        return EncodedInputs.concatenate([self._cut(self._encode_whole(part)) for part in self._in_parts(texts)])

    def _encode(self, texts: Sequence[str]) -> TokenSequences:
        """Encode the beginning of each text, and the whole of those whose beginning did not fill the model."""
        beginnings = [self._enough(text) for text in texts]
        encodings = self._tokenize(beginnings, max_length=self.max_length, side=self._side)
        truncated = np.fromiter((bool(encoding.overflowing) for encoding in encodings), np.bool_, len(texts))
        unsure = [row for row in np.flatnonzero(~truncated).tolist() if len(beginnings[row]) < len(texts[row])]
        if unsure:
            rest = [self._most(texts[row]) for row in unsure]
            whole = self._tokenize(rest, max_length=self.max_length, side=self._side)
            for row, encoding in zip(unsure, whole, strict=True):
                encodings[row] = encoding
                truncated[row] = bool(encoding.overflowing) or len(texts[row]) > self._longest_text
        ids = [encoding.ids for encoding in encodings]
        return TokenSequences.of(ids, first=[len(row) for row in ids], truncated=truncated)

    def _encode_whole(self, texts: Sequence[str]) -> TokenSequences:
        """Encode each text without a limit in tokens; of one beyond the limit in characters the middle is left out when
        its end will be needed, else its end."""
        most = self._longest_text
        first = most // 2 if self.long_text.strategy == "head-tail" else most
        shortened = [text if len(text) <= most else text[:first] + text[len(text) - most + first :] for text in texts]
        ids = [encoding.ids for encoding in self._tokenize(shortened)]
        truncated = np.fromiter((len(text) > most for text in texts), np.bool_, len(texts))
        return TokenSequences.of(ids, first=[len(row) for row in ids], truncated=truncated)

    def _in_parts(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        """`texts` in order, in parts that hold a bounded number of characters to encode."""
        start, characters = 0, 0
        for stop, text in enumerate(texts):
            characters += min(len(text), self._longest_text)
            if characters > _CHARACTERS_AT_ONCE and stop > start:
                yield texts[start:stop]
                start, characters = stop, min(len(text), self._longest_text)
        if start < len(texts):
            yield texts[start:]

    def _cut(self, whole: TokenSequences) -> EncodedInputs:
        if self.long_text.strategy == "window":
            return windows(whole, self._special, stride=self.long_text.stride)
        return head_and_tail(whole, self._special)

    def _measure_special(self) -> SpecialTokens:
        """How many special tokens the tokenizer puts before and after a text."""
        parts = self._tokenize(["a"])[0].sequence_ids
        prefix = parts.index(0) if 0 in parts else len(parts)
        special = SpecialTokens(self.max_length, prefix, self._tokenize.special_tokens(pair=False) - prefix)
        stride, taken = self.long_text.stride, self.max_length - special.room
        if self.long_text.strategy != "truncate" and special.room <= stride:
            raise ConfigError(
                f"--max-length {self.max_length}: {self.max_length - special.room} special tokens and the {stride} "
                f"that windows share leave no room for others; say {taken + stride + 1} at least"
            )
        return special

    def _encode_pairs(self, texts: Sequence[str], pairs: Sequence[str]) -> TokenSequences:
        """Encode the texts whole and truncate them here.

        The tokenizer's own truncation keeps every combination of what it cuts off of one text with what it cuts off of
        the other: its time and memory are quadratic in their length.
        """
        room = self.max_length - self._tokenize.special_tokens(pair=True)
        if room < 2:
            raise ConfigError(
                f"--max-length {self.max_length}: a pair of this model needs {self.max_length - room} special tokens "
                f"and one of each text; say {self.max_length - room + 2} at least"
            )
        most = self._longest_text
        encodings = self._tokenize(list(zip(map(self._most, texts), map(self._most, pairs), strict=True)))
        ids, first = [], []
        truncated = np.fromiter((max(len(a), len(b)) > most for a, b in zip(texts, pairs, strict=True)), np.bool_)
        for row, encoding in enumerate(encodings):
            row_ids, types = encoding.ids, encoding.type_ids
            if len(row_ids) > self.max_length:
                truncated[row] = True
                kept = _kept(encoding.sequence_ids, room, side=self._side)
                row_ids, types = [row_ids[place] for place in kept], [types[place] for place in kept]
            ids.append(row_ids)
            first.append(len(types) - sum(types) if self._token_types else len(types))
        return TokenSequences.of(ids, first=first, truncated=truncated)

    def _enough(self, text: str) -> str:
        """What of `text` may matter to what the model sees, as far as that is told without its tokens.

        A text that is cut off at its left is not tried by its end alone: the first word of a tokenizer may be spelt in
        another way than the same word within a text.
        """
        if self._side == "left":
            return self._most(text)
        return _beginning(text, self._beginning, self._longest_text)

    def _most(self, text: str) -> str:
        """As much of `text` as a tokenizer is given, from the side that is kept."""
        return text[-self._longest_text :] if self._side == "left" else text[: self._longest_text]


def without_dropout(tokenizer: Tokenizer) -> None:
    """Let `tokenizer` give one text the same tokens every time: what is left of its training may leave merges out by
    chance (Provilkov et al. 2020, "BPE-Dropout")."""
    if isinstance(tokenizer.model, BPE):
        tokenizer.model.dropout = None


def _slices(rows: int) -> Iterator[slice]:
    """All rows, some thousands at a time: numpy makes an array of a slice's ids in one go, and no other thread, such as
    one that feeds the device, has the interpreter meanwhile."""
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows, _ROWS_AT_ONCE))


def _beginning(text: str, characters: int, longest: int) -> str:
    """`text` up to the first word break at or after `characters`; its first `longest` when there is none before.

    Every tokenizer that we read splits at white space before it looks for tokens, so the beginning's tokens are the
    text's first tokens: when they overflow the model, nothing after the cut can change what the model sees. The cut
    stands before a space that follows a word, so that runs of spaces stay whole.
    """
    if len(text) <= characters:
        return text
    cut = text.find(" ", characters, longest)
    if cut <= 0 or text[cut - 1].isspace():
        return text[:longest]
    return text[:cut]


def _kept(sequence_ids: Sequence[int | None], room: int, *, side: TruncationSide) -> list[int]:
    """The places of a pair's tokens that stay when its two texts may have `room` tokens together.

    `sequence_ids` says of each token which text it is of, None for special tokens. Truncation is "longest_first" as the
    tokenizers library does it: only the longer text is cut, at `side`, while the shorter has at most half of the room.
    """
    whole = [sequence_ids.count(0), sequence_ids.count(1)]
    lengths = list(whole)
    shorter, longer = (1, 0) if lengths[0] > lengths[1] else (0, 1)
    lengths[shorter] = min(lengths[shorter], room // 2)
    lengths[longer] = room - lengths[shorter]
    starts = [sequence_ids.index(text) if text in sequence_ids else 0 for text in (0, 1)]
    if side == "left":
        starts = [start + full - kept for start, full, kept in zip(starts, whole, lengths, strict=True)]
    return [
        place
        for place, text in enumerate(sequence_ids)
        if text is None or starts[text] <= place < starts[text] + lengths[text]
    ]


def _is_plain(text: str) -> bool:
    return text.isascii() and _CONTROL.search(text) is None


class BatchTokenizer:
    """`tokenizer`, whose truncation is set for each call, and whose normalizer is another one while it encodes plain
    texts, those that `is_plain`. Threads take turns."""

    def __init__(self, tokenizer: Tokenizer, *, is_plain: Callable[[str], bool] = _is_plain) -> None:
        self._tokenizer = tokenizer
        self._is_plain = is_plain
        self._plain_normalizer = _plain_normalizer(tokenizer)
        self._turn = Lock()

    def special_tokens(self, *, pair: bool) -> int:
        """How many special tokens stand around a text, or a pair of texts."""
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=pair))

    def __call__(self, texts: Sequence[Text], *, max_length: int | None = None, side: str = "right") -> list[Encoding]:
        """The encoding of each text, or pair of texts, in their order; offsets are left out. `max_length` tokens of
        each are kept and what is at its `side` is cut off; None: all are kept."""
        if self._plain_normalizer is None:
            with self._turn:
                self._truncate(max_length, side)
                return self._tokenizer.encode_batch_fast(texts)
        is_plain = self._is_plain
        plain = [is_plain(text) if isinstance(text, str) else all(map(is_plain, text)) for text in texts]
        with self._turn:
            self._truncate(max_length, side)
            with self._normalized_by(self._plain_normalizer):
                found = iter(self._tokenizer.encode_batch_fast(list(compress(texts, plain))))
            others = iter(self._tokenizer.encode_batch_fast(list(compress(texts, map(not_, plain)))))
        return [next(found if short else others) for short in plain]

    def _truncate(self, max_length: int | None, side: str) -> None:
        if max_length is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(max_length=max_length, direction=side)

    @contextmanager
    def _normalized_by(self, normalizer: BertNormalizer) -> Iterator[None]:
        own = self._tokenizer.normalizer
        self._tokenizer.normalizer = normalizer
        try:
            yield
        finally:
            self._tokenizer.normalizer = own


def _plain_normalizer(tokenizer: Tokenizer) -> BertNormalizer | None:
    """One that lowers the case where the normalizer of `tokenizer` does, and nothing else.

    None where that is not the same for plain texts: with another normalizer or pre-tokenizer, and with added tokens
    that are looked for in normalized text, since the white space and the letters in them are normalized, too.
    """
    own = tokenizer.normalizer
    if not isinstance(own, BertNormalizer) or not isinstance(tokenizer.pre_tokenizer, BertPreTokenizer):
        return None
    if any(token.normalized for token in tokenizer.get_added_tokens_decoder().values()):
        return None
    return BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=own.lowercase)
