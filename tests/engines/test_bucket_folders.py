"""A place in a bucket as a folder of parts: what is new or changed is scored and nothing else, whoever was killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import DataError, OutputRefused
from scorer.scoring.folder_output import FolderOutput
from scorer.stores.object_path import ObjectPath
from tests.models import sentences
from tests.stores.buckets import Bucket

FILES = 6
ROWS = 7
# A row is computed alone, so that its logits do not depend on who is with it.
ALONE: dict[str, Any] = {"precision": "fp32", "batch_tokens": 1}

Run = Callable[..., ScoreSummary]


def table(number: int, rows: int = ROWS) -> pa.Table:
    return pa.table({"id": range(rows), "text": [f"{text} {number}" for text in sentences(rows, seed=number)]})


def content(name: str, rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pc.write_csv(rows, sink) if name.endswith(".csv") else pq.write_table(rows, sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def names(bucket: Bucket, tmp_path: Path) -> list[str]:
    """The files of a folder, here as `in/` and in the bucket as `in/`."""
    made = [f"day={number % 3}/part-{number}{'.csv' if number % 2 else '.parquet'}" for number in range(FILES)]
    for number, name in enumerate(made):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, table(number)))
        bucket.put(f"in/{name}", path.read_bytes())
    return made


@pytest.fixture
def run(bucket: Bucket, tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(source: str = "", target: str = "", **options: Any) -> ScoreSummary:
        given = {"model": tiny_model("bert"), **ALONE} | options
        return scorer.score(source or f"{bucket.url}/in", target or f"{bucket.url}/out/", **given)

    return run


def parts(summary: ScoreSummary) -> dict[str, Any]:
    assert summary.parts is not None
    return summary.parts


def data(bucket: Bucket, folder: str = "out") -> dict[str, bytes]:
    """What a reader sees with a glob, by the names of the parts."""
    keys = (key for key in bucket.objects(f"{folder}/") if not key.rpartition("/")[2].startswith("_"))
    return {key.removeprefix(f"{folder}/"): bucket.get(key) for key in keys}


def texts_of(name: str, found: bytes) -> list[str]:
    read = pc.read_csv(pa.BufferReader(found)) if name.endswith(".csv") else pq.read_table(pa.BufferReader(found))
    return read["text"].to_pylist()


def test_parts_have_the_rows_of_a_local_run(bucket: Bucket, run: Run, names: list[str], tmp_path: Path) -> None:
    summary = run()
    assert (summary.rows, parts(summary)["scored"]) == (FILES * ROWS, FILES)
    run(str(tmp_path / "in"), f"{tmp_path}/out/")
    for name in names:
        ours, theirs = bucket.get(f"out/{name}"), (tmp_path / "out" / name).read_bytes()
        assert texts_of(name, ours) == texts_of(name, theirs)
        if name.endswith(".csv"):
            assert ours == theirs
        else:
            assert pq.read_table(pa.BufferReader(ours)).equals(pq.read_table(pa.BufferReader(theirs)))
    assert bucket.objects("out/") == sorted([*(f"out/{name}" for name in names), "out/_SUCCESS", "out/_manifest.json"])
    manifest = json.loads(bucket.get("out/_manifest.json"))
    assert [part["name"] for part in manifest["parts"]] == sorted(names)
    assert [key for key in bucket.objects() if "lease" in key] == []


def test_workers_write_what_one_process_writes(bucket: Bucket, run: Run, names: list[str]) -> None:
    run()
    run(target=f"{bucket.url}/two/", workers=2)
    assert data(bucket, "two") == data(bucket)
    assert data(bucket).keys() == set(names)


def test_a_second_run_computes_what_changed_and_nothing_else(bucket: Bucket, run: Run, names: list[str]) -> None:
    run()
    before = data(bucket)
    again = run()
    assert again.finished_before
    assert parts(again) == {"current": FILES, "scored": 0, "failed": 0, "input_deleted": 0, "stale": {}}
    bucket.put(f"in/{names[0]}", content(names[0], table(20, ROWS + 3)))
    bucket.put("in/day=9/late.csv", content("late.csv", table(21)))
    bucket.delete(f"out/{names[1]}")
    bucket.put(f"out/{names[2]}", b"not what was written")
    bucket.delete(f"in/{names[3]}")
    third = run(mirror=True)
    assert parts(third)["stale"] == {"another input": 1, "new": 1, "the part is gone or changed": 2}
    after = data(bucket)
    assert after.keys() == {*names, "day=9/late.csv"} - {names[3]}
    assert {name for name in names if after.get(name) == before[name]} == {names[number] for number in (1, 2, 4, 5)}
    assert texts_of(names[0], after[names[0]]) == table(20, ROWS + 3)["text"].to_pylist()
    assert run().finished_before


def test_another_machine_goes_on_from_what_the_bucket_says(
    bucket: Bucket, run: Run, names: list[str], tmp_path: Path
) -> None:
    run()
    before = data(bucket)
    (tmp_path / "cache").rename(tmp_path / "cache of another")
    assert run().finished_before
    # What this machine has kept since is of an older manifest, once the other has run.
    bucket.put(f"in/{names[0]}", content(names[0], table(20)))
    run()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache of another").rename(tmp_path / "cache")
    assert run().finished_before
    assert {name for name in names if data(bucket)[name] != before[name]} == {names[0]}


def test_what_is_no_part_of_ours_is_not_replaced(bucket: Bucket, run: Run, names: list[str]) -> None:
    bucket.put(f"out/{names[0]}", b"mine")
    with pytest.raises(OutputRefused, match=rf"{bucket.url}/out/{names[0]}: exists, and scorer cannot tell"):
        run()
    assert data(bucket) == {names[0]: b"mine"}
    run(force=True)
    assert data(bucket).keys() == set(names)


@pytest.mark.usefixtures("names")
def test_marks_of_folders_are_no_files(bucket: Bucket, run: Run) -> None:
    for mark in ("in/", "in/day=0/", "in/empty/", "in/day=1_$folder$"):
        bucket.put(mark, b"")
    summary = run()
    assert (summary.rows, summary.unread_files["count"]) == (FILES * ROWS, 0)
    assert run(f"{bucket.url}/in/*/*", f"{bucket.url}/again/").rows == FILES * ROWS


def test_an_object_of_0_bytes_is_a_file_where_any_ending_is_data(bucket: Bucket, run: Run) -> None:
    said = {"source": f"{bucket.url}/plain", "input_format": "csv"}
    for name in ("part-0", "part-1"):
        bucket.put(f"plain/{name}", b"text\ngood\n")
    bucket.put("plain/sub/part-2", b"text\ngood\n")
    for mark in ("plain/sub/", "plain/gone_$folder$"):
        bucket.put(mark, b"")
    bucket.put("plain/part-3", b"")
    summary = run(**said)
    assert (summary.rows, summary.unread_files["count"]) == (3, 1)
    bucket.put("plain/part-0", b"")
    with pytest.raises(DataError, match=r"part-0: the file is empty"):
        run(**said, mirror=True)
    assert "out/part-0" in bucket.objects("out/")


def killed_before_the_manifest(run: Run, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """A run of another machine, of which nothing is left here."""
    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, "conclude", lambda *_args, **_named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(**options)
    shutil.rmtree(os.environ["XDG_CACHE_HOME"])


def test_what_a_killed_run_of_another_machine_left_is_told_and_mirrored(
    bucket: Bucket, run: Run, names: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    killed_before_the_manifest(run, monkeypatch)
    bucket.put("in/renamed.csv", bucket.get(f"in/{names[1]}"))
    bucket.delete(f"in/{names[1]}")
    bucket.put("out/somebody-elses.csv", b"text\n")
    run(f"{bucket.url}/in", f"{bucket.url}/out/inner/")
    run(f"{bucket.url}/in", f"{bucket.url}/out/day=0/", mirror=True)
    assert capfd.readouterr().err.count("left by") == 0
    assert {name for name in names if name.startswith("day=0/")} < data(bucket).keys()
    run()
    said = capfd.readouterr().err
    assert f"{names[1]}: left by a run that was killed" in said
    assert "inner" not in said
    assert names[1] in data(bucket)
    run(mirror=True)
    assert "no part of it; deleted" in capfd.readouterr().err
    assert names[1] not in data(bucket)
    assert {"somebody-elses.csv", "renamed.csv"} < data(bucket).keys()
    assert any(name.startswith("inner/") for name in data(bucket))


def test_what_somebody_copied_within_the_place_is_left_alone(
    bucket: Bucket, run: Run, names: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    run()
    place = {"Bucket": bucket.name, "Key": f"out/archive/{names[1]}"}
    bucket.client.copy_object(**place, CopySource=f"{bucket.name}/out/{names[1]}")
    assert run().finished_before
    assert not run(mirror=True).parts["input_deleted"]
    assert "left by" not in capfd.readouterr().err
    assert f"archive/{names[1]}" in data(bucket)


@pytest.mark.parametrize("mirror", [False, True])
def test_what_is_left_behind_has_no_telling_ending(
    bucket: Bucket, run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, mirror: bool
) -> None:
    said = {"source": f"{bucket.url}/plain", "input_format": "csv"}
    for name in ("part-0", "part-1"):
        bucket.put(f"plain/{name}", b"text\ngood\n")
    killed_before_the_manifest(run, monkeypatch, **said)
    bucket.delete("plain/part-1")
    summary = run(**said, mirror=mirror)
    assert ("deletes them" if not mirror else "deleted") in capfd.readouterr().err
    assert ("part-1" in data(bucket)) is not mirror
    run(**said)
    capfd.readouterr()
    again = run(**said)
    assert again.finished_before
    assert not summary.finished_before


def test_what_lies_in_the_place_is_asked_once_what_it_is(
    bucket: Bucket, run: Run, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        bucket.put(f"out/foreign-{number}.csv", b"text\n")
        bucket.put(f"out/foreign-{number}.png", b"a picture")
    asked: list[str] = []
    note = ObjectPath.note
    monkeypatch.setattr(ObjectPath, "note", lambda self: asked.append(self.name) or note(self))
    run()
    assert sum(name.startswith("foreign") for name in asked) == 5
    bucket.put("out/foreign-3.csv", b"text\nother\n")
    run()
    assert sum(name.startswith("foreign") for name in asked) == 6
    assert names


def test_files_that_a_killed_run_left_of_a_part_are_deleted(
    bucket: Bucket, run: Run, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_the_manifest(run, monkeypatch, rows_per_file=2)
    before = len(data(bucket))
    bucket.put(f"in/{names[0]}", content(names[0], table(0, 2)))
    run(rows_per_file=2)
    assert len(data(bucket)) == before - 3


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("key", ["in//a.csv", "in/./a.csv", "in/../a.csv"])
def test_an_object_without_a_name_that_can_be_said_is_named_at_once(bucket: Bucket, run: Run, key: str) -> None:
    run()
    bucket.put(key, b"text\ngood\n")
    with pytest.raises(DataError, match=rf"{bucket.url}/in: .*{re.escape(key)}.*; rename it"):
        run()


def test_limits_let_nothing_appear_and_a_corrupt_file_is_passed_over(
    bucket: Bucket, run: Run, names: list[str]
) -> None:
    with pytest.raises(DataError, match="rows"):
        run(target=f"{bucket.url}/limited/", min_rows=FILES * ROWS + 1)
    assert bucket.objects("limited/") == []
    bucket.put(f"in/{names[0]}", bucket.get(f"in/{names[0]}")[:-9])
    with pytest.raises(DataError, match=rf"{names[0]}.* could not be scored, all others are"):
        run(on_error="quarantine")
    assert data(bucket).keys() == set(names[1:])
    assert "out/_SUCCESS" not in bucket.objects("out/")


def test_inspect_tells_of_a_place_in_a_bucket(bucket: Bucket, run: Run, names: list[str], run_scorer: Any) -> None:
    run()
    bucket.put(f"in/{names[0]}", content(names[0], table(20)))
    bucket.delete(f"out/{names[1]}")
    told = run_scorer("inspect", f"{bucket.url}/out")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["kind"], found["parts"]) == ("folder", FILES)
    assert found["input"] == {names[0]: "changed, or only touched"}
    assert found["damaged"] == [names[1]]


def test_every_byte_in_a_bucket_is_verified_whatever_a_note_says(
    bucket: Bucket, run: Run, names: list[str], run_scorer: Any
) -> None:
    run()
    sound = run_scorer("inspect", f"{bucket.url}/out", "--verify")
    assert (sound.returncode, json.loads(sound.stdout)["verified"]) == (0, {"ok": True})
    there = bucket.client.get_object(Bucket=bucket.name, Key=f"out/{names[1]}")
    content = there["Body"].read()[:-1] + b"#"
    bucket.client.put_object(Bucket=bucket.name, Key=f"out/{names[1]}", Body=content, Metadata=there["Metadata"])
    assert json.loads(run_scorer("inspect", f"{bucket.url}/out").stdout)["damaged"] == []
    told = run_scorer("inspect", f"{bucket.url}/out", "--verify")
    assert (told.returncode, json.loads(told.stdout)["damaged"]) == (65, [names[1]])


def test_of_twenty_runs_at_once_one_writes(
    bucket: Bucket, names: list[str], tiny_model: Any, forked: list[str], tmp_path: Path
) -> None:
    """Each as if on a machine of its own."""
    model = str(tiny_model("bert"))

    def start(number: int) -> int:
        command = ["score", f"{bucket.url}/in", f"{bucket.url}/out/", "-m", model, "--quiet"]
        env = {**os.environ, "XDG_CACHE_HOME": f"{tmp_path}/machine-{number}", "OMP_NUM_THREADS": "1"}
        return subprocess.run([*forked, *command], env=env, capture_output=True, timeout=300, check=False).returncode

    with ThreadPoolExecutor(20) as pool:
        codes = sorted(pool.map(start, range(20)))
    # Who comes when the first is done finds that there is nothing to do.
    assert set(codes) <= {0, 75}
    assert codes[0] == 0
    assert data(bucket).keys() == set(names)
    manifest = json.loads(bucket.get("out/_manifest.json"))
    assert manifest["totals"]["rows"] == FILES * ROWS
    assert [key for key in bucket.objects() if "lease" in key] == []


def test_a_run_that_is_killed_leaves_whole_parts_and_is_gone_on_from(
    bucket: Bucket,
    run: Run,
    names: list[str],  # noqa: ARG001
    tiny_model: Any,
    forked: list[str],
    tmp_path: Path,
) -> None:
    run(target=f"{bucket.url}/whole/")
    expected = data(bucket, "whole")
    command = ["score", f"{bucket.url}/in", f"{bucket.url}/out/", "-m", str(tiny_model("bert")), "--quiet"]
    command += ["--precision", "fp32", "--batch-tokens", "1"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    killed = 0
    for delay in (0.2, 0.5, 1.0, 2.0):
        process = subprocess.Popen([*forked, *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        assert data(bucket).items() <= expected.items()
        # An operator need not wait until the lease expires.
        bucket.delete(".out.lease")
    run()
    assert data(bucket) == expected
    assert killed
    assert run().finished_before


def test_a_second_implementation_of_s3(rclone: Bucket, tiny_model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = {"model": tiny_model("bert"), **ALONE}
    for name in ("a/one.parquet", "two.csv"):
        rclone.put(f"in/{name}", content(name, table(1)))
    assert scorer.score(f"{rclone.url}/in", f"{rclone.url}/out/", **options).rows == 2 * ROWS
    again = scorer.score(f"{rclone.url}/in", f"{rclone.url}/out/", **options)
    assert (again.finished_before, parts(again)["current"]) == (True, 2)
    rclone.put("in/two.csv", content("two.csv", table(2)))
    assert parts(scorer.score(f"{rclone.url}/in", f"{rclone.url}/out/", **options))["stale"] == {"another input": 1}
    assert texts_of("two.csv", rclone.get("out/two.csv")) == table(2)["text"].to_pylist()
    assert scorer.score(f"{rclone.url}/in/two.csv", f"{rclone.url}/alone.parquet", **options).rows == ROWS


def test_parts_in_several_objects_are_those_of_a_folder(bucket, names, run, tmp_path):
    layout = {"partition_by": "tag", "rows_per_file": 2}

    def fill(tags: list[str | None]) -> None:
        for number, name in enumerate(names):
            rows = table(number)
            made = content(
                name, rows.append_column("tag", pa.array([tags[row % len(tags)] for row in range(len(rows))]))
            )
            (tmp_path / "in" / name).write_bytes(made)
            bucket.put(f"in/{name}", made)

    for tags in (["a/b", "50% ü", "x=y", None], ["a/b", "z"]):
        fill(tags)
        run(**layout)
        run(str(tmp_path / "in"), f"{tmp_path}/out/", **layout)
        files = (path for path in (tmp_path / "out").rglob("[!._]*") if path.is_file() and ".scorer" not in path.parts)
        here = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files}
        found = data(bucket)
        assert {name: texts_of(name, found[name]) for name in found} == {
            name: texts_of(name, here[name]) for name in here
        }
        assert parts(run(**layout))["stale"] == {}
