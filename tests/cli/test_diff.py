"""`scorer diff` on the command line: one JSON document, then the gate's exit code."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from tests.models import sentences
from tests.scoring.files import write


@pytest.fixture
def models(tiny_model):
    return tiny_model("bert"), tiny_model("roberta")


def test_the_summary_and_the_gate(cli, models, tmp_path):
    write(tmp_path / "in.parquet", pa.table({"text": sentences(60, seed=5)}))
    ran = cli("diff", *models, "in.parquet", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = cli("diff", *models, "in.parquet", "--max-flips", "1%", "--rows", "rows.csv")
    found = json.loads(ran.out)
    assert ran.code == 65
    assert found["too_many_changes"]
    assert ran.err.splitlines()[-1].startswith("scorer: error: ")
    assert (tmp_path / "rows.csv").read_text().count("\n") == found["changed"] + 1


def test_missing_data(cli, models):
    ran = cli("diff", *models, "absent.parquet")
    assert (ran.code, ran.out) == (66, "")


def test_an_empty_separator_is_a_usage_error(cli, models, tmp_path):
    write(tmp_path / "in.parquet", pa.table({"text": sentences(4), "score": ["1"] * 4}))
    for arguments in (("diff", *models, "in.parquet"), ("evaluate", "in.parquet", "-m", models[0])):
        ran = cli(*arguments, "--label-separator", "")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("scorer: error: --label-separator: empty; ")
