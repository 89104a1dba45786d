"""What a model must be worth: how it is said, and what comes of it."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from scorer.config import EvaluateConfig
from scorer.errors import DataError, UsageError
from scorer.evaluation.requirements import Requirement, refuse_unmet
from tests.evaluation.fitted import run, texts
from tests.scoring.files import write

METRICS = {"accuracy": 0.9, "macro_f1": math.nan, "ece": 0.05}


def required(**said):
    return Requirement.all_of(EvaluateConfig(data="a.csv", **said))


@pytest.mark.parametrize(
    ("said", "met"),
    [
        ({"min_metric": "accuracy=0.9"}, True),
        ({"min_metric": " accuracy = 0.91 "}, False),
        ({"max_metric": "ece=0.05"}, True),
        ({"max_metric": "ece=0.0499"}, False),
        ({"min_metric": ["accuracy=0.5", "accuracy=0.95"]}, False),
        ({"min_metric": "macro_f1=0"}, False),  # what is no number meets nothing
        ({"max_metric": "macro_f1=1"}, False),
        ({}, True),
    ],
)
def test_a_floor_and_a_ceiling(said, met):
    if met:
        refuse_unmet(required(**said), METRICS, model="m")
        return
    with pytest.raises(DataError, match="is asked for"):
        refuse_unmet(required(**said), METRICS, model="m")


@pytest.mark.parametrize("text", ["accuracy", "accuracy=", "=0.9", "accuracy=high", "accuracy=nan", "accuracy=inf", ""])
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(UsageError, match=": a metric and a number are needed"):
        required(min_metric=text)


def test_an_unknown_metric_is_told_with_the_nearest():
    with pytest.raises(UsageError, match="no metric of this model is called so; did you mean accuracy"):
        refuse_unmet(required(min_metric="acuracy=0.9"), METRICS, model="m")
    with pytest.raises(UsageError, match="there are accuracy, macro_f1, ece"):
        refuse_unmet(required(min_metric="zzz=0.9"), METRICS, model="m")


def test_a_model_that_keeps_no_row_does_not_meet_an_accuracy_of_those_kept():
    kept = required(min_metric="selective_accuracy=0.5")
    with pytest.raises(DataError, match="selective_accuracy is nan"):
        refuse_unmet(kept, {"coverage": 0.0}, model="m")
    with pytest.raises(UsageError, match="no metric of this model is called so"):
        refuse_unmet(kept, METRICS, model="m")  # it abstains from nothing


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "in.csv"
    write(path, pa.table({"sentence": texts(40), "score": [1] * 40}))
    return path


def test_an_evaluation_tells_what_came_of_it_before_it_fails(labelled, fitted):
    summary = run(labelled, fitted, min_metric="accuracy=0.999", max_metric="ece=1")
    floor, ceiling = summary.as_dict()["requirements"]
    assert (floor["met"], ceiling["met"]) == (False, True)
    with pytest.raises(DataError, match="accuracy is 0"):
        summary.refuse_unmet()


def test_an_unknown_metric_is_found_before_a_file_is_written(labelled, fitted, tmp_path):
    with pytest.raises(UsageError, match="did you mean accuracy"):
        run(labelled, fitted, min_metric="acuracy=0.9", report=tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
