"""Texts to compare a model on: generated ones of many lengths and scripts, awkward ones, and those of a file.

The same every time; nobody's data is among the generated ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory
from scorer.errors import DataError
from scorer.scoring.answers import Status
from scorer.scoring.encode import row_status
from scorer.tables.dialect import Dialect
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns
from scorer.tables.texts import texts as texts_of

GENERATED: Final = 1_024
_FROM_FILE: Final = 4_096
_FILE_BYTES: Final = 16 << 20
# Words a text, as files have them: most are short, some fill a model.
_MEDIAN_WORDS, _SPREAD, _MOST_WORDS = 2.7, 1.1, 600
# Of words, this share has a mark behind it.
_MARKED: Final = 0.12

_WORDS: Final = """
    the a and not very it was is they we you with for of to no all good great bad poor clean slow cheap kind room staff
    food price battery screen driver phone film coffee night week delivery update button refund order again never don't
    it's so-so 24/7 100% 3.5 #1 e-mail https://example.org/a?b=c @someone U.S.A. C++ naïve café größe señal façade œuvre
""".split()  # noqa: SIM905 (the list would be a page)
# Scripts, each with the first and the last of its letters.
_SCRIPTS: Final = (
    ("а", "я"), ("α", "ω"), ("א", "ת"), ("ا", "ي"), ("अ", "ह"), ("ก", "ฮ"), ("가", "힣"), ("あ", "ん"), ("ア", "ン"),
    ("一", "龥"), ("ა", "ჰ"), ("ա", "ֆ"),
)  # fmt: skip
_SYMBOLS: Final = (
    *("😀", "👍🏽", "👨\u200d👩\u200d👧", "❤️", "🇩🇪", "✓", "€", "…", "—", "“”", "«»", "№", "½"),
    *("\u200b", "\u00ad", "\ufeff"),
)
_MARKS: Final = (".", ",", "!", "?", "...", ";", ":", ")", "\n", "\t")

AWKWARD: Final[dict[str, str]] = {
    "an empty text": "",
    "a space": " ",
    "white space of every kind": " \t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2003\u2028\u2029\u3000",
    "a NUL": "before\x00after",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f" + "".join(map(chr, range(128, 160))),
    "words between control characters": "good\x01\x02 room\x1b[31m red\x08\x07",
    "Windows line ends": "one\r\ntwo\r\n\r\nthree",
    "an emoji of several characters": "👨‍👩‍👧‍👦 and 👩🏽‍🚀 and 🏳️‍🌈",
    "flags and skin tones": "🇩🇪🇫🇷 👍🏿👎🏻 #️⃣",
    "Hebrew and Arabic": "שלום עולם مرحبا بالعالم",
    "right-to-left marks": "\u202eabc\u202c \u200fdef\u200e \u2067ghi\u2069",
    "Chinese, Japanese, Korean": "房间很干净服务也很好。部屋はきれいでした。방이 깨끗했어요",
    "rare Chinese characters": "\U00020000\U0002a6d6\u9fff",
    "combining marks": "Z\u0351\u036b\u0343\u036a\u0302a\u0300\u0301\u0302l\u0334\u0335g\u0338o",
    "composed and decomposed accents": "é e\u0301 Å A\u030a ﬁ ﬀ ½ Ⅷ",
    "Devanagari and Thai": "कमरा साफ था क्षत्रिय ห้องสะอาดมาก",
    "Turkish and German cases": "İSTANBUL ıstanbul STRASSE straße ẞ",
    "ligatures and full width": "ﷺ ＦＵＬＬ ｗｉｄｔｈ １２３",
    "zero-width characters": "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g",
    "private and unassigned characters": "\ue000\uf8ff\U0010fffd\u0378\ufffe\uffff",
    "replacement characters": "a\ufffdb\ufffd",
    "characters beyond the first plane": "𝕳𝖊𝖑𝖑𝖔 𝟙𝟚𝟛 🂡 𐍈",
    "special tokens": "[CLS] [SEP] [PAD] [MASK] [UNK] <s> </s> <pad> <unk> <mask> <|endoftext|>",
    "pieces of tokens": "##ing ##s ▁the Ġthe Ċ @@ ` ´ ''",
    "a word of 10,000 letters": "a" * 10_000,
    "10,000 different letters": "".join(chr(0x61 + place * place % 26) for place in range(10_000)),
    "10,000 Chinese characters": "".join(chr(0x4E00 + place * 7 % 20_000) for place in range(10_000)),
    "10,000 spaces before a word": " " * 10_000 + "word",
    "10,000 marks": "!?.," * 2_500,
    "many short words": "a " * 5_000,
    "a long number": "3." + "14159" * 400,
    "quotes and backslashes": "\\n \\u0000 \"'`´‘’“” \\\\ {} <b>&amp;</b>",
    "only marks": "?!... --- ***",
    "only emoji": "😀😀😀",
    "a letter": "a",
}
"""Texts that tokenizers read in different ways, by what a message calls them."""
UNENCODABLE: Final[dict[str, str]] = {"a lone surrogate": "before\ud800after", "a lone low surrogate": "\udc00"}
"""Texts of Python that no file in UTF-8 can hold: a tokenizer must refuse them."""


@dataclass(frozen=True)
class Texts:
    """Texts (n,), or pairs of them, and where they come from, for people; `names` (n,) are what messages call them,
    where they have names. `of_file` says whether somebody named them."""

    first: list[str]
    second: list[str] | None
    source: str
    names: tuple[str, ...] = ()
    of_file: bool = False

    def __len__(self) -> int:
        return len(self.first)

    @property
    def rows(self) -> list[str] | list[tuple[str, str]]:
        """As the tokenizers library takes them."""
        return self.first if self.second is None else list(zip(self.first, self.second, strict=True))


def generated(*, pairs: bool, count: int = GENERATED) -> Texts:
    """`count` texts, or pairs, of one word to several hundred, in many scripts."""
    draw = random.Random("texts of many lengths and scripts")
    first = [_text(draw) for _ in range(count)]
    return Texts(first, [_text(draw) for _ in range(count)] if pairs else None, "generated")


def awkward(*, pairs: bool) -> Texts:
    """The awkward texts; as pairs, each with another and with a plain one."""
    names, texts = tuple(AWKWARD), list(AWKWARD.values())
    if not pairs:
        return Texts(texts, None, "awkward", names)
    # Two texts that are both long are cut by the tokenizers library in a time that is the product of their lengths.
    plain = ["a plain text"] * len(texts)
    return Texts(texts + plain, plain + texts, "awkward", names + names)


def of_file(path: Path, text_column: tuple[str, ...], directory: ModelDirectory) -> Texts:
    """The first texts of the file `path`, without those that have nothing to read. DataError where there are none."""
    source = Source.open(str(path), dialect=Dialect())
    fitted = directory.metadata.text_columns if directory.metadata else ()
    columns = find_text_columns(source.names, text_column, fitted, where=str(path))
    window = next(source.read(columns).windows(max_rows=_FROM_FILE, max_bytes=_FILE_BYTES), None)
    parts = [texts_of(window, column) for column in columns] if window is not None else []
    readable = pa.array(row_status(parts) == Status.OK) if parts else None
    first, *second = [part.filter(readable).to_pylist() for part in parts] or [[]]
    if not first:
        raise DataError(f"{path}: no text with anything to read in its first {_FROM_FILE:,} rows; name another file")
    return Texts(first, second[0] if second else None, path.name, of_file=True)


def _text(draw: random.Random) -> str:
    count = min(max(round(draw.lognormvariate(_MEDIAN_WORDS, _SPREAD)), 1), _MOST_WORDS)
    # Most texts are of one script, a fifth of several.
    scripts = [draw.choice((None, None, *_SCRIPTS))] if draw.random() < 0.8 else [None, *draw.sample(_SCRIPTS, 3)]
    words = [_word(draw, draw.choice(scripts)) for _ in range(count)]
    return draw.choice(("", "", " ")) + draw.choice((" ", " ", " ", "  ")).join(words)


def _word(draw: random.Random, script: tuple[str, str] | None) -> str:
    if draw.random() < 0.03:
        return draw.choice(_SYMBOLS)
    if script is None:
        word = draw.choice(_WORDS)
        word = word.capitalize() if draw.random() < 0.15 else word.upper() if draw.random() < 0.03 else word
    else:
        word = "".join(chr(draw.randint(ord(script[0]), ord(script[1]))) for _ in range(draw.randint(1, 9)))
    return word + (draw.choice(_MARKS) if draw.random() < _MARKED else "")
