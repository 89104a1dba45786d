"""A folder that grows: each row is in its part once, scored by the right model, whatever changed and whoever died."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, DataError, OutputRefused, UsageError
from scorer.scoring.finished_shards import FinishedShards
from scorer.scoring.folder_output import FolderOutput
from scorer.stores.location import Location
from tests.models import sentences

FILES = 12
ROWS = 9
# A row is computed alone, so that its logits do not depend on who is with it.
ALONE: dict[str, Any] = {"precision": "fp32", "batch_tokens": 1}


def table(number: int, rows: int = ROWS, *, first: int = 0) -> pa.Table:
    texts = sentences(rows, seed=number)
    return pa.table({"id": range(first, first + rows), "text": [f"{text} {number}" for text in texts]})


def write(path: Path, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pc.write_csv(rows, path)
    else:
        pq.write_table(rows, path)


def fill(folder: Path, files: int = FILES) -> None:
    for number in range(files):
        ending = ".csv" if number % 3 == 0 else ".parquet"
        write(folder / f"day={number % 4}" / f"part-{number:02}{ending}", table(number))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    fill(tmp_path / "in")
    return tmp_path / "in"


@pytest.fixture
def model(tiny_model) -> Path:
    return tiny_model("bert")


@pytest.fixture
def run(source: Path, tmp_path: Path, model: Path) -> Callable[..., ScoreSummary]:
    def run(target: str = "out/", **options: Any) -> ScoreSummary:
        return scorer.score(source, f"{tmp_path}/{target}", **{"model": model, **ALONE} | options)

    return run


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader sees of an output."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".")}


def parts(summary: ScoreSummary) -> dict[str, Any]:
    assert summary.parts is not None
    return summary.parts


def test_each_file_has_a_part_with_the_bytes_of_a_job_of_its_own(run, source, tmp_path, model):
    summary = run()
    assert (summary.rows, parts(summary)["scored"]) == (FILES * ROWS, FILES)
    out = seen(tmp_path / "out")
    names = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert out.keys() == names | {"_SUCCESS", "_manifest.json"}
    for name in names:
        alone = tmp_path / f"alone{Path(name).suffix}"
        scorer.score(source / name, alone, model=model, force=True, **ALONE)
        assert out[name] == alone.read_bytes(), name
    manifest = json.loads(out["_manifest.json"])
    assert [part["name"] for part in manifest["parts"]] == sorted(names)
    assert manifest["totals"]["rows"] == FILES * ROWS


def test_a_second_run_has_nothing_to_do(run, tmp_path):
    run()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name != "lock"}
    again = run()
    assert again.finished_before
    assert parts(again) == {"current": FILES, "scored": 0, "failed": 0, "input_deleted": 0, "stale": {}}
    assert again.rows == FILES * ROWS
    unstamped = {path: time_ for path, time_ in before.items() if path.name not in ("stamps", ".scorer")}
    assert {path: path.stat().st_mtime_ns for path in unstamped} == unstamped


def append(source: Path) -> None:
    write(source / "day=0" / "part-00.csv", pa.concat_tables([table(0), table(50, first=ROWS)]))


def rewrite_in_the_same_layout(source: Path) -> None:
    path = source / "day=1" / "part-01.parquet"
    times = path.stat()
    rows = pq.read_table(path)
    texts = rows["text"].to_pylist()
    texts[0], texts[1] = texts[1], texts[0]
    write(path, rows.set_column(1, "text", pa.array(texts)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def touch(source: Path) -> None:
    os.utime(source / "day=2" / "part-02.parquet")


def rename(source: Path) -> None:
    (source / "day=1" / "part-01.parquet").rename(source / "day=1" / "renamed.parquet")


def delete(source: Path) -> None:
    (source / "day=1" / "part-01.parquet").unlink()


def truncate(source: Path) -> None:
    write(source / "day=0" / "part-00.csv", table(0, ROWS - 4))


def flip_a_bit(source: Path) -> None:
    path = source / "day=0" / "part-00.csv"
    content = bytearray(path.read_bytes())
    place = content.rindex(b"0")
    content[place] ^= 1
    path.write_bytes(content)


def late_partition(source: Path) -> None:
    write(source / "day=9" / "part-99.parquet", table(99))


def another_schema(source: Path) -> None:
    path = source / "day=1" / "part-01.parquet"
    write(path, pq.read_table(path).append_column("extra", pa.array(range(ROWS))))


CHANGES: dict[str, tuple[Callable[[Path], None], int]] = {
    "append": (append, 1),
    "rewrite": (rewrite_in_the_same_layout, 1),
    "touch": (touch, 0),
    "rename": (rename, 1),
    "delete": (delete, 0),
    "truncate": (truncate, 1),
    "flip": (flip_a_bit, 1),
    "late partition": (late_partition, 1),
    "schema": (another_schema, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_folder_is_that_of_a_fresh_run(run, source, tmp_path, change):
    run(mirror=True)
    alter, stale = CHANGES[change]
    alter(source)
    summary = run(mirror=True)
    assert parts(summary)["scored"] == stale
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")
    assert parts(run())["scored"] == 0


@pytest.mark.parametrize("option", [{"probabilities": True}, {"prefix": "p_"}, {"max_length": 12}])
def test_another_option_makes_every_part_anew_and_computes_no_logit_twice(run, tmp_path, option):
    run()
    summary = run(**option)
    assert parts(summary)["stale"] == {"another job": FILES}
    assert (summary.computed_tokens == 0) == ("max_length" not in option)
    run("fresh/", **option)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_another_model_makes_every_part_anew(run, tmp_path, tiny_model):
    run()
    other = tiny_model("bert", seed=5)
    summary = run(model=other)
    assert parts(summary)["stale"] == {"another job": FILES}
    run("fresh/", model=other)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_only_changed_rows_are_computed(run, source):
    first = run()
    append(source)
    summary = run()
    assert parts(summary)["stale"] == {"another input": 1}
    assert summary.rows == first.rows + ROWS
    assert 0 < summary.computed_tokens < first.tokens / FILES * 2
    assert summary.reused_rows == ROWS


def test_a_part_that_somebody_changed_or_deleted_is_made_again(run, tmp_path):
    run()
    before = seen(tmp_path / "out")
    path = tmp_path / "out" / "day=0" / "part-00.csv"
    path.write_bytes(path.read_bytes()[:-3] + b"9\r\n")
    (tmp_path / "out" / "day=1" / "part-01.parquet").unlink()
    summary = run()
    assert parts(summary)["stale"] == {"the part is gone or changed": 2}
    assert seen(tmp_path / "out") == before


def test_the_part_of_a_deleted_file_is_kept_and_told_of(run, source, tmp_path, capsys):
    run()
    delete(source)
    summary = run(quiet=False)
    assert parts(summary)["input_deleted"] == 1
    assert "--mirror deletes" in capsys.readouterr().err
    assert summary.rows == (FILES - 1) * ROWS
    assert (tmp_path / "out/day=1/part-01.parquet").exists()
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    assert manifest["input_deleted"] == ["day=1/part-01.parquet"]
    run(mirror=True)
    assert not (tmp_path / "out/day=1/part-01.parquet").exists()


def test_a_corrupt_file_fails_the_job_or_is_passed_over_until_it_is_replaced(run, source, tmp_path):
    path = source / "day=1" / "part-05.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="part-05"):
        run()
    for _ in range(2):
        with pytest.raises(DataError, match=r"part-05.*all others are"):
            run(on_error="quarantine")
        manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
        assert list(manifest["failed"]) == ["day=1/part-05.parquet"]
        assert len(manifest["parts"]) == FILES - 1
        assert not (tmp_path / "out/_SUCCESS").exists()
    path.write_bytes(whole)
    assert parts(run(on_error="quarantine"))["scored"] == 1
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_a_file_whose_fault_shows_late_does_not_stop_those_beside_it(run, source, tmp_path):
    path = source / "day=0" / "part-00.csv"
    path.write_bytes(path.read_bytes() + b'8,"never closed\n')
    with pytest.raises(DataError, match="part-00"):
        run(on_error="quarantine")
    assert len(seen(tmp_path / "out")) == FILES - 1 + 1


def test_limits_hold_for_the_whole_folder_before_anything_is_seen(run, source, tmp_path):
    write(source / "day=0" / "nulls.parquet", pa.table({"id": range(50), "text": pa.nulls(50, pa.string())}))
    with pytest.raises(DataError, match="--max-flagged"):
        run(max_flagged="10%")
    assert seen(tmp_path / "out") == {}
    summary = run(max_flagged="40%")
    assert (summary.rows, summary.statuses["null"]) == (FILES * ROWS + 50, 50)
    assert summary.computed_tokens == 0
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_what_a_refused_run_had_finished_counts_for_the_run_that_publishes_it(run):
    with pytest.raises(DataError, match=r"--min-rows asks for 1000; nothing was published$"):
        run(min_rows=1000)
    published = run()
    assert (published.finished_before, published.computed_tokens) == (False, 0)
    assert (parts(published)["scored"], parts(published)["current"]) == (FILES, 0)
    again = run()
    assert (again.finished_before, parts(again)["scored"], parts(again)["current"]) == (True, 0, FILES)


def test_what_a_limit_refused_is_published_by_no_run_of_another_job(run, source, tmp_path, tiny_model):
    other = tiny_model("bert", seed=7)
    with pytest.raises(DataError, match="nothing was published"):
        run(model=other, min_rows=1000)
    corrupt = source / "day=1" / "corrupt.parquet"
    corrupt.write_bytes(b"junk")
    with pytest.raises(DataError, match=r"corrupt\.parquet"):
        run()
    assert seen(tmp_path / "out") == {}
    corrupt.unlink()
    found = run()
    assert parts(found) | {"stale": {"new": FILES}, "scored": FILES, "current": 0} == parts(found)
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_what_was_computed_for_a_refused_job_is_known_to_another_one(run):
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    found = run(token_count=True)
    assert (found.computed_tokens, parts(found)["scored"]) == (0, FILES)


def test_a_run_that_only_deletes_parts_has_not_finished_before(run, source):
    run()
    (source / "day=0" / "part-00.csv").unlink()
    assert run().finished_before
    assert not run(mirror=True).finished_before
    assert run(mirror=True).finished_before


def test_a_limit_that_refuses_what_stands_says_that_it_stands(run, source, tmp_path):
    run()
    before = seen(tmp_path / "out")
    with pytest.raises(DataError, match=rf"--min-rows asks for 1000; {tmp_path}/out/ stands from an earlier run$"):
        run(min_rows=1000)
    append(source)
    with pytest.raises(DataError, match=r"--min-rows asks for 1000; nothing was published$"):
        run(min_rows=1000)
    assert seen(tmp_path / "out") == before


def test_empty_files_of_text_are_passed_over_and_told(run, source):
    (source / "day=1" / "part-98.csv").write_bytes(b"")
    with gzip.open(source / "day=1" / "part-99.jsonl.gz", "wb"):
        pass
    summary = run()
    assert (summary.rows, parts(summary)["scored"]) == (FILES * ROWS, FILES)
    assert summary.unread_files["count"] == 2
    assert run().finished_before
    for path in source.rglob("*.parquet"):
        path.unlink()
    for path in source.rglob("*.csv"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"part-00\.csv: the file is empty"):
        run("none/")


@pytest.mark.parametrize("mirror", [False, True])
def test_a_part_whose_file_is_empty_now_stays_and_the_file_is_at_fault(run, source, tmp_path, mirror):
    run()
    before = seen(tmp_path / "out")
    emptied = source / "day=0" / "part-00.csv"
    content = emptied.read_bytes()
    emptied.write_bytes(b"")
    with pytest.raises(DataError, match=r"part-00\.csv: the file is empty"):
        run(mirror=mirror)
    with pytest.raises(DataError, match=r"part-00\.csv could not be scored, all others are"):
        run(mirror=mirror, on_error="quarantine")
    assert seen(tmp_path / "out")["day=0/part-00.csv"] == before["day=0/part-00.csv"]
    emptied.write_bytes(content)
    run(mirror=mirror)
    assert seen(tmp_path / "out") == before


def test_a_folder_whose_first_run_was_refused_can_be_inspected(run, run_scorer, tmp_path):
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    told = json.loads(run_scorer("inspect", f"{tmp_path}/out").stdout)
    assert (told["kind"], told["parts"], told["under_way"]) == ("folder", 0, True)


def test_who_only_looks_at_a_folder_leaves_its_journal_as_it_is(run, run_scorer, tmp_path):
    """A line may be about to be written."""
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    journal = tmp_path / "out" / ".scorer" / "journal"
    with journal.open("ab") as stream:
        stream.write(b'{"finished": "half a li')
    before = journal.read_bytes()
    run_scorer("inspect", f"{tmp_path}/out")
    assert journal.read_bytes() == before
    assert run().computed_tokens == 0


def test_what_no_run_wrote_is_not_replaced_without_force(run, tmp_path):
    stranger = tmp_path / "out" / "day=0" / "part-00.csv"
    write(stranger, table(7))
    with pytest.raises(OutputRefused, match="--force"):
        run()
    assert parts(run(force=True))["scored"] == FILES


def test_one_run_at_a_time(run, tmp_path):
    held = FolderOutput.open(Location.of_output(f"{tmp_path}/out"))
    with pytest.raises(Busy):
        run()
    held.close()
    assert parts(run())["scored"] == FILES


def test_parts_are_called_as_their_files_but_for_what_is_not_written(tmp_path, model):
    import bz2

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv.bz2").write_bytes(bz2.compress(b"text\ngood\n"))
    (tmp_path / "in" / "b.jsonl").write_text('{"text": "good"}\n')
    (tmp_path / "in" / "c.txt").write_text("good\nbad\n")
    scorer.score(f"{tmp_path}/in/a*", f"{tmp_path}/a/", model=model, **ALONE)
    assert "a.csv" in seen(tmp_path / "a")
    scorer.score(f"{tmp_path}/in/b*", f"{tmp_path}/b/", model=model, output_format="parquet", **ALONE)
    assert pq.read_table(tmp_path / "b" / "b.parquet").column_names[0] == "text"
    scorer.score(f"{tmp_path}/in/c*", f"{tmp_path}/c/", model=model, input_format="lines", **ALONE)
    assert pq.read_table(tmp_path / "c" / "c.txt.parquet").num_rows == 2
    (tmp_path / "in" / "b.parquet").write_bytes((tmp_path / "c" / "c.txt.parquet").read_bytes())
    with pytest.raises(UsageError, match="called as that of"):
        scorer.score(f"{tmp_path}/in/b*", f"{tmp_path}/d/", model=model, output_format="parquet", **ALONE)


def test_an_output_among_the_inputs_is_refused(source, model):
    with pytest.raises(UsageError, match="part of the input"):
        scorer.score(source, f"{source}/out/", model=model, **ALONE)


def test_processes_make_the_same_bytes(run, tmp_path):
    summary = run(window_rows=8)
    several = run("several/", workers=2, window_rows=8)
    assert seen(tmp_path / "several") == seen(tmp_path / "out")
    counted = ("rows", "statuses", "tokens", "computed_tokens", "reused_rows", "parts")
    assert [several.as_dict()[name] for name in counted] == [summary.as_dict()[name] for name in counted]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(run_scorer, run, source, tmp_path, model):
    asked = ("score", str(source), f"{tmp_path}/out/", "-m", str(model), "--precision", "fp32", "--batch-tokens", "1")
    told = json.loads(run_scorer(*asked, "--dry-run").stdout)
    assert (told["parts"]["stale"], (tmp_path / "out").exists()) == ({"new": FILES}, False)
    run()
    append(source)
    before = seen(tmp_path / "out")
    told = json.loads(run_scorer(*asked, "--dry-run").stdout)
    assert told["parts"]["stale"] == {"another input": 1}
    assert told["first"] == {"another input": ["day=0/part-00.csv"]}
    assert seen(tmp_path / "out") == before


def test_a_folder_is_inspected(run_scorer, run, source, tmp_path):
    run()
    append(source)
    delete(source)
    (tmp_path / "out" / "day=2" / "part-02.parquet").unlink()
    told = json.loads(run_scorer("inspect", f"{tmp_path}/out").stdout)
    assert (told["kind"], told["parts"], told["totals"]["rows"]) == ("folder", FILES, FILES * ROWS)
    assert sum(job["parts"] for job in told["jobs"]) == FILES
    assert told["input"]["day=1/part-01.parquet"] == "gone"
    assert told["input"]["day=0/part-00.csv"] == "changed, or only touched"
    assert told["damaged"] == ["day=2/part-02.parquet"]


def test_a_stream_has_no_part(run_scorer, tmp_path, model):
    (tmp_path / "out").mkdir()
    ran = run_scorer("score", "-", str(tmp_path / "out"), "-m", str(model), stdin="text\ngood\n")
    assert ran.returncode == 2
    assert "a stream has no name" in ran.stderr


@pytest.mark.parametrize("options", [{}, {"max_flagged": "50%"}, {"prefix": "p_"}, {"prefix": "p_", "min_rows": 1}])
def test_parts_that_a_killed_run_had_published_are_its_own(run, tmp_path, options):
    """A run that was killed between the names of its parts and the line in the journal that says so."""
    run()
    out = tmp_path / "out"
    manifest = json.loads((out / "_manifest.json").read_text())
    temporary = {part["name"]: f"part-{place}" for place, part in enumerate(manifest["parts"])}
    entry = {"finished": "s", "records": manifest["parts"], "temporary": temporary, "jobs": manifest["jobs"]}
    entry["waits"] = False
    for name in ("_manifest.json", "_SUCCESS", ".scorer/stamps"):
        (out / name).unlink()
    (out / ".scorer" / "journal").write_text(json.dumps(entry) + "\n")
    again = run(**options)
    assert parts(again)["scored"] == FILES
    assert again.computed_tokens == 0
    run("fresh/", **options)
    assert seen(out) == seen(tmp_path / "fresh")


def test_a_part_that_was_published_and_then_changed_does_not_pass_for_the_finished_one(run, tmp_path):
    run()
    out = tmp_path / "out"
    manifest, before = json.loads((out / "_manifest.json").read_text()), seen(out)
    temporary = {part["name"]: "gone" for part in manifest["parts"]}
    entry = {"finished": "s", "records": manifest["parts"], "temporary": temporary, "jobs": manifest["jobs"]}
    entry["waits"] = False
    for name in ("_manifest.json", "_SUCCESS", ".scorer/stamps"):
        (out / name).unlink()
    (out / ".scorer" / "journal").write_text(json.dumps(entry) + "\n")
    path = out / "day=0" / "part-00.csv"
    path.write_bytes(path.read_bytes()[:-3] + b"9\r\n")
    assert parts(run())["stale"] == {"the part is gone or changed": 1}
    assert seen(out) == before


def test_without_reuse_nothing_is_left_of_the_work(run, tmp_path):
    run(reuse=False)
    assert not list((tmp_path / "out" / ".scorer" / "shards").iterdir())
    assert not list((tmp_path / "out" / ".scorer").glob("scores*"))


def test_a_cache_in_the_model_is_refused(run, model):
    with pytest.raises(UsageError, match="lies inside the model"):
        run(cache=model / "cache")


def kill_at_random(source: Path, target: Path, model: Path, seconds: random.Random) -> int:
    """Start the job, kill it after a moment; its exit code."""
    command = [sys.executable, "-m", "scorer", "score", str(source), f"{target}/", "-m", str(model)]
    command += ["--precision", "fp32", "--batch-tokens", "1", "--mirror"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (target / ".scorer" / "journal").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(seconds.uniform(0.0, 0.3))
    process.send_signal(signal.SIGKILL)
    return process.wait()


def check_after_kills(source: Path, tmp_path: Path, model: Path, *, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    target = tmp_path / "out"
    codes = [kill_at_random(source, target, model, chance) for _ in range(kills)]
    assert -signal.SIGKILL in codes
    scorer.score(source, f"{target}/", model=model, mirror=True, **ALONE)
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
    scorer.score(source, f"{tmp_path}/fresh/", model=model, **ALONE)
    assert seen(target) == seen(tmp_path / "fresh")
    assert not list(target.rglob("*.new"))


def test_killed_at_random_moments(source, tmp_path, model):
    fill(source, 60)
    check_after_kills(source, tmp_path, model, kills=3, seed=1)


def test_totals_are_those_of_all_parts_when_an_input_comes_back(run, run_scorer, source, tmp_path):
    run()
    path = source / "day=0" / "part-00.csv"
    path.rename(tmp_path / "aside.csv")
    assert run().rows == (FILES - 1) * ROWS
    told = json.loads(run_scorer("inspect", f"{tmp_path}/out").stdout)
    assert (told["parts"], told["totals"]["rows"]) == (FILES, FILES * ROWS)
    (tmp_path / "aside.csv").rename(path)
    for _ in range(2):
        found = run(min_rows=FILES * ROWS)
        assert (found.rows, found.statuses) == (FILES * ROWS, {"ok": FILES * ROWS})
    assert json.loads((tmp_path / "out" / "_manifest.json").read_text())["totals"]["rows"] == FILES * ROWS


def test_the_journal_of_an_earlier_version_is_gone_on_from(run, tmp_path):
    """It names parts without their jobs, and does not say what waits for limits."""
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    journal = tmp_path / "out" / ".scorer" / "journal"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    for entry in entries:
        entry.pop("waits", None)
        if "plan" in entry:
            entry["plan"] = [[name for name, _ in group] for group in entry["plan"]]
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = run()
    assert (found.computed_tokens, parts(found)["scored"]) == (0, FILES)
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def finished_and_not_published(run: Callable[..., ScoreSummary], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run leaves that was killed between the two."""
    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, "publish", lambda *_args, **_named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run()
    assert seen(out) == {}


