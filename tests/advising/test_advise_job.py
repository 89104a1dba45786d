"""Tiny models are tried on a tiny file; the table, the JSON and what is left out."""

from __future__ import annotations

import json

import pytest

from scorer.advising.advise_job import advise
from scorer.config import AdviseConfig
from scorer.errors import ModelError, UsageError
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


def test_without_a_candidate_that_can_be_had_nothing_is_advised(tmp_path):
    train = write_reviews(tmp_path / "train.csv", 60)
    with pytest.raises(ModelError, match="no candidate"):
        advise(AdviseConfig(train=train, candidates="./nowhere", device="cpu"), Remembering())
    with pytest.raises(UsageError, match="--minutes"):
        advise(AdviseConfig(train=train, minutes=0.0), Remembering())
