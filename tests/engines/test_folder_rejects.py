"""`--rejects` of a folder: one file with the malformed records of all inputs, whatever a run makes anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pytest

import scorer
from scorer.errors import DataError, UsageError

FILES = {
    "day=1/a.csv": 'id,text\n1,good\n2\n3,"bad\n',
    "day=1/c.csv": "id,text\n1,good\n2,bad\n",
    "day=2/b.jsonl": '{"text": "good"}\n{"text": }\n{"text": "bad"}\n',
}
REJECTED = {"day=1/a.csv": [2, 3], "day=2/b.jsonl": [2]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "in"


@pytest.fixture
def run(source: Path, tmp_path: Path, tiny_model) -> Callable[..., Any]:
    def run(**options: Any) -> Any:
        said = {"model": tiny_model("bert"), "precision": "fp32", "rejects": tmp_path / "r.jsonl"} | options
        return scorer.score(source, f"{tmp_path}/out/", **said)

    return run


def told(tmp_path: Path) -> dict[str, list[int]]:
    """The numbers of the records in the rejects file, by the names of their files."""
    found: dict[str, list[int]] = {}
    for line in (tmp_path / "r.jsonl").read_text().splitlines():
        reject = json.loads(line)
        found.setdefault(str(Path(reject["file"]).relative_to(tmp_path / "in")), []).append(reject["record"])
    return found


def test_all_malformed_records_are_in_one_file_whatever_is_made_anew(run, source, tmp_path):
    summary = run()
    assert told(tmp_path) == REJECTED
    assert (summary.rows, summary.rejected) == (5, 3)
    assert pc.read_csv(tmp_path / "out" / "day=1" / "a.csv")["id"].to_pylist() == [1]
    before = (tmp_path / "r.jsonl").read_bytes()
    (tmp_path / "r.jsonl").unlink()
    assert run().parts["scored"] == 0
    assert (tmp_path / "r.jsonl").read_bytes() == before
    (source / "day=1" / "a.csv").write_text("id,text\n1,good\n")
    (source / "day=2" / "d.csv").write_text("id,text\n1\n")
    summary = run()
    assert (summary.parts["scored"], summary.rejected) == (2, 2)
    assert told(tmp_path) == {"day=2/b.jsonl": [2], "day=2/d.csv": [1]}
    (source / "day=2" / "b.jsonl").unlink()
    run(mirror=True)
    assert told(tmp_path) == {"day=2/d.csv": [1]}
    kept = [path for path in (tmp_path / "out" / ".scorer" / "rejects").rglob("*") if path.is_file()]
    assert len(kept) == 1
    kept[0].unlink()
    assert run(mirror=True).parts["scored"] == 1
    assert told(tmp_path) == {"day=2/d.csv": [1]}


def test_records_of_a_file_that_is_gone_are_neither_told_nor_counted(run, source, tmp_path, capfd):
    run()
    (source / "day=1" / "a.csv").unlink()
    summary = run()
    assert (summary.rejected, told(tmp_path)) == (1, {"day=2/b.jsonl": [2]})
    assert "1 malformed records were set aside" in capfd.readouterr().err


def test_parts_are_as_they_were_written_wherever_their_malformed_records_are(run, tmp_path, run_scorer):
    run()
    shutil.rmtree(tmp_path / "out" / ".scorer" / "rejects")
    assert run_scorer("inspect", f"{tmp_path}/out", "--verify").returncode == 0


def test_without_the_flag_a_part_of_a_file_with_malformed_records_does_not_stand(run, tmp_path):
    run()
    with pytest.raises(DataError, match=r"a\.csv and 1 more could not be scored"):
        run(rejects=None, on_error="quarantine")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert set(manifest["failed"]) == set(REJECTED)
    assert run().parts["current"] == 3


def test_processes_set_the_same_records_aside(run, tmp_path):
    run()
    before = (tmp_path / "r.jsonl").read_bytes()
    run(workers=2, prefix="p_")
    assert (tmp_path / "r.jsonl").read_bytes() == before


def test_the_rejects_lie_outside_of_the_parts(run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="would lie among the parts"):
        run(rejects=tmp_path / "out" / "r.jsonl")


def test_malformed_records_of_a_refused_run_are_not_lost_to_one_that_sets_none_aside(run, tmp_path):
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    with pytest.raises(DataError, match=r"a\.csv|b\.jsonl"):
        run(rejects=None)
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert run().rejected == 3
    assert told(tmp_path) == REJECTED
