"""Backends are registered in one place, and what they declare is what is recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scorer
from scorer.classifier.forward.choice import registered, spec_of
from scorer.errors import UsageError

# A whole backend: it computes as `padded` does, one row at a time.
EXERCISE = """
from scorer.classifier.device import DTYPES
from scorer.classifier.forward.padded import PaddedForward
from scorer.classifier.forward.spec import ForwardSpec


def _why_not(config, work):
    return None if config.model_type == "albert" else f"is an exercise for albert, not {config.model_type}"


SPEC = ForwardSpec(
    name="exercise",
    why="an exercise for {kind}",
    why_not=_why_not,
    shapes="alone",
    libraries=("torch", "transformers", "numpy"),
    make=lambda loaded, work: PaddedForward(loaded, device=work.device, dtype=DTYPES[work.precision]),
)
"""
USE = """
import sys
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.config import FrameConfig
from scorer.scoring.preparation import logit_fingerprint

for directory in sys.argv[1:]:
    classifier = Classifier(open_model(directory), precision="fp32")
    inputs = classifier.encode(["good room", "bad soup"])
    assert classifier.logits(inputs)[0].shape == (2, 5)
    assert logit_fingerprint(FrameConfig(), classifier.directory, classifier.engine)
    print(classifier.engine.backend, len(classifier.plan(inputs.lengths)), classifier.engine.reason)
"""


def test_every_name_has_its_file_and_an_unknown_one_is_an_error():
    assert [spec.name for spec in registered()] == ["packed", "openvino", "onnx", "padded"]
    for name in ("auto", "quick"):
        with pytest.raises(UsageError, match=f"--backend {name}: expected one of"):
            spec_of(name)


def test_a_new_backend_is_one_file_and_one_line(tiny_model, tmp_path):
    package = Path(shutil.copytree(Path(scorer.__file__).parent, tmp_path / "scorer"))
    (package / "classifier/forward/exercise.py").write_text(EXERCISE)
    registry = package / "config/choices.py"
    line = 'Backend = Literal["auto", '
    assert registry.read_text().count(line) == 1
    registry.write_text(registry.read_text().replace(line, line + '"exercise", '))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    models = [str(tiny_model("albert")), str(tiny_model("bert"))]
    options = {"capture_output": True, "text": True, "env": environment, "cwd": tmp_path, "timeout": 240}
    ran = subprocess.run([sys.executable, "-c", USE, *models], check=False, **options)
    assert ran.returncode == 0, ran.stderr
    albert, bert = ran.stdout.splitlines()
    assert albert.startswith("exercise 2 an exercise for albert; batches: one row")
    assert bert.startswith("packed 1 bert models")
    asked = ["-m", "scorer", "predict", "-m", models[1], "--backend", "exercise", "a"]
    named = subprocess.run([sys.executable, *asked], check=False, **options)
    assert named.returncode == 2
    assert "--backend exercise: is an exercise for albert, not bert" in named.stderr
