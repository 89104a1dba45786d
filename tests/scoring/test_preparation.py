"""A description of a job, and the name of its kept scores, change with the settings that affect them, and no other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.execution import Execution
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.config import ScoreConfig
from scorer.scoring.preparation import describe_job, logit_fingerprint
from tests.config.seconds import FIRSTS, cases, names

ENGINE = Execution(
    device="cpu", precision="fp32", backend="packed", reason="", workers=2, batch_tokens=2048, max_length=64
)
LABELS = LabelSet.from_values([1, 5])
# What the settings that are resolved come to elsewhere.
ENGINE_SETTINGS = {"device": "cuda:1", "precision": "bf16", "backend": "padded", "max_length": 65}


@dataclass
class Directory:
    """A model directory's name for itself."""

    fingerprint: str = "weights"
    metadata: Any = None


@dataclass
class Source:
    """An input's name for itself."""

    content: str = "rows"
    format: str = "csv"

    def fingerprint(self) -> str:
        return self.content


def job(config: ScoreConfig = FIRSTS[ScoreConfig], **seen: Any) -> tuple[Any, str]:
    """The description of `config` and the name of its scores; `seen` is what a run finds out."""
    engine = dataclasses.replace(ENGINE, **{name: seen[name] for name in ENGINE_SETTINGS if name in seen})
    own = SimpleNamespace(long_text=seen.get("long_text", LongText()), profile=None)
    directory = Directory(seen.get("model", "weights"), own)
    prepared = SimpleNamespace(
        config=config,
        directory=directory,
        source=Source(seen.get("source", "rows"), seen.get("input_format", "csv")),
        text_columns=seen.get("text_column", ("text",)),
        output_format=seen.get("output_format", "parquet"),
        rejected=seen.get("rejects", 0),
    )
    described = describe_job(prepared, engine, labels=LABELS, decision=seen.get("decision", Decision()))
    return described.as_document(), logit_fingerprint(config, directory, engine)


@pytest.mark.parametrize(("config", "name", "said", "second"), cases(ScoreConfig), ids=names)
def test_a_setting_changes_what_it_affects(config, name, said, second):
    changed = dataclasses.replace(FIRSTS[config], **{name: second})
    seen = {} if said.known_by == "value" else {name: ENGINE_SETTINGS.get(name, "another")}
    (description, scores), (other_description, other_scores) = job(), job(changed, **seen)
    assert (description != other_description) == ("nothing" not in said.effects)
    assert (scores != other_scores) == ("logits" in said.effects)


@pytest.mark.parametrize("name", ["device", "precision", "backend", "max_length", "model", "source", "input_format"])
def test_what_is_asked_in_other_words_is_the_same_job(name):
    """`auto` and what it comes to; two names of one file."""
    asked = next(second for _, found, _, second in cases(ScoreConfig) if found == name)
    assert job(dataclasses.replace(FIRSTS[ScoreConfig], **{name: asked})) == job()


def test_the_number_of_a_gpu_says_nothing():
    assert job(device="cuda:0") == job(device="cuda:1") != job()


def test_a_decision_changes_the_output_and_no_score_that_was_kept():
    (description, scores), (other_description, other_scores) = job(), job(decision=Decision(temperature=(2.0,)))
    assert description != other_description
    assert scores == other_scores


def test_a_map_of_the_log_odds_changes_the_output_and_no_score_that_was_kept():
    bent = Decision(odds_map=((0.0, 0.0), (1.0, 2.0)))
    (description, scores), (other_description, other_scores) = job(), job(decision=bent)
    assert description != other_description
    assert scores == other_scores


def test_how_long_texts_are_read_changes_both():
    (description, scores), (other_description, other_scores) = job(), job(long_text=LongText("head-tail"))
    assert description != other_description
    assert scores != other_scores
