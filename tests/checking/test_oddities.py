"""Texts that went wrong are told from texts that only look unusual."""

from __future__ import annotations

import pyarrow as pa
import pytest

from scorer.checking.oddities import ODDITIES, rows_with

BY_CODE = {oddity.code: oddity for oddity in ODDITIES}
LANGUAGES = {
    "French": "Le café était très bon, à bientôt, où êtes-vous ?",
    "German": "Das Hotel war schön, größer als erwartet",
    "Spanish": "El niño comió muchísimo, ¿qué tal?",
    "Portuguese": "Não há informações, a ação é ótima",
    "Polish": "Bardzo ładny hotel, zażółć gęślą jaźń",
    "Czech": "Příliš žluťoučký kůň",
    "Romanian": "Foarte bună, mulțumesc și",
    "Turkish": "Çok güzel bir otel, teşekkürler",
    "Swedish": "Väldigt bra på alla sätt",
    "Vietnamese": "Khách sạn rất tốt, cảm ơn",
    "Russian": "Очень хороший отель",
    "Greek": "Πολύ ωραίο ξενοδοχείο",
    "Hebrew": "מלון טוב מאוד",
    "Arabic": "فندق جيد جدا",
    "Hindi": "बहुत अच्छा होटल",
    "Thai": "โรงแรมดีมาก",
    "Chinese": "房间很好,服务不错",
    "Japanese": "とても良いホテルでした",
    "Korean": "아주 좋은 호텔이었습니다",
    "emoji": "love it 😀",
    "quotation marks": "it’s “great” really…",
    "signs": "10\u00a0€ or £5 © me",
}


def has(code: str, text: str) -> bool:
    return bool(rows_with(BY_CODE[code], [pa.chunked_array([pa.array([text])])])[0])


def as_windows(data: bytes) -> str:
    """As decoders of Windows-1252 do it: the five bytes that it leaves open are control characters."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in data)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_read_in_a_wrong_encoding_is_found_and_sound_text_is_not(language):
    text = LANGUAGES[language]
    assert not has("mojibake", text)
    assert has("mojibake", text.encode().decode("latin-1"))
    assert has("mojibake", as_windows(text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "«CAFÉ»",
        "MENÜ“ JÀ… É–",
        "SÃO PAULO, AÇÃO",
        "“ÅØÆ” PÅ”",
        "HÔTEL’S ÉTÉ™",
        "CAFÉ® Ü° 20°",
        "Þór Ð",
        "À « bientôt »",
    ],
)
def test_capitals_beside_signs_are_sound(text):
    assert not has("mojibake", text)


@pytest.mark.parametrize(
    ("code", "odd", "sound"),
    [
        ("replacement_characters", "caf\ufffd", "caf?"),
        ("html", "a<br/>b", "a < b > c"),
        ("html", '<A HREF="x">here</A>', "<user> said"),
        ("html", "Q&amp;A", "Q&A; R&D;"),
        ("html", "it&#39;s &#x27;", "#39; &#;"),
        ("control_characters", "a\x00b", "a\tb\r\nc"),
        ("control_characters", "it\x92s", "it’s"),
        ("invisible_characters", "a\u200bb", "👩\u200d👩 می\u200cخواهم"),
        ("invisible_characters", "\ufeffa", "a b"),
    ],
)
def test_each_oddity_is_told_from_what_is_sound(code, odd, sound):
    assert has(code, odd)
    assert not has(code, sound)


def test_any_column_and_no_null_counts():
    columns = [
        pa.chunked_array([pa.array(["sound", None, "\ufffd", None], pa.large_string())]),
        pa.chunked_array([pa.array(["\ufffd", "sound", "sound", None])]),
    ]
    assert rows_with(BY_CODE["replacement_characters"], columns).tolist() == [True, False, True, False]
