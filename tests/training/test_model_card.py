"""The model card as the hub's own library reads it, and what it shows of names that would break a page."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from huggingface_hub import ModelCard

from scorer.classifier.decision import Decision
from scorer.classifier.directory import open_model
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES, Profile
from scorer.cli.fit import fit as fit_command
from scorer.config import FitConfig
from scorer.training.model_card import model_card, reproduction
from tests.conftest import TinyModel
from tests.training.fits import run, write_reviews

PROFILE = Profile(
    training_labels=(90, 10, 0),
    rows=100,
    lengths=(100, *[0] * len(LENGTH_EDGES)),
    truncated_share=0.25,
    unknown_token=1,
    unknown_share=0.125,
    validation_rows=25,
    true_labels=(20, 5, 0),
    predicted_labels=(25, 0, 0),
    confidences=(25, *[0] * len(CONFIDENCE_EDGES)),
)


def metadata(**changes: Any) -> ModelMetadata:
    fields: dict[str, Any] = {
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "text_columns": ("title", "body"),
        "label_column": "stars",
        "labels": LabelSet.from_values(["bad", "good"]),
        "max_length": 64,
        "decision": Decision((1.25,)),
        "training": {"seed": 7, "epochs": 3.0, "precision": "bf16", "learning_rate": 5e-5},
        "training_data": {
            "train": {"file": "t.csv", "rows": 100, "fingerprint": "ab"},
            "valid": {"file": "v.csv", "rows": 25, "fingerprint": "cd"},
            "check": {
                "findings": [
                    {"severity": "warning", "file": "/home/me/t.csv", "what": "3 rows *repeat* another"},
                    {"severity": "note", "file": "/home/me/t.csv", "what": "2 rows are odd"},
                ]
            },
        },
        "metrics": {"rows": 25, "accuracy": 0.8, "macro_f1": 1e-5, "ece": 0.07},
        "profile": PROFILE,
        "versions": {"torch": "2"},
    }
    return ModelMetadata(**(fields | changes))


def card(**changes: Any) -> ModelCard:
    return ModelCard(model_card(metadata(**changes), from_hub=True))


def test_the_front_matter_is_what_the_hub_reads() -> None:
    data = card().data
    assert (data.library_name, data.pipeline_tag) == ("transformers", "text-classification")
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert (data.license, data.language, data.datasets) == (None, None, None)
    found = [(result.metric_type, result.metric_name, result.metric_value) for result in data.eval_results]
    assert found == [("accuracy", "accuracy", 0.8), ("f1", "macro_f1", 1e-5), ("ece", "ece", 0.07)]
    assert {(result.dataset_name, result.dataset_split) for result in data.eval_results} == {("v.csv", "validation")}
    assert data.model_name == "sentence-transformers/all-MiniLM-L6-v2 on t.csv"


def test_the_page_tells_what_the_metadata_holds() -> None:
    text = card().text
    assert "| bad | 90 | 20 | 25 |" in text
    assert "100 rows of t.csv, fingerprint `ab`" in text
    assert "temperature of 1.25" in text
    assert "- t.csv: 3 rows \\*repeat\\* another.\n" in text
    assert "/home/me" not in text
    assert "odd" not in text
    assert "Fewer than 20 training rows: good." in text
    assert "Never predicted on the validation rows: good." in text
    assert "12.5 % of the training tokens are unknown" in text
    assert "within about 20 points" in text
    assert "off by 7.0 %" in text
    assert '{"text": "first", "text_pair": "second"}' in text


def test_figures_from_before_calibration_stand_beside_those_after_it() -> None:
    assert "before calibration" not in card().text, "a model of an earlier version"
    text = card(
        uncalibrated={"accuracy": 0.8, "macro_f1": 0.25, "ece": 0.2},
        metrics={"rows": 25, "accuracy": 0.8, "macro_f1": 0.5, "coverage": 0.75, "ece": 0.07},
    ).text
    assert "| metric | value | before calibration |" in text
    assert "| macro\\_f1 | 0.5000 | 0.2500 |" in text
    assert "| coverage | 0.7500 |  |" in text
    assert "| ece | 0.0700 | 0.2000 |" in text


def test_several_labels_and_abstaining() -> None:
    multi = card(
        labels=LabelSet.from_values(["bad", "good"], multi=True),
        decision=Decision((1.0, 2.0), (0.5, 0.25), 0.75),
        seeds=[{"seed": 1}, {"seed": 2}],
    )
    assert "multi-label" in multi.data.tags
    assert "| good | 10 | 5 | 0 | 0.250 |" in multi.text
    assert "temperature of 1 to 2, one a label" in multi.text
    assert "of 2 fits with different seeds" in multi.text
    assert "below 0.75 are marked `abstain`" in multi.text
    assert 'function_to_apply="sigmoid"' in multi.text


NASTY = [
    "a|b",
    "x\n```\n# <script>",
    "- [x](y): *z*",
    "<script>alert(1)</script>",
    'q"\\',
    "line\nbreak",
    "--- \x7f\x85\u2028😀",
    "```",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_that_would_break_a_page(name: str) -> None:
    data = {
        "train": {"file": name, "rows": 1, "fingerprint": "ab"},
        "valid": {"file": name, "rows": 1, "fingerprint": "cd"},
    }
    labels = LabelSet(("good", name), "string")
    page = card(labels=labels, training_data=data, text_columns=(name,), label_column=name)
    assert page.data.eval_results[0].dataset_name == name
    assert page.data.model_name == f"sentence-transformers/all-MiniLM-L6-v2 on {name}"
    outside_of_code = re.sub(r"(?s)(?<![\\`])(`+)[^`].*?(?<!`)\1(?!`)", "", page.text)
    assert "<script" not in outside_of_code
    assert outside_of_code.count("## ") == 6
    table = [line for line in page.text.splitlines() if line.startswith("|")]
    rows = {line.replace("\\|", "").count("|") for line in table[:4]}
    assert rows == {5}


def test_many_labels_are_cut_off() -> None:
    names = tuple(f"label{number:03d}" for number in range(120))
    counts = (*[30] * 120, 0)
    profile = dataclasses.replace(PROFILE, training_labels=counts, true_labels=counts, predicted_labels=counts)
    text = card(labels=LabelSet(names, "string"), profile=profile).text
    assert "label049" in text
    assert "label050" not in text
    assert "70 more are in `scorer.json`" in text


def test_without_a_profile_or_anything_else() -> None:
    plain = ModelMetadata(
        base_model="/home/somebody/private/base",
        text_columns=("text",),
        label_column="label",
        labels=LabelSet.from_values([1, 2]),
        max_length=64,
    )
    page = ModelCard(model_card(plain, from_hub=False))
    assert page.data.base_model is None
    assert page.data.eval_results is None
    assert "Fine-tuned from base " in page.text


def test_the_command_asks_for_the_same_fit() -> None:
    words = shlex.split(reproduction(metadata(training={"seed": 7, "force": False, "resume": True, "epochs": 3.0})))
    assert words[:3] == ["scorer", "fit", "t.csv"]
    context = fit_command.make_context("fit", words[2:])
    assert isinstance(context, click.Context)
    assert context.params["text_column"] == ("title", "body")
    assert (context.params["seed"], context.params["max_length"], context.params["resume"]) == (7, 64, True)
    assert context.params["valid"] == Path("v.csv")
    assert "--epochs" not in words, "a default"
    assert context.params["long_text"] == "truncate"


def test_a_card_tells_how_long_texts_are_read() -> None:
    windows = LongText("window", 16, "max")
    assert "truncates long texts" not in card().text
    assert "truncates long texts, too" in card(long_text=windows).text
    words = shlex.split(reproduction(metadata(text_columns=("text",), long_text=windows)))
    context = fit_command.make_context("fit", words[2:])
    settings = {name: context.params[name] for name in ("long_text", "stride", "pooling", "max_length")}
    assert LongText.of(FitConfig(train=Path("t.csv"), **settings)) == windows


def test_a_fit_writes_a_card_that_its_metadata_vouches_for(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = tiny_model("bert")
    summary = run(write_reviews(Path("train.csv")), base, max_steps=5)
    page = ModelCard.load(summary.model / "README.md")
    figures = {result.metric_name: result.metric_value for result in page.data.eval_results}
    assert figures["accuracy"] == pytest.approx(summary.metrics["accuracy"], abs=1e-6)
    assert str(tmp_path) not in page.content
    assert base.name in page.text
    found = open_model(str(summary.model)).metadata
    assert found is not None
    assert "README.md" in found.files


def test_the_command_says_what_a_preset_set_and_what_separates_labels() -> None:
    training = {"preset": "quick", "epochs": 3.0, "max_length": 64, "seeds": 1}
    sides = {side: {"file": "data.csv", "rows": 10, "fingerprint": side} for side in ("train", "valid")}
    words = shlex.split(reproduction(metadata(training=training, training_data=sides, label_separator="|")))
    assert "--preset" not in words, "it would set the epochs to 1"
    assert words[words.index("--label-separator") + 1] == "|"
    assert words[words.index("--valid") + 1] == "data.csv", "another file of the same name"


def test_a_split_is_not_named_in_the_command() -> None:
    sides = {side: {"file": "emotion", "rows": 10, "fingerprint": side} for side in ("train", "valid")}
    sides["valid"]["split"] = "validation"
    assert "--valid" not in shlex.split(reproduction(metadata(training_data=sides)))
