"""Tokenization of many texts at once, without the work that plain ones do not need.

BERT's normalizer decomposes accents, looks for Chinese characters and drops control characters, which takes a third of
the tokenizer's time. ASCII has no accents and no Chinese characters, so all that happens to an ASCII text without
control characters is that its case is lowered. Owns which texts are plain. Does not know lengths or special tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import compress
from operator import not_

from tokenizers import Encoding, Tokenizer

# White space that the pre-tokenizer splits at is no control character here.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Text = str | tuple[str, str]


class BatchTokenizer:
    """`tokenizer`, and where its normalizer is BERT's a copy of it for plain texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._general = tokenizer
        self._for_plain = _for_plain_texts(tokenizer)

    def truncate(self, max_length: int | None) -> None:
        """Cut texts off at `max_length` tokens from now on; None: nowhere."""
        for tokenizer in filter(None, (self._general, self._for_plain)):
            if max_length is None:
                tokenizer.no_truncation()
            else:
                tokenizer.enable_truncation(max_length=max_length)

    def special_tokens(self, *, pair: bool) -> int:
        """How many special tokens stand around a text, or a pair of texts."""
        return int(self._general.num_special_tokens_to_add(is_pair=pair))

    def __call__(self, texts: Sequence[Text]) -> list[Encoding]:
        """The encoding of each text, or pair of texts, in their order; offsets are left out."""
        if self._for_plain is None:
            return self._general.encode_batch_fast(texts)
        plain = [_is_plain(text) if isinstance(text, str) else all(map(_is_plain, text)) for text in texts]
        found = iter(self._for_plain.encode_batch_fast(list(compress(texts, plain))))
        others = iter(self._general.encode_batch_fast(list(compress(texts, map(not_, plain)))))
        return [next(found if is_plain else others) for is_plain in plain]


def _is_plain(text: str) -> bool:
    return text.isascii() and _CONTROL.search(text) is None


def _for_plain_texts(tokenizer: Tokenizer) -> Tokenizer | None:
    """A copy of `tokenizer` that lowers the case and normalizes nothing else; None where that is not the same for plain
    texts, as with other normalizers, and with added tokens that become plain when they are normalized."""
    parts = json.loads(tokenizer.to_str())
    normalizer, pre_tokenizer = (parts[name] or {} for name in ("normalizer", "pre_tokenizer"))
    if normalizer.get("type") != "BertNormalizer" or pre_tokenizer.get("type") != "BertPreTokenizer":
        return None
    if not all(_is_plain(token["content"]) for token in parts["added_tokens"]):
        return None
    normalizer |= {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False}
    return Tokenizer.from_str(json.dumps(parts))
