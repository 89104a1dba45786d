"""What is tried, and the command line that comes of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from scorer.advising.arms import Arm, arms_of, command_line, fit_config, longer, recommended, suited
from scorer.cli.fit import fit as fit_command
from scorer.config import AdviseConfig
from scorer.errors import UsageError


def config(**options: object) -> AdviseConfig:
    return AdviseConfig(train="train.csv", **options)


def test_without_candidates_the_default_its_lowest_layers_and_what_was_adapted():
    Path("models/hotels").mkdir(parents=True)
    Path("models/hotels/adapt.json").write_text("{}")
    Path("models/fitted").mkdir()
    found = arms_of(config())
    assert found == [
        Arm(None),
        Arm(None, layers=3),
        Arm("models/hotels"),
        Arm(None, max_length=64, preset="quick"),
    ]


def test_candidates_as_they_are_named():
    found = arms_of(config(candidates=("models/a, default@3", "owner/name")))
    assert found[:3] == [Arm("models/a"), Arm(None, layers=3), Arm("owner/name")]
    assert found[3] == Arm("models/a", max_length=64, preset="quick")
    for wrong in ("default@", "default@x"):
        if wrong == "default@":
            assert arms_of(config(candidates=wrong))[0] == Arm(None)
        else:
            with pytest.raises(UsageError, match="a number of layers"):
                arms_of(config(candidates=wrong))
    with pytest.raises(UsageError, match="names none"):
        arms_of(config(candidates=" , "))


def test_a_longer_input_is_tried_where_many_texts_are_cut_off():
    lengths = np.array([20] * 90 + [200] * 10)
    assert longer(Arm(None), lengths, 512) == Arm(None, max_length=256)
    assert longer(Arm(None), lengths, 150) == Arm(None, max_length=150)
    assert longer(Arm(None), lengths, 128) is None
    assert suited(Arm(None), 50) == Arm(None, max_length=50)
    assert suited(Arm(None), None) == suited(Arm(None), 512) == Arm(None)
    assert longer(Arm(None), np.array([20] * 100), 512) is None
    assert longer(Arm(None, max_length=64, preset="quick"), lengths, 512) is None


def test_the_command_line_is_one_that_fit_takes_and_means_the_same():
    asked = config(text_column=("a column",), label_column=("b",), label_separator=";", minutes=9.0, seed=7, limit=500)
    for arm in (
        Arm(None),
        Arm("models/it's", layers=3, max_length=256),
        Arm(None, max_length=64, preset="quick"),
        recommended([Arm(None)], Arm(None), seconds=100.0),
    ):
        words = shlex.split(command_line(arm, asked))
        assert words[:3] == ["scorer", "fit", "train.csv"]
        said = fit_command.make_context("fit", words[2:]).params
        meant = fit_config(arm, asked)
        assert said["limit"] is None, "the fit is on all rows"
        assert meant.limit == 500
        assert said["base_model"] == meant.base_model
        assert said["layers"] == meant.layers
        assert said["preset"] == meant.preset
        assert said["text_column"] == ("a column",)
        assert said["label_separator"] == ";"
        if arm.preset != "quick":
            assert said["max_length"] == meant.max_length


def test_what_suits_a_short_model_is_not_undone_by_the_preset():
    quick = suited(arms_of(config())[-1], 40)
    assert (quick.preset, fit_config(quick, config()).max_length) == ("quick", 40)
    said = fit_command.make_context("fit", shlex.split(command_line(quick, config()))[2:]).params
    assert (said["preset"], said["max_length"]) == ("quick", 40)
    assert "--max-length" not in command_line(suited(arms_of(config())[-1], 512), config())


def test_the_preset_best_is_for_fits_that_take_minutes():
    arm = Arm(None)
    assert recommended([arm], arm, seconds=199.0).preset == "best"
    assert recommended([arm], arm, seconds=201.0) == arm
    quick = Arm(None, max_length=64, preset="quick")
    assert recommended([quick], quick, seconds=1.0) == quick
