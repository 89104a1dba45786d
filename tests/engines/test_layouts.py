"""Parts in several files, by the values of columns and by numbers of rows: the same rows, whatever happens to a run."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, DataError, OutputRefused, StorageError, UsageError
from scorer.stores.parts_folder import PartsFolder
from scorer.tables.source import Source
from tests.engines.test_folder_job import ALONE, parts, seen
from tests.models import sentences

FILES = 4
ROWS = 23
LANGUAGES = ["de", "fr", None, "a/b=ü %", ""]

Run = Callable[..., ScoreSummary]


def table(number: int, rows: int = ROWS, languages: list[str | None] = LANGUAGES) -> pa.Table:
    chosen = random.Random(number)
    return pa.table(
        {
            "id": pa.array(range(number * 100, number * 100 + rows)),
            "language": pa.array([chosen.choice(languages) for _ in range(rows)], pa.string()),
            "text": [f"{text} {number}" for text in sentences(rows, seed=number)],
        }
    )


def name(number: int) -> str:
    return f"day={number % 2}/part-{number}.parquet"


def write(source: Path, number: int, rows: pa.Table) -> None:
    path = source / name(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, row_group_size=10)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(FILES):
        write(tmp_path / "in", number, table(number))
    return tmp_path / "in"


@pytest.fixture
def run(source: Path, tmp_path: Path, tiny_model) -> Run:
    def run(target: str = "out/", **options: Any) -> ScoreSummary:
        return scorer.score(source, f"{tmp_path}/{target}", **{"model": tiny_model("bert"), **ALONE} | options)

    return run


def data(folder: Path) -> list[Path]:
    """What a glob finds."""
    return sorted(path for path in folder.rglob("*.parquet") if ".scorer" not in path.parts)


def rows(folder: Path, **columns: pa.DataType) -> list[dict[str, Any]]:
    """All rows of a dataset, as pyarrow reads it, by their ids."""
    kinds = pa.schema([("day", pa.string()), *columns.items()])
    found = ds.dataset(data(folder), partitioning=ds.partitioning(kinds, flavor="hive"), partition_base_dir=str(folder))
    return sorted(found.to_table().to_pylist(), key=lambda row: row["id"])


def plain_rows(run: Run, tmp_path: Path) -> list[dict[str, Any]]:
    run("plain/")
    return rows(tmp_path / "plain")


def test_a_folder_for_each_value_holds_the_rows_in_their_order(run, tmp_path):
    summary = run(partition_by="language")
    assert (summary.rows, parts(summary)["scored"]) == (FILES * ROWS, FILES)
    out = tmp_path / "out"
    assert {path.parent.name for path in data(out)} == {
        *("language=de", "language=fr", "language=__HIVE_DEFAULT_PARTITION__", "language=a%2Fb%3Dü %25", "language="),
    }
    assert rows(out, language=pa.string()) == plain_rows(run, tmp_path)
    for path in data(out):
        ids = pq.read_table(path)["id"].to_pylist()
        assert ids == sorted(ids)
        assert "language" not in pq.read_schema(path).names
    manifest = json.loads((out / "_manifest.json").read_text())
    assert [part["name"] for part in manifest["parts"]] == sorted(map(name, range(FILES)))
    files = [file for part in manifest["parts"] for file in part["files"]]
    assert sorted(file["name"] for file in files) == [path.relative_to(out).as_posix() for path in data(out)]
    assert (out / "_SUCCESS").exists()


def test_ours_reads_the_partitions_back(run, tmp_path):
    run(partition_by="language")
    reader = Source.open(f"{tmp_path}/out").read()
    read = pa.concat_tables(reader.windows(max_rows=1000, max_bytes=1 << 20))
    by_id = dict(zip(read["id"].to_pylist(), read["language"].to_pylist(), strict=True))
    assert by_id == {row["id"]: row["language"] for number in range(FILES) for row in table(number).to_pylist()}


def test_files_of_so_many_rows(run, tmp_path):
    run(rows_per_file=10)
    out = tmp_path / "out"
    assert [path.name for path in data(out)][:3] == [
        "part-0-00000.parquet",
        "part-0-00001.parquet",
        "part-0-00002.parquet",
    ]
    assert [pq.read_metadata(path).num_rows for path in data(out)] == [10, 10, 3] * FILES
    assert rows(out) == plain_rows(run, tmp_path)


@pytest.mark.parametrize(
    "layout",
    [{"rows_per_file": 4}, {"rows_per_file": 2, "partition_by": ["score", "language"]}],
    ids=["rows", "values and rows"],
)
class TestEveryLayout:
    def test_a_second_run_has_nothing_to_do(self, run, tmp_path, layout):
        run(**layout)
        before = seen(tmp_path / "out")
        again = run(**layout)
        assert again.finished_before
        assert parts(again)["stale"] == {}
        assert again.rows == FILES * ROWS
        assert seen(tmp_path / "out") == before

    def test_after_changes_it_is_that_of_a_fresh_run(self, run, source, tmp_path, layout):
        run(**layout, mirror=True)
        write(source, 0, table(0, ROWS - 9, ["de"]))
        write(source, 1, table(1, ROWS, ["fr", "new"]))
        (source / name(2)).unlink()
        write(source, 7, table(7, 0))
        summary = run(**layout, mirror=True)
        assert parts(summary)["scored"] == 3
        run("fresh/", **layout)
        assert seen(tmp_path / "out") == seen(tmp_path / "fresh")

    def test_a_file_that_somebody_changed_or_deleted_is_made_again(self, run, tmp_path, layout):
        run(**layout)
        before = seen(tmp_path / "out")
        first, second = data(tmp_path / "out")[0], data(tmp_path / "out")[-1]
        first.unlink()
        second.write_bytes(second.read_bytes()[:-9])
        assert parts(run(**layout))["stale"] == {"the part is gone or changed": 2}
        assert seen(tmp_path / "out") == before

    def test_another_layout_leaves_nothing_of_the_first(self, run, tmp_path, layout):
        run()
        summary = run(**layout)
        assert (parts(summary)["stale"], summary.computed_tokens) == ({"another job": FILES}, 0)
        run("fresh/", **layout)
        assert seen(tmp_path / "out") == seen(tmp_path / "fresh")
        run()
        run("plain/")
        assert seen(tmp_path / "out") == seen(tmp_path / "plain")


def test_a_run_that_ends_while_it_publishes_is_gone_on_from(run, source, tmp_path, monkeypatch):
    layout = {"rows_per_file": 2, "partition_by": ["score", "language"]}
    run(**layout)
    for number in range(FILES):
        write(source, number, table(number + 40, ROWS, ["de", "it"]))
    published = PartsFolder.publish
    deleted = PartsFolder.delete
    left = [0]

    def counted(work: Callable[..., None]) -> Callable[..., None]:
        def one(*arguments: Any, **named: Any) -> None:
            if not left[0]:
                raise StorageError("the disk is full")
            left[0] -= 1
            work(*arguments, **named)

        return one

    monkeypatch.setattr(PartsFolder, "publish", counted(published))
    monkeypatch.setattr(PartsFolder, "delete", counted(deleted))
    for budget in (1, 3, 14, 1000):
        left[0] = budget
        try:
            run(**layout, max_flagged="100%")
        except StorageError:
            assert budget < 1000
            assert not (tmp_path / "out" / "_SUCCESS").exists()
            # Then it is not what was published that is to be there in the end.
            write(source, budget % 2, table(budget + 60, ROWS, ["es", "pt"]))
    run("fresh/", **layout, max_flagged="100%")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


@pytest.mark.slow
def test_workers_and_windows_make_the_same_bytes(run, tmp_path):
    layout = {"rows_per_file": 3, "partition_by": "language"}
    run(**layout)
    run("several/", workers=2, window_rows=5, **layout)
    assert seen(tmp_path / "several") == seen(tmp_path / "out")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".csv.gz", ".arrow"])
def test_every_format(tmp_path, tiny_model, ending):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        "".join(
            json.dumps({"n": number, "kind": "xy"[number % 2], "text": f"good {number}"}) + "\n" for number in range(5)
        )
    )
    scorer.score(folder, tmp_path / f"plain{ending}", model=tiny_model("bert"), **ALONE)
    inside = tmp_path / "plain"
    inside.mkdir()
    (tmp_path / f"plain{ending}").rename(inside / f"a{ending}")
    scorer.score(
        inside, f"{tmp_path}/out/", model=tiny_model("bert"), partition_by="kind", rows_per_file=2, prefix="p_", **ALONE
    )
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob(f"*{ending}")}
    assert names == {f"kind={kind}/a-{number:05}{ending}" for kind, number in (("x", 0), ("x", 1), ("y", 0))}
    read = read_all(f"{tmp_path}/out")
    assert sorted(read["n"].to_pylist()) == list(range(5))
    assert read["kind"].to_pylist() == ["xy"[number % 2] for number in read["n"].to_pylist()]


def read_all(place: str) -> pa.Table:
    return pa.concat_tables(Source.open(place).read().windows(max_rows=1000, max_bytes=1 << 20))


def test_lines_keep_their_spelling_in_files_of_so_many_rows(tmp_path, tiny_model):
    (tmp_path / "in").mkdir()
    lines = ['{"text": "good", "n": 1.50, "x": {"b": 1, "a": null}}', '{"text": "bad"}', '{"n": 1e3, "text": "so"}']
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines))
    scorer.score(f"{tmp_path}/in", f"{tmp_path}/out/", model=tiny_model("bert"), rows_per_file=2, **ALONE)
    written = [path.read_text().splitlines() for path in sorted((tmp_path / "out").glob("*.jsonl"))]
    assert [len(one) for one in written] == [2, 1]
    assert all(line.startswith(text[:-1]) for line, text in zip(chain(*written), lines, strict=True))


def test_what_cannot_be_laid_out_is_refused(run, tmp_path):
    for options, message in (
        ({"partition_by": "langauge"}, "did you mean 'language'"),
        ({"partition_by": "confidence"}, "confidence.*folders are named after"),
        ({"partition_by": ["language", "language"]}, "said twice"),
        ({"partition_by": "day"}, "day=.*already"),
    ):
        with pytest.raises(UsageError, match=message):
            run(**options)
    for options in ({"rows_per_file": 3}, {"partition_by": "language"}):
        with pytest.raises(UsageError, match="are for a folder"):
            run("out.parquet", **options)
    assert not data(tmp_path)[FILES:]


def test_too_many_values_are_a_fault_of_the_file(run, source, tmp_path, monkeypatch):
    monkeypatch.setattr("scorer.scoring.part_writers.MOST_VALUES", len(LANGUAGES))
    write(source, 0, table(0).set_column(1, "language", pa.array([f"l{place}" for place in range(ROWS)])))
    with pytest.raises(DataError, match=f"more than {len(LANGUAGES)} values of language"):
        run(partition_by="language")
    with pytest.raises(DataError, match="part-0"):
        run(partition_by="language", on_error="quarantine")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (len(manifest["parts"]), list(manifest["failed"])) == (FILES - 1, [name(0)])
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_what_stays_in_another_layout_is_no_mixture(run, source, tmp_path):
    run()
    (source / name(3)).unlink()
    with pytest.raises(OutputRefused, match="--mirror"):
        run(partition_by="language")
    run(partition_by="language", mirror=True)
    run("fresh/", partition_by="language")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_what_no_run_wrote_is_not_replaced_without_force(run, tmp_path):
    stranger = tmp_path / "out" / "day=0" / "language=de" / "part-0-00000.parquet"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"mine")
    (stranger.parent / "notes.txt").write_bytes(b"mine")
    with pytest.raises(OutputRefused, match="--force"):
        run(partition_by="language", rows_per_file=5)
    assert stranger.read_bytes() == b"mine"
    run(partition_by="language", rows_per_file=5, force=True)
    assert stranger.read_bytes() != b"mine"
    assert (stranger.parent / "notes.txt").read_bytes() == b"mine"


def test_names_that_two_layouts_use_are_not_deleted(tmp_path, tiny_model):
    (tmp_path / "in").mkdir()
    for stem in ("a", "a-00000"):
        pc.write_csv(pa.table({"text": [f"good {stem}", "bad"]}), tmp_path / "in" / f"{stem}.csv")
    for options in ({}, {"rows_per_file": 1}, {}):
        scorer.score(f"{tmp_path}/in", f"{tmp_path}/out/", model=tiny_model("bert"), **ALONE, **options)
        fresh = f"{tmp_path}/fresh{len(options)}/"
        scorer.score(f"{tmp_path}/in", fresh, model=tiny_model("bert"), **ALONE, **options)
        assert seen(tmp_path / "out") == seen(Path(fresh))


def test_rejects_are_kept_beside(tmp_path, tiny_model):
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a.csv").write_text("kind,text\nx,good\ny,bad,3\nx,so\n")
    for _ in range(2):
        summary = scorer.score(
            f"{tmp_path}/csv",
            f"{tmp_path}/out/",
            model=tiny_model("bert"),
            partition_by="kind",
            rejects=tmp_path / "rejects.jsonl",
            **ALONE,
        )
        assert (summary.rows, summary.rejected) == (2, 1)
        assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 1


def test_it_is_inspected_and_previewed(run_scorer, run, source, tmp_path, tiny_model):
    asked = ("score", str(source), f"{tmp_path}/out/", "-m", str(tiny_model("bert")), "--batch-tokens", "1")
    asked += ("--precision", "fp32", "--partition-by", "score", "--rows-per-file", "9")
    told = json.loads(run_scorer(*asked, "--dry-run").stdout)
    assert (told["partition_by"], told["rows_per_file"], told["parts"]["stale"]) == (["score"], 9, {"new": FILES})
    run(partition_by="score", rows_per_file=9)
    told = json.loads(run_scorer("inspect", f"{tmp_path}/out").stdout)
    assert (told["parts"], told["files"], told["damaged"]) == (FILES, len(data(tmp_path / "out")), [])
    for path in data(tmp_path / "out")[:2]:
        done = run_scorer("inspect", str(path), "--verify")
        assert (done.returncode, json.loads(done.stdout)["verified"]["ok"]) == (0, True), done.stderr
    assert run_scorer(*asked, "--dry-run", "--mirror").returncode == 0


@pytest.mark.slow
def test_killed_runs_leave_no_row_twice(forked, run, source, tmp_path, tiny_model):
    command = [*forked, "score", str(source), f"{tmp_path}/out/", "-m", str(tiny_model("bert")), "--batch-tokens", "1"]
    command += ["--precision", "fp32", "--mirror"]
    values, numbers = ("--partition-by", "language"), ("--rows-per-file", "2")
    chosen = random.Random(11)
    for night in range(36):
        if night % 3 == 0:
            for number in range(FILES):
                write(source, number, table(night * 10 + number, ROWS, [f"l{night % 5}", f"l{number}", None]))
        layout = chosen.choice([(), values, numbers, (*values, *numbers)])
        limits = chosen.choice([(), ("--max-flagged", "100%")])
        process = subprocess.Popen(
            [*command, *layout, *limits], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, told = process.communicate(timeout=chosen.uniform(0.35, 1.8))
            assert process.returncode in (0, Busy.exit_code), told
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    again(run)
    run("fresh/", partition_by="language", rows_per_file=1)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def again(run: Run) -> None:
    while True:
        try:
            run(partition_by="language", rows_per_file=1, mirror=True)
            return
        except Busy:  # who was killed is not gone yet
            time.sleep(0.05)


@pytest.mark.parametrize("texts", [pa.string_view(), pa.dictionary(pa.uint32(), pa.string_view())])
@pytest.mark.parametrize("layout", [{"rows_per_file": 4}, {"partition_by": ("kind",)}])
def test_views_as_polars_writes_them(tmp_path, tiny_model, texts, layout):
    values = ["good room", "bad soup", None] * 4
    column = (
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None] * 4, pa.uint32()), pa.array(values[:2]).cast(texts.value_type)
        )
        if pa.types.is_dictionary(texts)
        else pa.array(values).cast(texts)
    )
    (tmp_path / "in").mkdir()
    rows = pa.table({"text": column, "kind": column, "seen": pa.array([b"x"] * 12).cast(pa.binary_view())})
    with pa.ipc.new_file(tmp_path / "in" / "a.arrow", rows.schema) as writer:
        writer.write_table(rows)
    found = scorer.score(tmp_path / "in", f"{tmp_path}/out/", model=tiny_model("bert"), **ALONE, **layout)
    assert found.statuses == {"ok": 8, "null": 4}
    assert len([path for path in (tmp_path / "out").rglob("*.arrow") if ".scorer" not in path.parts]) == 3
