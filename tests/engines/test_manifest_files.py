"""The manifest and the metrics of real runs, good and bad, and the limits on what they publish."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa
import pytest

import scorer
from scorer.config import ScoreConfig
from scorer.errors import DataError, InputMissing, OutputRefused, UsageError
from scorer.runs.console import Console
from scorer.scoring.estimate import estimate
from tests.scoring.files import read, write


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "in.parquet", pa.table({"text": ["good room", None, "", "bad night"]}))


@pytest.fixture
def score(tiny_model, tmp_path):
    def score(source, **options):
        fixed = {"model": str(tiny_model("bert")), "report": tmp_path / "run.json", "textfile": tmp_path / "run.prom"}
        return scorer.score(source, tmp_path / "out.parquet", **fixed | options)

    return score


def test_a_run_that_succeeds(source, score, tmp_path):
    summary = score(source)
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert (manifest["exit_code"], manifest["reason"]) == (0, None)
    assert (manifest["rows_read"], manifest["rows"]) == (4, 4)
    assert manifest["statuses"] == summary.statuses == {"empty": 1, "null": 1, "ok": 2}
    assert manifest["engine"] == summary.engine
    assert manifest["job"]["versions"]["scorer"] == scorer.__version__
    assert set(manifest["stage_seconds"]) == {"read", "encode", "classify", "append", "write"}
    assert manifest["peak_memory_mib"] > 50
    assert "good room" not in json.dumps(manifest)
    prometheus = (tmp_path / "run.prom").read_text()
    assert f'scorer_rows{{output="{tmp_path / "out.parquet"}",status="ok"}} 2' in prometheus
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet", "run.json", "run.prom"]


def test_a_run_that_fails_is_recorded_and_keeps_what_stood_there(source, score, tmp_path):
    score(source)
    before = (tmp_path / "out.parquet").read_bytes()
    success = [line for line in (tmp_path / "run.prom").read_text().splitlines() if "last_success" in line]
    with pytest.raises(DataError, match="2 of 4 rows have no score, and --max-flagged is 25%; nothing was published"):
        score(source, max_flagged="25%", force=True, token_count=True)
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["exit_code"] == 65
    assert "max-flagged" in manifest["reason"]
    assert manifest["statuses"]["null"] == 1
    after = (tmp_path / "run.prom").read_text()
    assert [line for line in after.splitlines() if "last_success" in line] == success
    assert (tmp_path / "out.parquet").read_bytes() == before


def test_a_refused_output_is_published_once_the_limit_allows_it(source, score, tmp_path):
    with pytest.raises(DataError, match="--min-rows"):
        score(source, min_rows=5)
    assert not (tmp_path / "out.parquet").exists()
    summary = score(source, min_rows=4, max_flagged="2")
    assert summary.computed_tokens == 0
    assert len(read(tmp_path / "out.parquet")) == 4


def test_a_missing_input_is_recorded(score, tmp_path):
    with pytest.raises(InputMissing):
        score(tmp_path / "none.parquet")
    assert json.loads((tmp_path / "run.json").read_text())["exit_code"] == 66


def test_a_record_that_cannot_be_written_stops_the_job_before_it_begins(source, score, tmp_path):
    with pytest.raises(OutputRefused, match="folder"):
        score(source, report=tmp_path / "none" / "run.json")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("name", ["in.parquet", "out.parquet", "run.prom"])
def test_a_record_does_not_replace_another_file_of_the_job(source, score, tmp_path, name):
    before = source.read_bytes()
    with pytest.raises(UsageError, match=r"named twice|is the input itself"):
        score(source, report=tmp_path / name)
    assert source.read_bytes() == before


@pytest.mark.parametrize("location", ["inputs", "inputs/*.jsonl"])
@pytest.mark.parametrize("option", ["report", "textfile", "rejects"])
def test_a_record_does_not_replace_one_of_several_inputs(score, tmp_path, option, location):
    (tmp_path / "inputs").mkdir()
    inputs = [tmp_path / "inputs" / name for name in ("a.jsonl", "b.jsonl")]
    for path in inputs:
        path.write_text('{"text": "good room"}\n')
    with pytest.raises(UsageError, match="would be part of the input"):
        score(tmp_path / location, **{option: inputs[1]})
    assert [path.read_text() for path in inputs] == ['{"text": "good room"}\n'] * 2


def test_metrics_replace_a_file_that_is_no_text(source, score, tmp_path):
    (tmp_path / "run.prom").write_bytes(b"\xff\xfe\n")
    score(source)
    assert "scorer_rows{" in (tmp_path / "run.prom").read_text()


@pytest.mark.parametrize("option", ["report", "textfile", "rejects"])
def test_a_record_is_a_file(source, score, option):
    with pytest.raises(UsageError, match="a file is needed"):
        score(source, **{option: Path("-")})


def test_on_the_command_line(run_scorer, tiny_model, tmp_path):
    done = run_scorer("score", "none.parquet", "out.parquet", "-m", str(tiny_model("bert")), "--report", "run.json")
    assert done.returncode == 66
    manifest = json.loads((tmp_path / "run.json").read_text())
    assert manifest["exit_code"] == 66
    assert manifest["arguments"][1:3] == ["score", "none.parquet"]
    assert manifest["reason"] in done.stderr


def test_malformed_records_are_set_aside_and_counted(score, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('id,text\n1,good room\n2\n3,"bad ""night"""\n4,a "stray quote\n5,\n')
    with pytest.raises(DataError, match="record 2"):
        score(source)
    with pytest.raises(DataError, match="3 of 5 rows have no score, and --max-flagged is 2"):
        score(source, rejects=tmp_path / "rejects.jsonl", max_flagged="2")
    assert not list(tmp_path.glob("rejects*"))
    summary = score(source, rejects=tmp_path / "rejects.jsonl", max_flagged="3")
    assert (summary.rows, summary.rejected) == (3, 2)
    assert sum(summary.statuses.values()) + summary.rejected == 5
    rejected = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(one["record"], one["text"]) for one in rejected] == [(2, "2\n"), (4, '4,a "stray quote\n')]
    assert [row["id"] for row in read(tmp_path / "out.parquet")] == [1, 3, 5]
    assert json.loads((tmp_path / "run.json").read_text())["rejected"] == 2
    assert "scorer_rejected_records" in (tmp_path / "run.prom").read_text()


def test_of_the_first_rows_only_the_malformed_records_among_them_count(score, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1\n2,good room\n3\n4,bad night\n" + "5\n" * 9)
    summary = score(source, rejects=tmp_path / "rejects.jsonl", limit=2, max_flagged="50%")
    assert (summary.rows, summary.rejected) == (2, 2)
    rejected = [json.loads(line)["text"] for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert rejected == ["1\n", "3\n"]


def test_a_job_whose_records_are_sound_leaves_an_empty_file_of_rejects(source, score, tmp_path):
    assert score(source, rejects=tmp_path / "rejects.jsonl").rejected == 0
    assert (tmp_path / "rejects.jsonl").read_bytes() == b""


def test_a_dry_run_counts_malformed_records_and_writes_none(tiny_model, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,good\n2\n")
    config = ScoreConfig(
        source=str(source),
        target=str(tmp_path / "out.parquet"),
        model=str(tiny_model("bert")),
        rejects=tmp_path / "rejects.jsonl",
    )
    found = estimate(config, Console(quiet=True), started=time.monotonic())
    assert (found.rows, found.rejected) == (1, 1)
    assert list(tmp_path.iterdir()) == [source]
