"""The picture of a scored table is made from the file itself: its first rows, and one of every other status."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import polars as pl
import pytest

from jobs.pictures.make_pictures import FIRST_ROWS, TEXT_WIDTH, picture, scored_page
from tests.reports.browser import Browser


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    statuses = ["ok"] * (FIRST_ROWS + 2) + ["truncated", "null", "truncated"]
    columns = {
        "review_id": [f"{i:07}" for i in range(len(statuses))],
        "domain": ["film"] * len(statuses),
        "sentence": ["a <b>\nlong & wide text " * 9, *("short" for _ in statuses[2:]), None],
        "score": [3 if status != "null" else None for status in statuses],
        "confidence": [0.51239 if status != "null" else None for status in statuses],
        "score_status": statuses,
    }
    path = tmp_path / "scored.parquet"
    pl.DataFrame(columns, schema_overrides={"score_status": pl.Categorical}).write_parquet(path)
    return path


def test_the_first_rows_and_one_of_every_other_status_are_shown(scored: Path) -> None:
    shown = re.findall(r"<td[^>]*>(\d{7})<", scored_page(scored))
    assert shown == [f"{i:07}" for i in (*range(FIRST_ROWS), FIRST_ROWS + 2, FIRST_ROWS + 3)]


def test_a_text_is_cut_and_stays_text(scored: Path) -> None:
    page = scored_page(scored)
    text = re.search(r">(a &lt;b&gt; [^<]*)<", page)
    assert text is not None
    assert len(text[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) == TEXT_WIDTH
    assert ">0.512<" in page
    assert page.count(">null") == 3  # the score, the confidence and the status of the row without a text


def test_a_picture_is_as_large_as_its_page_or_its_first_part(chromium: Browser, scored: Path) -> None:
    def size(png: bytes) -> tuple[int, int]:
        width, height = struct.unpack(">II", png[16:24])
        return width, height

    chromium.look(width=1600, dark=False)
    chromium.open(scored_page(scored))
    width, height = chromium.run("[document.body.offsetWidth, document.body.offsetHeight]")
    top = chromium.run("document.querySelector('table').offsetTop")
    assert 0 < top < height < width < 1600
    assert size(picture(chromium, scale=2)) == (2 * width, 2 * height)
    assert size(picture(chromium, scale=1, until="table")) == (width, top)
