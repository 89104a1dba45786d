"""The page of a check: well-formed, complete, escaped, written whole."""

from __future__ import annotations

import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import CheckResult, check_data
from scorer.checking.check_report import check_page
from scorer.config import CheckConfig
from scorer.runs.console import Console
from scorer.stores.atomic import write_whole
from tests.reports.markup import checked
from tests.reports.test_in_browser import SCREENS, complaints
from tests.training.fits import reviews

HOSTILE = "<script>alert('&')</script>"


@pytest.fixture
def look(tmp_path, tiny_model):
    def run(labels, texts=None, *, valid: bool = False) -> CheckResult:
        texts = [text for text, _ in reviews(len(labels))] if texts is None else texts
        pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
        config = CheckConfig(
            data=tmp_path / "a.parquet",
            valid=tmp_path / "a.parquet" if valid else None,
            base_model=str(tiny_model("bert")),
            label_column="label",
        )
        return check_data(config, Console(stream=io.StringIO()))

    return run


def test_the_page_shows_every_finding_and_figure(look):
    result = look(["good", "bad", None] * 50, valid=True)
    page = checked(check_page(result))
    assert len(result.findings) >= 3
    for finding in result.findings:
        assert f"a.parquet: {finding.what}{finding.numbered}" in page.texts
        assert finding.advice in page.texts
    assert page.tags.count("svg") >= 4
    for heading in ("Findings", "Labels", "Text lengths", "Validation labels", "Validation text lengths"):
        assert heading in page.texts


def test_a_sound_file_and_one_without_rows_have_a_page(look):
    assert "Nothing was found." in checked(check_page(look(["good", "bad"] * 60))).texts
    assert "no rows" in checked(check_page(look(pa.array([], pa.string()), pa.array([], pa.string())))).texts


def test_labels_are_escaped_and_texts_are_not_shown(look):
    page = checked(check_page(look([HOSTILE, "good"] * 60, [f"Zanzibar {HOSTILE} {n}" for n in range(120)])))
    assert "script" not in page.tags
    assert any(HOSTILE in text for text in page.texts)
    assert not any("Zanzibar" in text for text in page.texts)


def test_a_hundred_labels_are_folded_and_a_thousand_texts_are_no_labels(look):
    assert "60 more labels" in checked(check_page(look([f"label {n % 100}" for n in range(1000)]))).texts
    page = checked(check_page(look([f"secret {n}" for n in range(1100)])))
    assert not any("secret" in text for text in page.texts)


@pytest.mark.parametrize(
    ("labels", "shares"),
    [
        ([f"often {n % 40}" for n in range(800)] + [f"seldom {n % 10}" for n in range(100)], ("1.0000", "0.5000")),
        ([n % 40 for n in range(400)] + [40 + n % 10 for n in range(200)], ("0.5000", "1.0000")),
    ],
    ids=["by frequency", "by size"],
)
def test_labels_that_are_folded_away_have_bars_of_the_same_scale(look, labels, shares):
    parts = check_page(look(labels)).split("10 more labels")
    assert [set(re.findall(r"--share:([\d.]+)", part)) for part in parts] == [{share} for share in shares]


def test_an_older_page_is_replaced_whole(tmp_path, look):
    target = tmp_path / "check.html"
    target.write_text("old")
    write_whole(target, check_page(look(["good", "bad"] * 60)))
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.glob("*check*")] == ["check.html"]


@pytest.mark.parametrize("labels", [2, 28, 100])
def test_in_a_real_browser_nothing_overlaps_or_is_cut_off(chromium, look, labels):
    rows = [f"a label of some length {row % labels}" for row in range(400)]
    page = check_page(look([*rows, None, HOSTILE], valid=True))
    for width, dark in SCREENS:
        assert complaints(chromium, page, width=width, dark=dark) == [], (width, dark)
