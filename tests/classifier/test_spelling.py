"""Which tokens a tokenizer lacks to spell texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from scorer.classifier.spelling import lacking_tokens
from tests.conftest import TinyModel
from tests.models import make_tokenizer


def tokenizer_of(base: Path) -> Tokenizer:
    return Tokenizer.from_file(str(base / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good room", []),
        ("菜", ["菜"]),
        ("good菜room", ["菜"]),
        ("かき", ["##き", "か"]),
        ("fine🚀", ["##🚀"]),
        ("fine 🚀", ["🚀"]),
        ("🚀🚀", ["##🚀", "🚀"]),
        ("Ω", ["ω"]),
        ("🚀" * 101, []),
        ("e\u0301\u200d\ufe0f\x00 \t", []),
        ("", []),
    ],
)
def test_a_character_lacks_the_tokens_that_spell_it(tiny_model: TinyModel, text: str, expected: list[str]) -> None:
    tokenizer = tokenizer_of(tiny_model("bert"))
    found = lacking_tokens([(text,)] * 10, tokenizer)
    assert sorted(found) == expected
    assert lacking_tokens([(text,)] * 9, tokenizer) == []


def test_rows_count_and_not_occurrences(tiny_model: TinyModel) -> None:
    tokenizer = tokenizer_of(tiny_model("bert"))
    rows = [("菜菜", "菜")] * 9 + [("香", "")] * 10 + [("慢", "")] * 10 + [("", "快 快")] * 11
    assert lacking_tokens(rows, tokenizer) == ["快", "慢", "香"]
    assert lacking_tokens(reversed(rows), tokenizer) == ["快", "慢", "香"]


@pytest.mark.parametrize("architecture", ["roberta", "xlm-roberta", "deberta-v2", "modernbert", "albert"])
def test_other_tokenizers_stay_as_they_are(architecture: str) -> None:
    tokenizer = make_tokenizer(architecture).backend_tokenizer
    assert lacking_tokens([("菜🚀",)] * 20, tokenizer) == []
