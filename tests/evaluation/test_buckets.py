"""Labelled data in a bucket: every command that reads some takes objects, folders of them and patterns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.fitted import make_fitted
from tests.evaluation.fitted import run as evaluate
from tests.stores.buckets import Bucket
from tests.training.fits import run as fit
from tests.training.fits import write_reviews

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def files(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of training files, here and in the bucket as `train`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        path = tmp_path / "train" / f"day={number}" / "rows.csv"
        path.parent.mkdir(parents=True)
        write_reviews(path, 40, seed=number)
        bucket.put(f"train/day={number}/rows.csv", path.read_bytes())
    return tmp_path / "train"


def test_a_model_is_fitted_on_objects(bucket: Bucket, files: Path, tiny_model: Any) -> None:
    options = {"epochs": 1, "seed": 3}
    here = fit(files, tiny_model("bert"), output="here", **options)
    there = fit(f"{bucket.url}/train/*/*.csv", tiny_model("bert"), output="there", **options)
    assert (there.train_rows, there.valid_rows) == (here.train_rows, here.valid_rows)
    assert there.metrics == here.metrics
    weights = "model.safetensors"
    assert (there.model / weights).read_bytes() == (here.model / weights).read_bytes()


@pytest.mark.usefixtures("files")
def test_with_validation_rows_of_a_bucket(bucket: Bucket, tiny_model: Any, tmp_path: Path) -> None:
    bucket.put("valid.csv", write_reviews(tmp_path / "valid.csv", 20, seed=9).read_bytes())
    summary = fit(f"{bucket.url}/train", tiny_model("bert"), output="model", valid=f"{bucket.url}/valid.csv", epochs=1)
    assert (summary.train_rows, summary.valid_rows) == (80, 20)


def test_evaluation_of_objects(bucket: Bucket, files: Path, tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ["1", "5"])
    here = evaluate(files, model).as_dict()
    there = evaluate(f"{bucket.url}/train", model).as_dict()
    assert {**there, "data": 0, "seconds": 0} == {**here, "data": 0, "seconds": 0}
    assert there["rows"]["read"] == 80
    rows = evaluate(f"{bucket.url}/train/day=1/rows.csv", model, rows="rows.csv", report="page.html")
    assert rows.read == 40
    assert len(Path("rows.csv").read_text().splitlines()) == 41


@pytest.mark.usefixtures("files")
def test_the_commands(bucket: Bucket, run_scorer: Command, tmp_path: Path) -> None:
    make_fitted(tmp_path / "model", ["1", "5"])
    make_fitted(tmp_path / "other", ["1", "5"])
    source = f"{bucket.url}/train"
    told = run_scorer("check", source)
    local = run_scorer("check", "train")
    assert (told.returncode, json.loads(told.stdout)["rows"]) == (local.returncode, json.loads(local.stdout)["rows"])
    assert run_scorer("diff", "model", "other", source).returncode == 0
    missing = run_scorer("check", f"{bucket.url}/nothing.csv")
    assert (missing.returncode, missing.stderr.count("\n")) == (66, 1)
    for command in (
        ("fit", f"{source}/*/*.csv", "-o", f"{bucket.url}/model"),
        ("evaluate", source, "-m", "model", "--rows", f"{bucket.url}/rows.csv"),
        ("check", source, "--report", f"{bucket.url}/page.html"),
    ):
        done = run_scorer(*command)
        assert (done.returncode, done.stderr.count("\n")) == (73, 1)
        assert "outputs are local, but for rows that are scored" in done.stderr
    assert bucket.objects() == [f"train/day={number}/rows.csv" for number in range(2)]


def test_models_of_a_bucket(bucket: Bucket, files: Path, tmp_path: Path, tiny_model: Any) -> None:
    for place, folder in (("model", make_fitted(tmp_path / "model", ["1", "5"])), ("base", tiny_model("bert"))):
        for path in folder.iterdir():
            bucket.put(f"{place}/{path.name}", path.read_bytes())
    there = evaluate(files, f"{bucket.url}/model")
    assert there.findings.metrics.headline() == evaluate(files, tmp_path / "model").findings.metrics.headline()
    fitted = fit(f"{bucket.url}/train/day=0/rows.csv", f"{bucket.url}/base", output=None, epochs=1)
    assert fitted.model.name.startswith("rows-")
