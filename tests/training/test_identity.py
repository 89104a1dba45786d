"""An unfinished fit is gone on from by the same fit alone, and the model says of it what affects it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from scorer.classifier.directory import open_model
from scorer.config import FitConfig, material
from scorer.errors import ConfigError
from scorer.stores.location import Location
from scorer.training.resume import job_of, open_workspace
from tests.config.seconds import FIRSTS, cases, names
from tests.conftest import TinyModel
from tests.training.fits import run, write_reviews

# What a setting was resolved to is an argument of `job_of`, or a property of the configuration.
ARGUMENTS = {"precision": "fp32", "base_model": "base", "teacher": "large"}
FINGERPRINTS = {"train": "rows", "valid": "other rows"}


def description(config: FitConfig, **seen: str) -> dict[str, Any]:
    """The job of `config`; `seen` is what a fit finds out."""
    fingerprints = {name: seen.get(name, known) for name, known in FINGERPRINTS.items()}
    arguments = {name: seen.get(name, known) for name, known in ARGUMENTS.items()}
    return job_of(config, fingerprints=fingerprints, **arguments)


@pytest.mark.parametrize(("config", "name", "said", "second"), cases(FitConfig), ids=names)
def test_a_checkpoint_counts_unless_a_setting_affects_the_model(tmp_path: Path, config, name, said, second) -> None:
    output = tmp_path / "out"
    first = dataclasses.replace(FIRSTS[config], output=output)
    workspace, _ = open_workspace(first, Location.of_output(output), description(first))
    workspace.release()
    seen = {name: "another"} if name in ARGUMENTS or name in FINGERPRINTS else {}
    changed = dataclasses.replace(first, **({} if name == "output" else {name: second}))
    job = description(changed, **seen)
    again = dataclasses.replace(changed, resume=True, output=output)
    if said.effects == ("nothing",):
        open_workspace(again, Location.of_output(output), job)[0].release()
    else:
        with pytest.raises(ConfigError, match=rf"different: .*\b{'files' if name in FINGERPRINTS else name}"):
            open_workspace(again, Location.of_output(output), job)


def test_a_default_and_its_value_are_the_same_fit() -> None:
    first = FIRSTS[FitConfig]
    assert description(dataclasses.replace(first, learning_rate=1e-4, valid_fraction=0.1)) == description(first)
    assert description(dataclasses.replace(first, base_model="elsewhere", train=Path("b"))) == description(first)


def test_the_model_says_each_setting_that_affects_it_once(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = write_reviews(tmp_path / "train.csv", 40)
    run(train, tiny_model("bert"), output=Path("out"), epochs=1.0, abstain=0.9, seed=7)
    metadata = open_model("out").metadata
    assert metadata is not None
    own = {name for name, setting in material(FitConfig).items() if setting.kept_by_model}
    assert metadata.training.keys().isdisjoint(own | {"output", "resume", "strict", "force", "quiet"})
    given = {name for name in material(FitConfig) if getattr(FitConfig(train=train), name) is not None}
    assert metadata.training.keys() == (given | {"abstain", "learning_rate", "best_metric"}) - own
    assert (metadata.training["seed"], metadata.training["abstain"]) == (7, 0.9)
    kept = {"train", "valid", "text_column", "label_column", "label_separator", "base_model"}
    kept |= {"label_form", "label_names", "null_labels", "teacher"}
    assert own == kept | {"max_length", "long_text", "stride", "pooling"}, "each has a field of its own in scorer.json"
