"""Tiny models are tried on a tiny file; the table, the JSON and what is left out."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from scorer.advising.advise_job import advise
from scorer.advising.trials import Trials
from scorer.config import AdviseConfig
from scorer.errors import DeviceError, Interrupted, ModelError, UsageError
from scorer.training.fitting import Fitting
from scorer.training.trainer import Diverged
from tests.training.fits import Remembering, write_reviews


def test_ways_are_tried_and_one_is_recommended(tiny_model, tmp_path):
    train = write_reviews(tmp_path / "train.csv", 300)
    base = tiny_model("bert")
    console = Remembering()
    config = AdviseConfig(
        train=train, candidates=f"{base},{base}@1,{tmp_path / 'nowhere'}", minutes=0.1, device="cpu", precision="fp32"
    )
    found = advise(config, console)
    assert len(found.tried) == 3
    assert {(way.arm.layers, way.arm.preset) for way in found.tried} == {
        (None, "default"),
        (1, "default"),
        (None, "quick"),
    }
    assert found.tried[0].standing.rung >= found.tried[-1].standing.rung
    for way in found.tried:
        low, high = way.interval
        assert low <= way.value <= high
        assert way.looked.rows_a_second > 1
        assert way.looked.unknown_share < 0.2
    assert found.command.startswith(f"scorer fit {train} ")
    assert f"--base-model {base}" in found.command
    assert len(console.having("left out")) == len(found.left_out) == 1
    assert json.loads(json.dumps(found.as_dict()))["tried"][0]["accuracy"] == round(found.tried[0].value, 4)
    lines = found.lines()
    assert lines[0].split()[:4] == ["model", "length", "preset", "rows"]
    assert lines[-1] == found.command
    assert {path.name for path in tmp_path.iterdir()} == {"train.csv"}


def test_numbers_and_long_texts(tiny_model, tmp_path):
    rows = "".join(
        f'"{"good " * (n % 7)}room {n} {"very " * (40 if n % 5 == 0 else 1)}",{n % 7}.5\n' for n in range(200)
    )
    (tmp_path / "train.csv").write_text("text,score\n" + rows)
    base = tiny_model("bert", max_positions=128)
    config = AdviseConfig(
        train=tmp_path / "train.csv",
        candidates=str(base),
        minutes=0.05,
        device="cpu",
        precision="fp32",
        regression=True,
    )
    found = advise(config, Remembering())
    assert {way.figure for way in found.tried} == {"rmse"}
    for way in found.tried:
        low, high = way.interval
        assert low <= way.value <= high
    best_round = [way.value for way in found.tried if way.standing.rung == found.tried[0].standing.rung]
    assert found.tried[0].value == min(best_round), "of errors less is better"
    assert "--regression" in found.command


def test_several_labels_a_row_have_a_macro_f1_and_no_interval_of_anything_else(tiny_model, tmp_path):
    names = ("clean", "kind", "loud")
    rows = "".join(
        f"{' '.join(said)} room {n},{'|'.join(said)}\n"
        for n in range(120)
        if (said := [name for place, name in enumerate(names) if n % 8 >> place & 1])
    )
    (tmp_path / "train.csv").write_text("text,labels\n" + rows)
    config = AdviseConfig(
        train=tmp_path / "train.csv",
        candidates=str(tiny_model("bert")),
        minutes=0.05,
        device="cpu",
        precision="fp32",
        label_separator="|",
    )
    found = advise(config, Remembering())
    assert {(way.figure, way.interval) for way in found.tried} == {("macro_f1", None)}


def exhaust(*_: object) -> None:
    torch.empty(1 << 60)


def diverge(*_: object) -> None:
    raise Diverged("training diverged: the logits are not finite; try a smaller --learning-rate")


@pytest.mark.parametrize(("trouble", "told"), [(exhaust, "memory is exhausted"), (diverge, "training diverged")])
@pytest.mark.parametrize("when", ["trainer", "fit"])
def test_a_way_whose_fit_fails_is_left_out_and_told(tiny_model, tmp_path, monkeypatch, trouble, told, when):
    """`Fitting.trainer` is also asked before the trials, to see how fast a way is."""
    train, base = write_reviews(tmp_path / "train.csv", 200), tiny_model("bert")
    real = getattr(Fitting, when)

    def failing(fitting, model, config, *others, **options):
        return trouble() if config.layers == 1 else real(fitting, model, config, *others, **options)

    monkeypatch.setattr(Fitting, when, failing)
    console = Remembering()
    options = {"candidates": f"{base}@1,{base}", "minutes": 0.05, "device": "cpu", "precision": "fp32"}
    found = advise(AdviseConfig(train=train, **options), console)
    assert {way.arm.layers for way in found.tried} == {None}
    [first, *_] = found.left_out
    assert told in first
    assert f"{base}, 1 layers, 128 tokens" in first
    assert len(found.left_out) == len(console.having("left out")) == 2, "with the preset quick, too"
    assert found.left_out[0] in found.lines()
    assert "--layers" not in found.command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["look", "fit"])
def test_a_signal_while_a_way_loads_its_model_ends_it_all(tiny_model, tmp_path, monkeypatch, number, when):
    """What comes up within transformers is taken for a fault of the model."""
    train, base = write_reviews(tmp_path / "train.csv", 200), tiny_model("bert")
    real, load = getattr(Trials, when), AutoModelForSequenceClassification.from_pretrained
    signals: list[int] = []

    def tried(*arguments):
        signals.append(number)
        return real(*arguments)

    def loaded(*arguments, **options):
        if len(signals) == 1:
            os.kill(os.getpid(), signals[0])
        return load(*arguments, **options)

    monkeypatch.setattr(Trials, when, tried)
    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", loaded)
    console = Remembering()
    options = {"candidates": f"{base}@1,{base}", "minutes": 0.05, "device": "cpu", "precision": "fp32"}
    with pytest.raises(Interrupted, match="nothing was written") as raised:
        advise(AdviseConfig(train=train, **options), console)
    assert raised.value.exit_code == 128 + number
    assert not console.having("left out")


@pytest.mark.parametrize(("trouble", "error"), [(exhaust, DeviceError), (diverge, ModelError)])
def test_where_every_fit_fails_nothing_is_advised(tiny_model, tmp_path, monkeypatch, trouble, error):
    monkeypatch.setattr(Fitting, "fit", trouble)
    train = write_reviews(tmp_path / "train.csv", 80)
    options = {"candidates": str(tiny_model("bert")), "minutes": 0.05, "device": "cpu", "precision": "fp32"}
    with pytest.raises(error, match="no candidate can be tried"):
        advise(AdviseConfig(train=train, **options), Remembering())


def test_a_model_with_few_positions_is_tried_within_them(tiny_model, tmp_path):
    train, base = write_reviews(tmp_path / "train.csv", 120), tiny_model("bert", max_positions=40)
    options = {"candidates": str(base), "minutes": 0.05, "device": "cpu", "precision": "fp32"}
    found = advise(AdviseConfig(train=train, **options), Remembering())
    assert {(way.arm.preset, way.arm.max_length) for way in found.tried} == {("default", 40), ("quick", 40)}
    assert "--max-length 40" in found.command


def test_without_a_candidate_that_can_be_had_nothing_is_advised(tmp_path):
    train = write_reviews(tmp_path / "train.csv", 60)
    with pytest.raises(ModelError, match="no candidate"):
        advise(AdviseConfig(train=train, candidates="./nowhere", device="cpu"), Remembering())
    with pytest.raises(UsageError, match="--minutes"):
        advise(AdviseConfig(train=train, minutes=0.0), Remembering())
