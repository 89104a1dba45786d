"""What tells one text from another: eight bytes for the text itself, eight for what it says.

Owns the normalised form under which near duplicates are equal. Does not know rows or files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 8
# Where Unicode has such characters: the first two planes, and the tags of the fifteenth.
_PLANES = (range(0x20000), range(0xE0000, 0xE0200))


def normalised(text: str) -> str:
    """`text` in Unicode's form NFKC, case-folded, with punctuation and white space as single spaces between words.

    Punctuation is what Unicode calls so (categories P*), and white space are separators (Z*) and characters without a
    shape (Cc, Cf). Symbols stay, for an emoji says something, and a text of nothing but punctuation stays as it is.
    """
    if text.isascii():
        words = text.encode().translate(_ascii_table()).decode()
    else:
        words = _between_words().sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words.split()) or text


def text_keys(rows: Iterable[Sequence[str]]) -> NDArray[np.uint64]:
    """A key (n,) uint64 for the texts of each row: equal texts, equal keys.

    BLAKE2b of 64 bits: among a million distinct texts two share a key with a probability of 3e-8.
    """
    digests = b"".join(_digest(texts) for texts in rows)
    return np.frombuffer(digests, np.uint64)


def _digest(texts: Sequence[str]) -> bytes:
    # The lengths keep ("ab", "c") apart from ("a", "bc").
    data = "\0".join((*texts, *map(str, map(len, texts[1:]))))
    return hashlib.blake2b(data.encode(), digest_size=_KEY_BYTES).digest()


def _separates(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "PZ" or category in ("Cc", "Cf")


@cache
def _between_words() -> re.Pattern[str]:
    """One or more characters that separate words, as ranges of code points so that the pattern stays short."""
    ranges: list[list[int]] = []
    for point in chain(*_PLANES):
        if not _separates(chr(point)):
            continue
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]+")


@cache
def _ascii_table() -> bytes:
    """What each byte of an ASCII text becomes: the same as above, at a tenth of the time."""
    characters = (" " if _separates(chr(point)) else chr(point).casefold() for point in range(128))
    return "".join(characters).encode().ljust(256, b" ")
