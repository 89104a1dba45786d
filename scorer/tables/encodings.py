"""Text in other encodings than UTF-8: decoded strictly while it is read, and the encoding that a file seems to have.

Behind `open_text` every text is UTF-8, whatever it is in the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from scorer.errors import DataError, UsageError
from scorer.tables.streams import ByteStream, compression_of, open_bytes

_READ_BYTES: Final = 1 << 20
_SWAPPED_BOM: Final = "\ufffe"
_UTF32_BOMS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ALIKE: Final = 4096
# Python's surrogate for a byte that could not be decoded, less the byte.
_ESCAPED: Final = 0xDC00
# Codecs of Python that are no encodings of text files: they are for names of hosts and for source code.
_NO_TEXT: Final = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
# What texts in these encodings are made of beside ASCII.
_PUNCTUATION: Final = "\u2013-\u201e\u2022\u2026\u20ac\u3001-\u3011\uff01-\uff5e"
_HAN: Final = "\u4e00-\u9fff"
_EXPECTED: Final[dict[str, str]] = {
    "shift_jis": "\u3040-\u30ff" + _HAN,
    "euc-jp": "\u3040-\u30ff" + _HAN,
    "euc-kr": "\uac00-\ud7a3",
    "big5": _HAN,
    "gb18030": _HAN,
    "windows-1251": "\u0410-\u044f\u0401\u0451",
    "koi8-r": "\u0410-\u044f\u0401\u0451",
    "windows-1253": "\u0386-\u03ce",
    "windows-1252": "\u00a0-\u00bf\u00c0-\u00ff",
}
# Kana, Hangul, small letters of Greek and Cyrillic, and the commonest of the Chinese characters, with their weights.
_TELLING: Final[dict[str, float]] = {
    "\u3040-\u30ff": 0.5,
    "\uac00-\ud7a3": 0.2,
    "а-яё": 0.2,
    "ά-ώ": 0.2,
    "的一是不了在人有我他这這个個们們来來到时時大地为為子中你说說生国國年着就那和要她出也得里裡后後自以会會家可下而过過天去能对對小多然于"
    "心学學么麼之都好看起发發当當没沒成只如事把还還用第样樣道想作种種开開很非常": 0.5,
}
# Capitals within words, letters of two scripts in one word (an accent and the letter behind it read as one Chinese
# character), and long runs of accents come of a wrong table.
_ODD: Final = re.compile(
    r"[A-Za-z][\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]|[а-яё][А-ЯЁ]|[A-Za-z][а-яА-ЯёЁά-ώΑ-Ω]"
    r"|[а-яА-ЯёЁά-ώΑ-Ω][A-Za-z]|[à-ÿ][À-ß]|[\xa0-\xff]{3,}"
)
_LIKELY: Final = 0.5

Fault = Literal["encoding", "quotes", "width"]
"""What is wrong with a text: bytes that its encoding does not have, quotes out of place, the number of fields."""


class MalformedText(DataError):
    """A DataError of the text in the file `path`, which may be none where it is read as it is written."""

    def __init__(self, message: str, *, path: Path, fault: Fault) -> None:
        super().__init__(message)
        self.path = path
        self.fault = fault


def encoding_named(name: str) -> str | None:
    """Python's name of the encoding `name`, None for UTF-8; UsageError where it is none of texts."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError, UnicodeError):
        found = "undefined"
    if found.replace("_", "-") in _NO_TEXT:
        raise UsageError(
            f"--encoding {name}: no encoding of texts that we know; such as utf-8, utf-16, latin-1, windows-1252, "
            "shift_jis, gb18030, big5"
        )
    return None if found in ("utf-8", "utf-8-sig") else found


@contextmanager
def open_text(path: Path, encoding: str | None, *, lenient: bool = False) -> Iterator[ByteStream]:
    """The decompressed text of `path`, which is in `encoding`, as UTF-8; what is UTF-8 (None) is not looked at.

    With `lenient`, bytes that are none of that encoding are no error: what stands for them is no UTF-8, see
    `Transcoded`.
    """
    with open_bytes(path, compression_of(path)) as stream:
        yield stream if encoding is None else Transcoded(stream, path, encoding, lenient=lenient)


