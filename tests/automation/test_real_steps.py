"""A real command as a step: a fit that is stopped goes on from its checkpoint."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.fits import write_reviews

FIT = """
[steps.fit]
train = "train.csv"
output = "models/m"
base_model = {model!r}
max_steps = 40
eval_steps = 4
batch_size = 8
max_length = 16
precision = "fp32"
device = "cpu"
"""


@pytest.mark.slow
def test_a_fit_that_is_stopped_goes_on_from_its_checkpoint(desk, forked, tiny_model, capfd):
    desk = replace(desk, program=tuple(forked))
    write_reviews(desk.path / "train.csv", 60)
    desk.write(FIT.format(model=str(tiny_model("bert"))))
    process = desk.start()
    desk.wait_for("models/m.unfinished/checkpoint-4/trainer_state.json")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert not Path("models/m").exists()
    capfd.readouterr()
    summary = desk.run()
    assert summary.failed is None
    assert "resumed from checkpoint-" in capfd.readouterr().err
    assert "--resume" in summary.runs[0][0].steps[0].arguments
    assert Path("models/m/scorer.json").exists()
    assert not Path("models/m.unfinished").exists()
    assert desk.outcomes() == {"fit": "stood"}
