"""Scoring from and into a bucket: the bytes of a local run, nothing half done to be seen, one run at a time."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, DataError, InputMissing, OutputRefused, UsageError
from scorer.stores.object_lease import lease_of
from scorer.stores.object_path import ObjectPath
from scorer.stores.workspace import Workspace
from tests.models import sentences
from tests.scoring.files import write
from tests.stores.buckets import Bucket

ROWS = 40
# A row is computed alone, so that its logits do not depend on who is with it.
ALONE: dict[str, Any] = {"precision": "fp32", "batch_tokens": 1}

Score = Callable[..., ScoreSummary]


def table(number: int, rows: int = ROWS) -> pa.Table:
    return pa.table({"id": range(rows), "text": [f"{text} {number}" for text in sentences(rows, seed=number)]})


@pytest.fixture
def score(bucket: Bucket, tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:  # noqa: ARG001
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def score(source: str | Path, target: str | Path, **options: Any) -> ScoreSummary:
        return scorer.score(source, target, **{"model": tiny_model("bert"), **ALONE} | options)

    return score


def sent(bucket: Bucket, folder: Path, name: str, rows: pa.Table) -> Path:
    """The `rows` as a file here and as an object of the same bytes."""
    path = write(folder / name.removesuffix(".gz"), rows)
    if name.endswith(".gz"):
        path = folder / name
        path.write_bytes(gzip.compress((folder / name.removesuffix(".gz")).read_bytes()))
    bucket.put(name, path.read_bytes())
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.arrow", "a.csv.gz"])
def test_an_object_gets_the_bytes_of_a_file(bucket: Bucket, score: Score, tmp_path: Path, name: str) -> None:
    local = sent(bucket, tmp_path, name, table(1))
    assert score(local, tmp_path / f"out-{name}").rows == ROWS
    summary = score(f"{bucket.url}/{name}", f"{bucket.url}/deep/out-{name}")
    assert (summary.rows, summary.output) == (ROWS, f"{bucket.url}/deep/out-{name}")
    assert bucket.objects() == [name, f"deep/out-{name}"]
    ours, theirs = bucket.get(f"deep/out-{name}"), (tmp_path / f"out-{name}").read_bytes()
    if name.endswith("parquet"):  # the footer tells of the input's identity, which is a token there
        assert pq.read_table(io.BytesIO(ours)).equals(pq.read_table(io.BytesIO(theirs)))
    else:
        assert ours == theirs
    assert bucket.unfinished() == 0
    assert not Workspace.path_of(ObjectPath.of(f"{bucket.url}/deep/out-{name}")).exists()


def test_a_finished_object_is_recognised_until_its_input_changes(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    sent(bucket, tmp_path, "a.parquet", table(1))
    source, target = f"{bucket.url}/a.parquet", f"{bucket.url}/out.parquet"
    assert not score(source, target).finished_before
    assert score(source, target).finished_before
    sent(bucket, tmp_path, "a.parquet", table(2))
    with pytest.raises(OutputRefused, match=r"out.parquet: exists, and another job wrote it; --force replaces it"):
        score(source, target)
    assert not score(source, target, force=True).finished_before
    bucket.put("strange.csv", b"mine")
    with pytest.raises(OutputRefused, match="cannot tell what wrote it"):
        score(source, f"{bucket.url}/strange.csv")
    assert bucket.get("strange.csv") == b"mine"


def test_from_a_bucket_to_this_machine_and_back(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    local = sent(bucket, tmp_path, "a.csv", table(1))
    score(f"{bucket.url}/a.csv", tmp_path / "here.csv")
    score(local, f"{bucket.url}/there.csv")
    assert bucket.get("there.csv") == (tmp_path / "here.csv").read_bytes()


def test_a_lease_keeps_other_runs_out(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    sent(bucket, tmp_path, "a.csv", table(1))
    with lease_of(ObjectPath.of(f"{bucket.url}/out.csv")):
        with pytest.raises(Busy, match=rf"{bucket.url}/out.csv: process [0-9]+ on .* is writing this output"):
            score(f"{bucket.url}/a.csv", f"{bucket.url}/out.csv")
        assert score(f"{bucket.url}/a.csv", f"{bucket.url}/other.csv").rows == ROWS
    assert bucket.objects() == ["a.csv", "other.csv"]
    assert score(f"{bucket.url}/a.csv", f"{bucket.url}/out.csv").rows == ROWS


def test_limits_keep_an_object_from_appearing(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    sent(bucket, tmp_path, "a.parquet", table(1))
    with pytest.raises(DataError):
        score(f"{bucket.url}/a.parquet", f"{bucket.url}/out.parquet", min_rows=ROWS + 1)
    assert bucket.objects() == ["a.parquet"]


def test_what_is_refused_before_anything_is_computed(bucket: Bucket, score: Score, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    sent(bucket, tmp_path, "folder/a.csv", table(1))
    source = f"{bucket.url}/folder/a.csv"
    for target, error, told in (
        (source, UsageError, "is the input itself"),
        (f"{bucket.url}", UsageError, "is the folder of the input"),
        (f"{bucket.url}/folder/", UsageError, "is the folder of the input"),
        ("s3://no-such-bucket/out.csv", OutputRefused, "s3://no-such-bucket: no such bucket"),
    ):
        with pytest.raises(error, match=told):
            score(source, target)
    with pytest.raises(UsageError, match="would be part of the input"):
        score(f"{bucket.url}/folder/*.csv", f"{bucket.url}/folder/out.csv")
    for missing in (f"{bucket.url}/none.csv", f"{bucket.url}/none/*.csv", "s3://no-such-bucket/in.csv"):
        with pytest.raises(InputMissing, match=r"no such|no file matches"):
            score(missing, tmp_path / "out.csv")
    assert bucket.objects() == ["folder/a.csv"]