class Transcoded:
    """A stream of text in `encoding` as UTF-8. Bytes that are none are a MalformedText, which says where they stand in
    the decompressed file. If it is `prompt`, fewer bytes are given than are asked for, as soon as there are any.

    With `lenient` each of them becomes an encoded surrogate, which is no UTF-8 either, so that whoever reads records
    can set theirs aside: `what_is_wrong` says which byte it was, and `as_in_file` brings it back. That is for
    encodings in which every character of ASCII is its byte, so that damage ends with its line at the latest.
    """

    def __init__(
        self, stream: ByteStream, path: Path, encoding: str, *, lenient: bool = False, prompt: bool = False
    ) -> None:
        self._prompt = prompt
        self._failed: MalformedText | None = None
        self._stream = stream
        self._path = path
        self._encoding = encoding
        self._lenient = lenient
        self._errors = "surrogateescape" if lenient and _keeps_ascii(encoding) else "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._pending = bytearray()
        self._seen = 0  # bytes of the file that the decoder was given
        self._final = False

    def read(self, size: int) -> bytes:
        """Fewer than `size` bytes only at the end, or where that is `prompt`."""
        wanted = 1 if self._prompt else size
        while len(self._pending) < wanted and (self._failed is not None or not self._final):
            self._pending += self._next()
        part = bytes(self._pending[:size])
        del self._pending[:size]
        return part

    def _next(self) -> bytes:
        if self._failed is not None:
            raise self._failed
        part = self._stream.read(_READ_BYTES)
        if self._encoding == "utf-16" and not self._seen and not part.startswith(_UTF16_BOMS):
            raise self._fail("begins with no byte-order mark; say utf-16-le or utf-16-be")
        if self._encoding == "utf-32" and not self._seen and not part.startswith(_UTF32_BOMS):
            raise self._fail("begins with no byte-order mark; say utf-32-le or utf-32-be")
        if not self._seen and not self._encoding.startswith(("utf-16", "utf-32")) and part.startswith(_UTF16_BOMS):
            raise self._fail("begins with the byte-order mark of UTF-16 or UTF-32")
        if not self._seen and self._encoding != "utf-8-sig" and part.startswith(codecs.BOM_UTF8):
            raise self._fail("begins with the byte-order mark of UTF-8, so it is that: leave --encoding out")
        self._final = not part
        first = not self._seen
        self._seen += len(part)
        try:
            text = self._decoder.decode(part, self._final)
            if first and text.startswith(_SWAPPED_BOM):
                raise self._fail("begins with the byte-order mark of the other byte order")
            return text.encode(errors="strict" if self._errors == "strict" else "surrogatepass")
        except UnicodeDecodeError as error:
            at = self._seen - len(error.object) + error.start
            what = f"byte {at} (0x{error.object[error.start]:02x}) is not {self._encoding}"
            beyond = ", and nothing tells where the next record begins, so --rejects cannot set it aside"
            self._failed = self._fail(what + beyond * self._lenient)
            return self._before(part[: max(len(part) - len(error.object) + error.start, 0)])
        except UnicodeEncodeError:
            raise self._fail(f"a surrogate, which no text has, before byte {self._seen}") from None

    def _before(self, part: bytes) -> bytes:
        """The text of `part`, behind which a byte is none: a decoder is after a failure what it was before."""
        try:
            return self._decoder.decode(part).encode()
        except UnicodeError:
            return b""

    def _fail(self, what: str) -> MalformedText:
        return MalformedText(f"{self._path}: --encoding {self._encoding}: {what}", path=self._path, fault="encoding")


def _keeps_ascii(encoding: str) -> bool:
    """Whether each character of ASCII is its byte in `encoding`, whatever comes before it."""
    ascii_bytes = bytes(range(128))
    try:
        return ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
    except UnicodeDecodeError:
        return False


