"""Tokenization of many texts at once, without the work that plain ones do not need.

BERT's normalizer decomposes accents, looks for Chinese characters and drops control characters. This takes a third of
the tokenizer's time. ASCII has no accents and no Chinese characters. So an ASCII text without control characters is a
plain one: all that the normalizer does to it is to lower its case, and that is done here, faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from operator import not_
from threading import Lock

from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

# White space that the pre-tokenizer splits at is no control character here.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Text = str | tuple[str, str]


class BatchTokenizer:
    """`tokenizer`, whose truncation is set for each call, and whose normalizer is another one while it encodes plain
    texts. Threads take turns."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
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
        plain = [_is_plain(text) if isinstance(text, str) else all(map(_is_plain, text)) for text in texts]
        with self._turn:
            self._truncate(max_length, side)
            with self._normalized_by(self._plain_normalizer):
                found = iter(self._tokenizer.encode_batch_fast(list(compress(texts, plain))))
            others = iter(self._tokenizer.encode_batch_fast(list(compress(texts, map(not_, plain)))))
        return [next(found if is_plain else others) for is_plain in plain]

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


def _is_plain(text: str) -> bool:
    return text.isascii() and _CONTROL.search(text) is None


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
