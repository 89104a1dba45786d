"""`scorer fit` and then `scorer evaluate`: one document on stdout, lines for people on stderr, the files asked for."""

from __future__ import annotations

import json

import pytest

from tests.training.fits import write_reviews

HOW = ("--precision", "fp32", "--device", "cpu")


@pytest.fixture
def fitted(cli, tiny_model, tmp_path):
    """What `scorer fit` gave; `models/latest` is its model."""
    write_reviews(tmp_path / "train.csv", 60)
    short = ("--max-length", 32, "--max-steps", 2, "--batch-size", 8)
    return cli("fit", "train.csv", "--base-model", tiny_model("bert"), *short, *HOW)


def test_a_fit_and_its_evaluation(cli, fitted, tmp_path):
    assert (fitted.code, fitted.out.count("\n")) == (0, 1)
    summary = json.loads(fitted.out)
    assert summary["train_rows"] + summary["valid_rows"] == 60
    lines = fitted.err.splitlines()
    assert lines[-1] == f"model {summary['model']}, report {summary['report']}"
    assert [line for line in lines if line.startswith("calibration error ")]
    assert (tmp_path / summary["report"]).is_file()

    write_reviews(tmp_path / "test.csv", 40, seed=1)
    ran = cli("evaluate", "test.csv", "--rows", "ranked.parquet", "--report", "page.html", *HOW)
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    document = json.loads(ran.out)
    figures = document["metrics"]
    line = f"accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f} on 40 rows"
    assert line in ran.err.splitlines()
    assert (document["rows_file"], document["report"]) == ("ranked.parquet", "page.html")
    assert {"ranked.parquet", "page.html"} <= {path.name for path in tmp_path.iterdir()}

    quiet = cli("evaluate", "test.csv", "--quiet", *HOW)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
