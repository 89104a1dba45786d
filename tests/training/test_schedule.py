"""Steps and rates: a training of any length learns, and what cannot be is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scorer.config import AdaptConfig, FitConfig
from scorer.errors import UsageError
from scorer.stores.folder import Folder
from scorer.training.arguments import training_arguments
from scorer.training.schedule import refuse_schedule, total_steps, warmup_doubt
from tests.adapting.adaptations import run as adapt
from tests.adapting.adaptations import write_texts
from tests.training.fits import Remembering, run, write_reviews

INSIDE = "bert.encoder.layer.0.output.dense.weight"


def config(**options: object) -> FitConfig:
    return FitConfig(train=Path("train.csv"), **options)


def moved(fitted: Path, base: Path) -> float:
    """How far a matrix in the midst of the encoder is from where it was."""
    before, after = (load_file(path / "model.safetensors")[INSIDE] for path in (base, fitted))
    return float((after - before).abs().max())


@pytest.mark.parametrize(
    ("warmup", "steps", "expected"),
    [(0.1, 1, 0), (0.1, 2, 1), (0.1, 20, 2), (3.0, 5, 3), (10.0, 10, 9), (50.0, 10, 9), (0.0, 4, 0), (0.999, 4, 3)],
)
def test_one_step_at_least_has_the_full_rate(warmup: float, steps: int, expected: int) -> None:
    arguments = training_arguments(
        config(warmup=warmup), checkpoints=Folder.of("out"), device=torch.device("cpu"), precision="fp32"
    )
    assert arguments.get_warmup_steps(steps) == expected


def test_a_single_step_learns(tiny_model) -> None:
    base = tiny_model("bert")
    assert moved(run(write_reviews(Path("train.csv"), 40), base, max_steps=1).model, base) > 0
    assert moved(adapt(write_texts(Path("texts.csv"), 40), base, max_steps=1).model, base) > 0


def test_a_warm_up_that_never_ends_is_told_and_shortened(tiny_model) -> None:
    console = Remembering()
    train, options = write_reviews(Path("train.csv"), 40), {"schedule": "polynomial", "epochs": 1.0}
    summary = run(train, tiny_model("bert"), console, warmup=5.0, **options)
    assert summary.steps == 5
    [line] = console.having("--warmup 5: there are 5 steps, of which the last has the full rate")
    assert "such as 0.1" in line
    quiet = Remembering()
    run(train, tiny_model("bert"), quiet, warmup=4.0, output=Path("out"), **options)
    assert not quiet.having("--warmup")
    console = Remembering()
    adapt(
        write_texts(Path("texts.csv"), 40),
        tiny_model("bert"),
        console,
        epochs=1.0,
        warmup=9999.0,
        output=Path("adapted"),
    )
    assert console.having("--warmup 9999")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epochs": 0.0}, "--epochs"),
        ({"max_steps": 10, "warmup": 10.0}, "--warmup 10: all of --max-steps 10"),
        ({"max_steps": 1, "warmup": 1.0}, "--warmup 1"),
        ({"schedule": "polynomial", "learning_rate": 1e-7}, "--schedule polynomial: ends at 1e-07"),
        ({"schedule": "polynomial", "learning_rate": 0.0}, "--learning-rate 0 "),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], told: str) -> None:
    for asked in (config(**options), AdaptConfig(data="texts.csv", **options)):
        with pytest.raises(UsageError, match=told):
            refuse_schedule(asked)


def test_what_can_be_is_not_refused() -> None:
    for options in ({"max_steps": 10, "warmup": 9.0}, {"max_steps": 1}, {"epochs": 0.0, "max_steps": 1}, {}):
        refuse_schedule(config(**options))
    assert total_steps(config(batch_size=8, gradient_accumulation=2, epochs=1.5), 33) == 5
    assert warmup_doubt(config(warmup=0.99), 1) is None