def what_is_wrong(text: bytes, at: int, *, encoding: str | None, offset: int | None) -> str:
    """What is wrong with `text`, which is no UTF-8 at the place `at` and comes out of a file in `encoding` (None is
    UTF-8), where it begins at the byte `offset`, if that is known."""
    if encoding is not None:
        code = ord(text[at : at + 3].decode("utf-8", "surrogatepass"))
        byte = f" (0x{code - _ESCAPED:02x})" if _ESCAPED <= code < _ESCAPED + 256 else ""
        return f"a byte{byte} is not {encoding}"
    surrogate = text[at] == 0xED and at + 1 < len(text) and 0xA0 <= text[at + 1] <= 0xBF
    what = "an encoded surrogate" if surrogate else f"0x{text[at]:02x}"
    return f"a byte is not UTF-8 ({what})" if offset is None else f"byte {offset + at} is not UTF-8 ({what})"


def as_in_file(text: bytes, encoding: str | None) -> bytes:
    """The bytes of `text`, which is no UTF-8 for the most part, in the file in `encoding` (None is UTF-8) that it comes
    out of."""
    if encoding is None:
        return text
    try:
        return text.decode("utf-8", "surrogatepass").encode(encoding, "surrogateescape")
    except UnicodeError:  # where the encoding has two ways for one and knows neither any more
        return text


def plausible_encoding(path: Path) -> str | None:
    """An encoding in which the whole of `path` is text, found by trying; None where it is UTF-8, or none is likely.

    Of several, the one in which most of what is not ASCII is what texts of its languages are made of.
    """
    with open_bytes(path, compression_of(path)) as stream:
        sample = stream.read(_READ_BYTES)
    # ASCII in UTF-16 is UTF-8, too, with NULs.
    if not _every_other_is_nul(sample) and (decodes(path, "utf-8") or _damaged(sample)):
        return None
    likely = {name: share for name in _candidates(sample) if (share := _share(sample, name)) >= _LIKELY}
    return next((name for name in sorted(likely, key=lambda name: -likely[name]) if decodes(path, name)), None)


def _candidates(sample: bytes) -> tuple[str, ...]:
    """The encodings that come into question for a text that begins with `sample`."""
    if sample.startswith(_UTF32_BOMS):
        return ("utf-32",)
    if sample.startswith(_UTF16_BOMS):
        return ("utf-16",)
    if _every_other_is_nul(sample):
        return ("utf-16-be",) if sample[:_ALIKE:2].count(0) > sample[1:_ALIKE:2].count(0) else ("utf-16-le",)
    return tuple(_EXPECTED)


def _every_other_is_nul(sample: bytes) -> bool:
    """Whether about every other of the first bytes is NUL, as where ASCII is UTF-16."""
    zeros = [sample[at:_ALIKE:2].count(0) for at in (0, 1)]
    return max(zeros) > len(sample[:_ALIKE]) // 4


def _share(sample: bytes, encoding: str) -> float:
    """How much of `sample` beside ASCII is what texts in `encoding` are made of, and more for characters that no wrong
    table gives so often; 0 where it is not in that encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeDecodeError:
        return 0.0
    if encoding not in _EXPECTED:
        return 1.0
    foreign = len(re.findall(r"[^\x00-\x7f]", text))
    expected = len(re.findall(f"[{_EXPECTED[encoding]}{_PUNCTUATION}]", text))
    telling = sum(weight * len(re.findall(f"[{found}]", text)) for found, weight in _TELLING.items())
    odd = sum(len(found[0]) for found in _ODD.finditer(text))
    return (expected + telling - odd) / max(foreign, 1)


def _damaged(sample: bytes) -> bool:
    """Whether `sample` is UTF-8 for the most part: then it is no other encoding, and the rest is damage."""
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) > 2 * wrong


def decodes(path: Path, encoding: str) -> bool:
    """Whether all of `path` is text in `encoding`."""
    try:
        with open_text(path, encoding) as stream:
            while stream.read(_READ_BYTES):
                pass
    except MalformedText:
        return False
    return True
