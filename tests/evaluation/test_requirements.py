"""What a model must be worth: how it is said, and what comes of it."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from scorer.config import EvaluateConfig
from scorer.errors import DataError, UsageError
from scorer.evaluation.requirements import Requirement, refuse_unmet
from tests.evaluation.fitted import run, texts
from tests.models import make_model
from tests.scoring.files import write
from tests.training.fits import Remembering

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
        refuse_unmet(required(**said), METRICS, model="m", unscored=0)
        return
    with pytest.raises(DataError, match="is asked for"):
        refuse_unmet(required(**said), METRICS, model="m", unscored=0)


@pytest.mark.parametrize("text", ["accuracy", "accuracy=", "=0.9", "accuracy=high", "accuracy=nan", "accuracy=inf", ""])
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(UsageError, match=": a metric and a number are needed"):
        required(min_metric=text)


def test_an_unknown_metric_is_told_with_the_nearest():
    with pytest.raises(UsageError, match="no metric of this model is called so; did you mean accuracy"):
        refuse_unmet(required(min_metric="acuracy=0.9"), METRICS, model="m", unscored=0)
    with pytest.raises(UsageError, match="there are accuracy, macro_f1, ece"):
        refuse_unmet(required(min_metric="zzz=0.9"), METRICS, model="m", unscored=0)


def test_a_model_that_keeps_no_row_does_not_meet_an_accuracy_of_those_kept():
    kept = required(min_metric="selective_accuracy=0.5")
    with pytest.raises(DataError, match="selective_accuracy is nan"):
        refuse_unmet(kept, {"coverage": 0.0}, model="m", unscored=0)
    with pytest.raises(UsageError, match="no metric of this model is called so"):
        refuse_unmet(kept, METRICS, model="m", unscored=0)  # it abstains from nothing


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


def failing_on_soup(model):
    """The embedding of one word is so large that no arithmetic of it is finite; all weights are."""
    token = AutoTokenizer.from_pretrained(model).convert_tokens_to_ids("soup")
    weights = load_file(model / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][token] = torch.finfo(torch.float32).max
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return model


@pytest.mark.parametrize("numbers", [False, True])
def test_a_model_that_fails_on_rows_keeps_to_nothing(tmp_path, numbers):
    """Its figures are those of the other rows."""
    model = failing_on_soup(make_model(tmp_path / "model", labels=("stars",) if numbers else ("1", "5")))
    data = tmp_path / "in.csv"
    rows = [text.replace("soup", "room") for text in texts(40)]
    write(data, pa.table({"text": [*rows[:-2], "the soup", None], "stars": [1, 5] * 20}))
    console, page = Remembering(), tmp_path / "page.html"
    metric = "mae=1e9" if numbers else "ece=1"
    summary = run(data, model, console, text_column=("text",), label_column=("stars",), max_metric=metric, report=page)
    document = summary.as_dict()
    assert document["rows"] == {"read": 40, "left_out": 1, "unscored": 1}
    assert document["requirements"][0]["met"] is False
    said = "1 of 39 rows got no score"
    assert console.having(said)
    assert said in page.read_text()
    assert [warning for warning in document["warnings"] if said in warning]
    with pytest.raises(DataError, match=r"1 labelled rows got no score, .* --max-metric"):
        summary.refuse_unmet()
    run(data, model, text_column=("text",), label_column=("stars",)).refuse_unmet()  # nothing was asked for
