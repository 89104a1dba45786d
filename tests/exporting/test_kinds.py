"""Every kind of model and every architecture, exported for both runtimes and run by its program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import scorer
from tests.exporting.kinds import KINDS, exported, make_kind
from tests.exporting.programs import run_program
from tests.models import ARCHITECTURES, make_model, sentences

ROOT = Path(__file__).parents[2]
TEXTS = [*sentences(12, seed=5, longest=60), "naïve 房间 \U0001f600", "a" * 300]


def assert_same(found, expected):
    for row, other in zip(found, expected, strict=True):
        if isinstance(other["score"], float):
            assert row["score"] == pytest.approx(other["score"], abs=1e-4)
        else:
            assert row["score"] == other["score"]
        assert row["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


def test_openvino_says_what_predict_says(tmp_path):
    model = make_kind(tmp_path, "names")
    made = exported(model, tmp_path / "out", to_="openvino")
    files = {path.name for path in made.folder.iterdir()}
    assert {"openvino_model.xml", "openvino_model.bin", "tokenizer.json", "export.json"} <= files
    assert_same(run_program(made.folder, TEXTS), scorer.load(model, precision="fp32").score_texts(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_eight_bits(tmp_path, runtime, capfd):
    model = make_kind(tmp_path, "several")
    made = exported(model, tmp_path / "out", to_=runtime, int8=True, max_flips="100%")
    found = made.summary.certificate["int8"]
    assert found["rows"] == 1024
    assert 0 < found["largest_answer_difference"] < 0.5
    assert len(run_program(made.folder, TEXTS)) == len(TEXTS)
    # What libraries say of their progress is not among the rows of a pipe.
    assert capfd.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds(tmp_path, kind, runtime):
    model = make_kind(tmp_path, kind)
    made = exported(model, tmp_path / "out", to_=runtime)
    seconds = list(reversed(TEXTS)) if kind == "pairs" else None
    expected = scorer.load(model, precision="fp32").score_texts(TEXTS, seconds)
    given = TEXTS if seconds is None else [f"{one}\t{other}" for one, other in zip(TEXTS, seconds, strict=True)]
    assert_same(run_program(made.folder, given), expected)


def test_openvino_is_not_compared_with_itself(tmp_path):
    made = exported(make_model(tmp_path / "model", "albert"), tmp_path / "out", to_="openvino")
    assert made.summary.certificate["compared_with"] == "padded, fp32, cpu"


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures(tmp_path, architecture, runtime):
    model = make_model(tmp_path / "model", architecture)
    # The attention of these random models is peaked, which magnifies rounding.
    made = exported(model, tmp_path / "out", to_=runtime, tolerance=1e-4)
    assert made.summary.certificate["flips"] == 0
    assert_same(run_program(made.folder, TEXTS), scorer.load(model, precision="fp32").score_texts(TEXTS))


@pytest.mark.slow
def test_a_machine_without_torch_runs_it(real_model, tmp_path):
    """A new environment with onnxruntime, tokenizers and numpy alone, and the MiniLM."""
    made = exported(real_model, tmp_path / "out")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    needed = ["onnxruntime", "tokenizers", "numpy"]
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *needed],
        check=True,
        env=environment,
        timeout=600,
    )
    for absent in ("torch", "transformers", "scorer"):
        # -P: the checkout may be the working folder.
        found = subprocess.run([python, "-P", "-c", f"import {absent}"], check=False, capture_output=True)
        assert found.returncode == 1
    command = [sys.executable, "-m", "scorer", "predict", "-m", real_model, "--precision", "fp32", *TEXTS]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert_same(run_program(made.folder, TEXTS, python=str(python)), [json.loads(line) for line in said.splitlines()])
