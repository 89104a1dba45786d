"""What the page of a fit says is what the fit's files say."""

from __future__ import annotations

import csv
import json
import re
from html import unescape
from pathlib import Path

from tests.conftest import TinyModel
from tests.reports.test_fit_page import SECTIONS, headings
from tests.training.fits import reviews, run, write_csv


def test_the_hardest_rows_stand_beside_their_own_labels(tiny_model: TinyModel, tmp_path: Path) -> None:
    """A tenth of the labels is wrong, so that there are hard rows whatever the model learns."""
    other, model = {"bad": "good", "good": "bad"}, tmp_path / "model"
    rows = [(text, mood if i % 10 else other[mood]) for i, (text, mood) in enumerate(reviews(160))]
    run(write_csv(tmp_path / "train.csv", ("text", "label"), rows), tiny_model(), output=model)
    whole = (model / "report.html").read_text(encoding="utf-8")
    assert headings(whole) == [heading for heading in SECTIONS if heading not in ("Data checks", "Seeds")]
    page = whole.split('id="hardest-rows"')[1].split("</section>")[0]
    shown = re.findall(
        r"<blockquote><bdi>(.*?)</bdi></blockquote>.*?"
        r'class="truth"><bdi>(.*?)</bdi>.*?class="predicted"><bdi>(.*?)</bdi>.*?loss ([\d.]+)',
        page,
    )
    assert shown
    labels = {" ".join(text.split()): label for text, label in rows}
    for text, truth, predicted, _ in shown:
        assert labels[unescape(text)] == truth != predicted
    assert "The wrong answers with the highest loss." in page
    losses = [float(loss) for *_, loss in shown]
    assert losses == sorted(losses, reverse=True)
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert len(shown) == min(round((1 - metrics["accuracy"]) * metrics["rows"]), 20)


def test_label_frequencies_and_findings_are_those_of_the_files(tiny_model: TinyModel, tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", ("text", "label"), reviews(80))
    valid = write_csv(tmp_path / "valid.csv", ("text", "label"), [*reviews(80)[:3], *reviews(40, seed=1)])
    run(train, tiny_model(), valid=valid, output=tmp_path / "model", epochs=1.0)
    page = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    checks, page = page.split('id="data-checks"')[1].split('id="label-frequencies"')
    assert "valid.csv: 3 of 43 rows have a text that is also in" in checks
    counts = dict(re.findall(r'class="name"><bdi>(\w+)</bdi>.*?class="value">(.*?)</span>', page))
    assert counts == {mood: f"{_count(train, mood)} / {_count(valid, mood)}" for mood in ("bad", "good")}


def _count(path: Path, label: str) -> int:
    with path.open(encoding="utf-8", newline="") as stream:
        return sum(row["label"] == label for row in csv.DictReader(stream))
