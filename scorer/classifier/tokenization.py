"""Texts to token sequences, with the model's own tokenizer.

Owns truncation. Does not know batches or devices: nothing is padded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from scorer.classifier.sequences import TokenSequences

# A text is first tried by its beginning alone: this many characters for each token that the model can see.
_CHARACTERS_A_TOKEN = 10
# No tokenizer is given more than this of one text; what lies beyond could matter only to a text without any word break.
_LONGEST_TEXT = 1_000_000


class TextEncoder:
    """Encodes texts, or pairs of texts, into at most `max_length` token ids with the special tokens of the model.

    Truncation is the tokenizer's own (the longer text of a pair first). `tokenizer` is changed: it stops padding and
    starts truncating.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=max_length, strategy="longest_first")

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> TokenSequences:
        """Encode `texts` (n,), each with its counterpart in `pairs` (n,) where there is one."""
        encodings, truncated = self._encode_pairs(texts, pairs) if pairs is not None else self._encode(texts)
        ids = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        flat = np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1]))
        return TokenSequences(flat, offsets, _first_type(encodings, lengths, pairs is not None), truncated)

    def _encode(self, texts: Sequence[str]) -> tuple[list[Encoding], NDArray[np.bool_]]:
        """Encode the beginning of each text, and the whole of those whose beginning did not fill the model."""
        beginnings = [_beginning(text, self.max_length * _CHARACTERS_A_TOKEN) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(beginnings)
        truncated = np.fromiter((bool(encoding.overflowing) for encoding in encodings), np.bool_, len(texts))
        unsure = [row for row in np.flatnonzero(~truncated).tolist() if len(beginnings[row]) < len(texts[row])]
        if unsure:
            whole = self._tokenizer.encode_batch_fast([texts[row][:_LONGEST_TEXT] for row in unsure])
            for row, encoding in zip(unsure, whole, strict=True):
                encodings[row] = encoding
                truncated[row] = bool(encoding.overflowing) or len(texts[row]) > _LONGEST_TEXT
        return encodings, truncated

    def _encode_pairs(self, texts: Sequence[str], pairs: Sequence[str]) -> tuple[list[Encoding], NDArray[np.bool_]]:
        both = [(text[:_LONGEST_TEXT], pair[:_LONGEST_TEXT]) for text, pair in zip(texts, pairs, strict=True)]
        encodings = self._tokenizer.encode_batch_fast(both)
        longest = np.fromiter((max(len(a), len(b)) for a, b in zip(texts, pairs, strict=True)), np.int64, len(texts))
        overflowing = np.fromiter((bool(encoding.overflowing) for encoding in encodings), np.bool_, len(texts))
        return encodings, overflowing | (longest > _LONGEST_TEXT)


def _beginning(text: str, characters: int) -> str:
    """`text` up to the first word break at or after `characters`; all of it when there is none.

    Every tokenizer that we read splits at white space before it looks for tokens, so the beginning's tokens are the
    text's first tokens: when they overflow the model, nothing after the cut can change what the model sees. The cut
    stands before a space that follows a word, so that runs of spaces stay whole.
    """
    if len(text) <= characters:
        return text
    cut = text.find(" ", characters)
    if cut <= 0 or text[cut - 1].isspace():
        return text
    return text[:cut]


def _first_type(encodings: list[Encoding], lengths: NDArray[np.int64], pairs: bool) -> NDArray[np.int32]:
    """How many tokens of each encoding have token type 0, (n,) int32."""
    if not pairs:
        return lengths.astype(np.int32)
    return np.fromiter((len(e) - sum(e.type_ids) for e in encodings), np.int32, len(encodings))
