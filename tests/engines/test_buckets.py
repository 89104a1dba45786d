"""Scoring from and into a bucket: the bytes of a local run, nothing half done to be seen, one run at a time."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, DataError, InputMissing, ModelError, OutputRefused, UsageError
from scorer.stores.object_lease import lease_of
from scorer.stores.object_path import ObjectPath
from scorer.stores.workspace import Workspace
from tests.models import sentences
from tests.scoring.files import write
from tests.stores.buckets import Bucket, serving

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
    with pytest.raises(UsageError, match="would be part of the input"):
        score(f"{bucket.url}/f*r/", f"{bucket.url}/folder/out.csv")
    for missing in (f"{bucket.url}/none.csv", f"{bucket.url}/none/*.csv", "s3://no-such-bucket/in.csv"):
        with pytest.raises(InputMissing, match=r"no such|no file matches"):
            score(missing, tmp_path / "out.csv")
    assert bucket.objects() == ["folder/a.csv"]


def test_a_model_in_a_bucket_is_copied_once_for_each_version(
    bucket: Bucket, score: Score, tmp_path: Path, tiny_model: Any
) -> None:
    local = sent(bucket, tmp_path, "a.csv", table(1))
    model = tiny_model("bert")
    for path in model.rglob("*"):
        if path.is_file():
            bucket.put(f"models/mine/{path.relative_to(model)}", path.read_bytes())
    score(local, tmp_path / "expected.csv")
    score(local, tmp_path / "out.csv", model=f"{bucket.url}/models/mine")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    copies = tmp_path / "cache" / "scorer" / "models"
    before = {path: path.stat().st_mtime_ns for path in copies.rglob("*")}
    score(local, tmp_path / "again.csv", model=f"{bucket.url}/models/mine/")
    assert {path: path.stat().st_mtime_ns for path in copies.rglob("*")} == before
    bucket.put("models/mine/README.md", b"another")
    score(local, tmp_path / "third.csv", model=f"{bucket.url}/models/mine")
    assert len([path for path in copies.rglob("mine") if path.is_dir()]) == 2
    with pytest.raises(ModelError, match=r"models/none: nothing lies beneath this name"):
        score(local, tmp_path / "fourth.csv", model=f"{bucket.url}/models/none")


def test_other_commands_read_objects(bucket: Bucket, run_scorer: Any, tmp_path: Path, tiny_model: Any) -> None:
    rows = table(1).append_column("label", [[str(number % 5 + 1) for number in range(ROWS)]])
    (tmp_path / "data").mkdir()
    for name in ("data/a.csv", "data/b.csv"):
        sent(bucket, tmp_path, name, rows)
    model = tiny_model("bert")
    for command in (
        ["check", "{}/data", "--label-column", "label"],
        ["check", "{}/data/*.csv", "--label-column", "label"],
        ["evaluate", "{}/data/a.csv", "-m", model, "--label-column", "label"],
        ["inspect", "{}/data/a.csv"],
        ["diff", model, model, "{}/data/b.csv"],
        ["score", "{}/data", "--dry-run", "out/", "-m", model],
    ):
        here, there = (
            run_scorer(*(str(part).format(root) for part in command)) for root in (str(tmp_path), bucket.url)
        )
        assert (here.returncode, there.returncode) == (0, 0), there.stderr
        assert _same(there.stdout.replace(bucket.url, str(tmp_path))) == _same(here.stdout)
    for command in (["check", "s3://no-such-bucket/in.csv"], ["inspect", f"{bucket.url}/none.csv"]):
        told = run_scorer(*command)
        assert told.returncode == 66, told.stderr
        assert len(told.stderr.splitlines()) == 1
    refused = run_scorer("evaluate", f"{bucket.url}/data/a.csv", "-m", model, "--rows", f"{bucket.url}/rows.csv")
    assert refused.returncode == 73
    assert "outputs are local" in refused.stderr


def _same(summary: str) -> dict[str, Any]:
    """What a command said, without what is another each time."""
    found = json.loads(summary)
    return {name: value for name, value in found.items() if not any(word in name for word in ("second", "memory"))}


def test_a_key_that_is_refused_is_one_line(
    bucket: Bucket,
    refusing: None,  # noqa: ARG001
    run_scorer: Any,
    tmp_path: Path,
    tiny_model: Any,
) -> None:
    write(tmp_path / "a.csv", table(1))
    for source, target in (
        (f"{bucket.url}/a.csv", "out.csv"),
        ("a.csv", f"{bucket.url}/out.csv"),
        ("a.csv", f"{bucket.url}/out/"),
    ):
        told = run_scorer("score", source, target, "-m", tiny_model("bert"))
        assert told.returncode == 77, told.stderr
        assert len(told.stderr.splitlines()) == 1
        assert "set AWS_ACCESS_KEY_ID" in told.stderr


def test_a_store_that_cannot_be_reached_is_one_line(
    bucket: Bucket, run_scorer: Any, tmp_path: Path, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.csv", table(1))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    for source, target in ((f"{bucket.url}/a.csv", "out.csv"), ("a.csv", f"{bucket.url}/out.csv")):
        told = run_scorer("score", source, target, "-m", tiny_model("bert"))
        assert told.returncode == 74, told.stderr
        assert len(told.stderr.splitlines()) == 1
        assert "cannot be reached" in told.stderr


def test_a_file_on_a_web_server(score: Score, tmp_path: Path, run_scorer: Any) -> None:
    write(tmp_path / "a.csv", table(1))
    score(tmp_path / "a.csv", tmp_path / "expected.csv")
    with served(tmp_path) as address:
        score(f"{address}/a.csv", tmp_path / "out.csv")
        assert run_scorer("inspect", f"{address}/none.csv").returncode == 66
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server that gives ranges, as any of them does."""

    class Ranges(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path[1:]
            if not path.is_file():
                self.send_error(404)
                return
            content = path.read_bytes()
            begin, end = 0, len(content)
            if asked := self.headers.get("Range"):
                first, last = asked.removeprefix("bytes=").split("-")
                begin, end = int(first), int(last) + 1
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[begin:end])

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Ranges)) as address:
        yield address
