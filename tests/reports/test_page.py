"""The blocks that pages are made of."""

from __future__ import annotations

import re
from html import unescape

import pytest

from scorer.reports.page import Html, definitions, meter, page, quoted, safe, section, table, tiles
from tests.reports.markup import checked


@pytest.mark.parametrize("value", ["<b>", '"', "'", "&amp;", "a < b", 'x" onclick="y'])
def test_foreign_text_is_escaped_and_reads_the_same(value: str) -> None:
    assert not set(safe(value)) & set("<>\"'")
    assert unescape(safe(value)) == value


def test_what_was_made_here_stays_as_it_is() -> None:
    assert safe(Html("<b>x</b>")) == "<b>x</b>"
    assert safe(safe("<")) == "&lt;"


@pytest.mark.parametrize("character", ["\0", "\a", "\x1b", "\u202e", "\x7f", "\x9f", "\ud800", "\uffff"])
def test_what_html_cannot_hold_is_replaced(character: str) -> None:
    assert safe(f"a{character}b") == "a\ufffdb"


def test_a_long_name_is_cut_to_its_limit_and_whole_when_pointed_at() -> None:
    words = "word " * 20
    found = re.fullmatch(r'<bdi title="(.*?)">(.*?)</bdi>', quoted(words, 60))
    assert found is not None
    assert found[1] == words.strip()
    assert found[2] == words[:59].strip() + "…"
    assert quoted("word " * 12, 60) == f"<bdi>{('word ' * 12).strip()}</bdi>"
    assert quoted(" a\n b ") == "<bdi>a b</bdi>"
    assert quoted(" ") == "<bdi>(blank)</bdi>"


def test_an_endless_word_may_be_broken_without_a_change_to_it() -> None:
    word = "x" * 19 + "<&" + "y" * 30
    html = quoted(word, 60)
    assert checked(html).texts == [word]
    assert [len(unescape(part)) for part in re.sub("</?bdi>", "", html).split("<wbr>")] == [20, 20, 11]


def test_every_block_escapes_what_it_is_given() -> None:
    hostile = "<script>"
    blocks = [
        tiles([(hostile, hostile)]),
        table([hostile, hostile], [[hostile, hostile]]),
        definitions({hostile: [hostile, {hostile: hostile}]}),
        meter(0.5, hostile),
        section(hostile, hostile, note=hostile),
        page(hostile, [hostile], lead=hostile),
    ]
    for block in blocks:
        assert hostile not in block
        assert "&lt;script&gt;" in block


def test_a_section_without_content_is_nothing() -> None:
    assert section("Heading", "", note="how to read it") == ""


def test_links_lead_to_every_section() -> None:
    html = page("title", [section(f"Part {number}", "text") for number in range(4)])
    assert (
        re.findall('href="#(.*?)"', html) == re.findall('section id="(.*?)"', html) == [f"part-{n}" for n in range(4)]
    )
    assert "<nav" not in page("title", [section("One", "text")])


def test_figures_stand_right_and_words_left() -> None:
    html = table(["name", "rows", "what"], [["a", "1", "text"]], words={2})
    assert '<th class="words">name</th><th>rows</th><th class="words">what</th>' in html
    assert '<th scope="row">a</th><td>1</td><td class="words">text</td>' in html


def test_values_are_written_for_people() -> None:
    found = checked(definitions({"a": None, "b": True, "c": (1, 2), "d": {"e": 1.5}, "f": []}))
    assert found.texts == ["a", "none", "b", "yes", "c", "1, 2", "d", "e 1.5", "f", "none"]


@pytest.mark.parametrize(("share", "drawn"), [(-1.0, "0.000"), (0.25, "0.250"), (7.0, "1.000")])
def test_a_meter_stays_within_its_cell(share: float, drawn: str) -> None:
    assert f"--share:{drawn}" in meter(share, "x")