def test_what_an_interrupted_run_had_finished_is_held_back_once_it_was_refused(run, source, tmp_path, monkeypatch):
    finished_and_not_published(run, tmp_path / "out", monkeypatch)
    with pytest.raises(DataError, match="nothing was published"):
        run(min_rows=1000)
    (source / "day=1" / "corrupt.parquet").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"corrupt\.parquet"):
        run(token_count=True)
    assert seen(tmp_path / "out") == {}


def test_a_file_that_was_emptied_after_its_part_was_finished_is_at_fault(run, source, tmp_path, monkeypatch):
    finished_and_not_published(run, tmp_path / "out", monkeypatch)
    (source / "day=0" / "part-00.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"part-00\.csv: the file is empty"):
        run(mirror=True)
    assert (tmp_path / "out" / "day=0" / "part-00.csv").exists()


def test_what_goes_on_sees_what_the_interrupted_run_saw(run, monkeypatch):
    """Scores of shards that it had published are added to the known ones at the end."""
    from scorer.engines import folder_run

    merged: list[str] = []
    monkeypatch.setattr(folder_run, "merge_scores", lambda sources, _folder: merged.extend(map(str, sources)))
    monkeypatch.setattr("scorer.engines.planned_shards._BYTES_OF_A_ROW", 0)
    publish, done = FolderOutput.publish, []

    def killed(self: FolderOutput, shard: str, **inputs: Any) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        publish(self, shard, **inputs)
        done.append(shard)

    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert merged == []
    scored, begun = FinishedShards.add, []

    def watched(self: FinishedShards, *arguments: Any, **named: Any) -> None:
        begun.append(list(merged))
        scored(self, *arguments, **named)

    monkeypatch.setattr(FinishedShards, "add", watched)
    run()
    assert begun
    assert all(found == [] for found in begun)
    assert len(merged) == FILES


def test_each_file_is_scored_by_its_own_column_of_texts(tmp_path, tiny_model):
    """Also where a window holds rows of one file of several that are scored together."""
    folder = tmp_path / "columns"
    write(folder / "a.parquet", table(1, 5).rename_columns(["id", "review"]))
    write(folder / "b.parquet", table(2, 25))
    write(folder / "c.parquet", table(3, 25).rename_columns(["id", "comment"]))
    model = tiny_model("bert")
    for options in ({"window_rows": 10}, {"window_rows": 65_536}):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        scorer.score(folder, f"{tmp_path}/out/", model=model, **ALONE, **options)
        for name in ("a", "b", "c"):
            alone = tmp_path / "alone.parquet"
            scorer.score(folder / f"{name}.parquet", alone, model=model, force=True, **ALONE)
            found, expected = (pq.read_table(path) for path in (tmp_path / "out" / f"{name}.parquet", alone))
            assert found.equals(expected), (name, options)


def test_a_file_that_is_not_what_was_written_is_not_published(run, tmp_path, monkeypatch):
    finish = FinishedShards.add

    def cut(self: FinishedShards, shard: str, records: Any, **named: Any) -> None:
        finish(self, shard, records, **named)
        for path in (tmp_path / "out" / ".scorer" / "shards").rglob("part-0"):
            path.write_bytes(path.read_bytes()[:-9])

    with monkeypatch.context() as patch:
        patch.setattr(FinishedShards, "add", cut)
        with pytest.raises(DataError, match="bytes, where"):
            run()
    assert not (tmp_path / "out" / "day=0" / "part-00.csv").exists()
    found = run()
    assert (parts(found)["scored"], found.computed_tokens) == (FILES, 0)
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")
