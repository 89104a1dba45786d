"""Texts that look as if something had gone wrong on their way: wrong encodings, mark-up, characters nobody sees.

Each pattern is a regular expression of RE2, as Arrow has it. How many are too many is judged elsewhere.

The mark of mis-decoded UTF-8 is our own, so that no library is needed for it: bytes of UTF-8 that were read as
Windows-1252 or Latin-1 are a lead character and continuation characters of those code pages in a row. Only leads are
taken that open common letters and punctuation, because others occur in sound text (`«CAFÉ»` holds `É»`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.tables import compute as pc


@dataclass(frozen=True)
class Oddity:
    """One kind: its code, what such rows hold, what to do, and from which share of the rows it is a warning."""

    code: str
    what: str
    advice: str
    pattern: str
    warning: float


# A continuation byte, 80 to BF, as Latin-1 and as Windows-1252 read it.
_NEXT = r"[\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# Of them those that hardly follow a capital letter; a closing quotation mark does.
_RARELY_NEXT = r"[\x{80}-\x{9F}¡-§¨¬¯±-¶¸¹¼-¾ƒ†‡ˆ‰Š‹ŒŽ˜š›œžŸ‚„]"
_MOJIBAKE = "|".join(
    (
        rf"Ã{_NEXT}",  # é and its neighbours
        r"Â[\x{80}-\x{BF}€]",  # no-break spaces, £, ©, «
        rf"â[€‚„†ˆ‰™\x{{80}}-\x{{99}}]{_NEXT}",  # quotation marks, dashes, arrows, symbols
        rf"ð[Ÿ\x{{9F}}]{_NEXT}{{2}}",  # emoji
        r"ï»¿|ï¿½",  # a byte-order mark, a replacement character
        rf"[ÄÅÈ]{_RARELY_NEXT}",  # ă, ł, ș and other letters of Europe
        rf"(?:[ÎÏÐÑ×Ø-Û]{_NEXT}){{3}}",  # Greek, Cyrillic, Hebrew, Arabic
        rf"(?:[ã-í]{_NEXT}{{2}}){{2}}",  # Chinese, Japanese, Korean
        rf"(?:à[¤-¹]{_NEXT}){{2}}",  # the scripts of India, Thai
    )
)
_TAGS = (
    "a|abbr|article|b|blockquote|body|br|button|center|code|div|em|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|"
    "img|input|li|link|main|meta|nav|ol|option|p|pre|s|script|section|small|span|strong|style|sub|sup|svg|table|tbody|"
    "td|th|thead|title|tr|tt|u|ul|video"
)
_ENTITIES = "amp|lt|gt|quot|apos|nbsp|ldquo|rdquo|lsquo|rsquo|mdash|ndash|hellip|bull|middot|copy|reg|trade|euro|pound"

ODDITIES = (
    Oddity(
        "mojibake",
        "UTF-8 that was read in another encoding (such as Ã© for é)",
        "decode the source as UTF-8 once; ftfy repairs what cannot be read again",
        _MOJIBAKE,
        0.001,
    ),
    Oddity(
        "replacement_characters",
        "the replacement character U+FFFD, where letters were lost",
        "read the source again in its own encoding; what was replaced cannot be repaired",
        r"\x{FFFD}",
        0.001,
    ),
    Oddity(
        "html",
        "HTML tags or entities",
        "strip the tags and unescape the entities, here and in what is scored later",
        rf"(?i)</?(?:{_TAGS})(?:\s[^<>]*)?/?>|<!--|&(?:{_ENTITIES}|#[0-9]{{1,7}}|#x[0-9a-f]{{1,6}});",
        0.01,
    ),
    Oddity(
        "control_characters",
        "control characters",
        "remove them; between U+0080 and U+009F they come of reading Windows-1252 as Latin-1",
        r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}]",
        0.001,
    ),
    Oddity(
        "invisible_characters",
        "zero-width or direction-setting characters",
        "remove them unless the script needs them",
        # Joiners (U+200C, U+200D) are part of emoji, Persian and the scripts of India.
        r"[\x{00AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}\x{E0001}]",
        0.01,
    ),
)


def rows_with(oddity: Oddity, columns: list[pa.ChunkedArray]) -> NDArray[np.bool_]:
    """Which rows (n,) have it in any of the text `columns`; a null has nothing."""
    found = np.zeros(len(columns[0]), np.bool_)
    for column in columns:
        matched = pc.fill_null(pc.match_substring_regex(column, oddity.pattern), False)
        found |= np.asarray(matched).astype(np.bool_)
    return found
