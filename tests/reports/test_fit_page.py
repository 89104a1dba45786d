"""The report page: complete, escaped, and readable by a parser."""

# ruff: noqa: ARG002 (the parser hands over every attribute)

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import Metrics, measure
from scorer.reports.charts import Curve, line_chart
from scorer.reports.fit_page import Report
from scorer.reports.learning import Evaluation
from scorer.reports.scale import Axis

VOID = {"meta", "path", "circle", "polyline", "rect", "input"}
HOSTILE = "<script>alert('&')</script>"


class Checker(HTMLParser):
    """Collects texts and tags, and fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def metrics(*names: str) -> Metrics:
    logits = np.random.default_rng(0).normal(size=(60, len(names)))
    return measure(logits, np.arange(60) % len(names), labels=LabelSet(names, "string"))


def page(*names: str) -> str:
    history = [Evaluation(1.0, 10, 1.2, 1.1, 0.4, 0.3), Evaluation(2.0, 20, None, 0.9, 0.5, 0.45)]
    return Report(
        title=HOSTILE,
        metrics=metrics(*names),
        raw=metrics(*names),
        decision=Decision((1.25,)),
        history=history,
        configuration={"base model": HOSTILE, "learning_rate": 1e-4, "text columns": ("a", "b"), "eval_steps": None},
        lineage={HOSTILE: "x"},
    ).html()


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_is_well_formed_and_shows_every_figure() -> None:
    checker, figures = checked(page("bad", "good")), metrics("bad", "good")
    for value in (f"{figures.accuracy:.4f}", f"{figures.macro_f1:.4f}", f"{figures.nll:.4f}", f"{figures.ece:.4f}"):
        assert value in checker.texts
    for label in figures.labels:
        assert {label.name, f"{label.precision:.3f}", f"{label.recall:.3f}", f"{label.f1:.3f}"} <= set(checker.texts)
    for row in figures.confusion:
        assert {str(count) for count in row} <= set(checker.texts)
    assert checker.tags.count("svg") >= 2
    assert "0.0001" in checker.texts


def test_texts_are_escaped_and_nothing_is_loaded() -> None:
    html = page(HOSTILE, 'a" onclick="b')
    assert "script" not in checked(html).tags
    assert not re.search(r"""(src|href|url|@import|onclick)\s*[=(]\s*["']?[^<]*?(https?:|//)""", html)
    assert "http" not in html.replace("http-equiv", "")
    assert HOSTILE in checked(html).texts


def test_a_page_of_many_labels_leaves_the_confusion_to_the_json() -> None:
    checker = checked(page(*(f"label {number}" for number in range(50))))
    assert any("50 labels" in text for text in checker.texts)


def test_points_lie_where_their_values_say() -> None:
    curves = [Curve("loss", [(1.0, 2.0), (2.0, 1.0)]), Curve("other", [(1.0, None), (2.0, float("nan"))])]
    svg = line_chart(curves, x=Axis("epoch"), y=Axis("loss"))
    points = [tuple(map(float, point.split(","))) for point in re.findall(r'points="([^"]+)"', svg)[0].split()]
    (x1, y1), (x2, y2) = points
    assert x1 < x2
    assert y1 < y2, "a larger value stands higher, which is a smaller y"
    assert svg.count("<circle") == 2


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.5), (2.0, 0.5)]])
def test_one_point_and_a_flat_line_are_drawn(points: list[tuple[float, float | None]]) -> None:
    assert line_chart([Curve("x", points)], x=Axis("epoch"), y=Axis("y")).count("<circle") == len(points)


def test_no_point_is_said() -> None:
    assert "nothing to draw" in line_chart([Curve("x", [])], x=Axis("epoch"), y=Axis("y"))
