"""A folder that a second run finds: with other options, another model, files that go or fail meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.engines import folder_job, folder_run
from scorer.errors import DataError, ModelError, ScorerError, UsageError
from scorer.scoring.folder_output import FolderOutput

Run = Callable[..., Any]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("a", "b", "c")):
        lines = "".join(f"good {number},bad {number} {row}\n" for row in range(4))
        (folder / f"{name}.csv").write_text(f"title,text\n{lines}")
    return folder


@pytest.fixture
def run(source: Path, tmp_path: Path, tiny_model) -> Run:
    def run(target: str = "out/", **options: Any) -> Any:
        said = {"model": tiny_model("bert"), "precision": "fp32", "batch_tokens": 1} | options
        return scorer.score(source, f"{tmp_path}/{target}", **said)

    return run


def seen(folder: Path) -> dict[str, bytes]:
    """What a reader sees of an output."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".scorer" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("fitted", [True, False])
def test_parts_of_a_column_that_was_said_do_not_stand_where_another_one_is_found(run, tmp_path, tiny_model, fitted):
    model = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    if fitted:
        labels = LabelSet.from_values([1, 2, 3, 4, 5])
        told = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "labels": labels, "max_length": 24}
        ModelMetadata(**told).write(model)
    run(model=model, text_column="title")
    assert run(model=model).parts["stale"] == {"another job": 3}
    run("fresh/", model=model)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")
    assert run(model=model).finished_before
    assert run(model=model, text_column="text").finished_before


def test_a_part_of_another_format_takes_the_place_of_the_one_before(run, source, tmp_path, capfd):
    run()
    (source / "b.csv").unlink()
    assert run(output_format="parquet").parts["input_deleted"] == 1
    assert "the input of b.csv is gone" in capfd.readouterr().err
    assert {"a.parquet", "b.csv", "c.parquet"} == {name for name in seen(tmp_path / "out") if name[0] != "_"}
    (source / "c.csv").write_text('text\n"never closed\n')
    with pytest.raises(DataError, match=r"c\.csv"):
        run(on_error="quarantine", mirror=True)
    assert {"a.csv", "c.parquet"} == {name for name in seen(tmp_path / "out") if name[0] != "_"}
    (source / "c.csv").write_text("text\ngood\n")
    run()
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_a_file_that_is_empty_for_the_moment_keeps_its_part_of_another_format(run, source, tmp_path):
    run()
    (source / "b.csv").write_text("")
    with pytest.raises(DataError, match=r"b\.csv.* empty"):
        run(output_format="parquet", mirror=True)
    assert (tmp_path / "out" / "b.csv").exists()


def test_a_part_that_was_made_of_a_file_of_the_same_name_elsewhere_is_not_replaced(tmp_path, tiny_model, monkeypatch):
    said = {"model": tiny_model("bert"), "precision": "fp32"}
    for place, options in (("x", {"output_format": "parquet"}), ("y", {})):
        (tmp_path / place / "in").mkdir(parents=True)
        (tmp_path / place / "in" / "a.csv").write_text(f"text\ngood {place}\n")
        monkeypatch.chdir(tmp_path / place)
        summary = scorer.score("in/", f"{tmp_path}/out/", **said, **options)
    assert summary.parts["input_deleted"] == 1
    assert {"a.csv", "a.parquet"} == {name for name in seen(tmp_path / "out") if name[0] != "_"}
    scorer.score("in/", f"{tmp_path}/out/", **said, output_format="jsonl")
    assert {"a.jsonl", "a.parquet"} == {name for name in seen(tmp_path / "out") if name[0] != "_"}


def test_a_folder_that_was_moved_has_one_part_a_file(tmp_path, tiny_model, monkeypatch):
    said = {"model": tiny_model("bert"), "precision": "fp32"}
    (tmp_path / "before" / "in").mkdir(parents=True)
    (tmp_path / "before" / "in" / "a.csv").write_text("text\ngood\n")
    monkeypatch.chdir(tmp_path / "before")
    scorer.score("in/", "out/", **said)
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path / "after")
    scorer.score("in/", "out/", output_format="parquet", **said)
    assert [name for name in seen(Path("out")) if name[0] != "_"] == ["a.parquet"]


def test_a_file_that_was_named_from_here_and_written_anew_has_one_part(tmp_path, tiny_model, monkeypatch):
    said = {"model": tiny_model("bert"), "precision": "fp32"}
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    for content in ("good", "bad"):
        (tmp_path / "new").write_text(f"text\n{content}\n")
        (tmp_path / "new").replace(tmp_path / "in" / "a.csv")
        scorer.score("in/", "out/", **said, **({} if content == "good" else {"output_format": "parquet"}))
    assert [name for name in seen(tmp_path / "out") if name[0] != "_"] == ["a.parquet"]


def test_what_was_found_in_a_file_once_is_not_looked_for_again(run, monkeypatch):
    run()
    run()
    monkeypatch.setattr("scorer.engines.assessment._looked_into", lambda *_: pytest.fail("a file was opened"))
    assert run().finished_before


def test_a_folder_of_an_earlier_version_is_gone_on_from(run, source, tmp_path, run_scorer, monkeypatch):
    """It did not count blank lines."""

    def forget(path: Path) -> None:
        path.write_text(path.read_text().replace('"blank_lines": 0, ', "").replace('"blank_lines": 0,', ""))

    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, "publish", lambda *_args, **_named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run()
    journal = tmp_path / "out" / ".scorer" / "journal"
    assert "blank_lines" in journal.read_text()
    forget(journal)
    assert run().parts["scored"] == 3
    forget(tmp_path / "out" / "_manifest.json")
    assert "blank_lines" not in (tmp_path / "out" / "_manifest.json").read_text()
    assert run().finished_before
    (source / "d.csv").write_text("text\ngood\n")
    assert (run().rows, run_scorer("inspect", f"{tmp_path}/out").returncode) == (13, 0)


def test_folders_whose_names_are_no_utf_8_have_parts(tmp_path, tiny_model):
    path = tmp_path / "in" / "city=M%FCnchen" / "a.csv"
    path.parent.mkdir(parents=True)
    path.write_text("text\ngood\n")
    scorer.score(tmp_path / "in", f"{tmp_path}/out/", model=tiny_model("bert"), precision="fp32")
    assert (tmp_path / "out" / "city=M%FCnchen" / "a.csv").exists()


@pytest.mark.parametrize("on_error", ["fail", "quarantine"])
def test_a_fault_that_shows_late_leaves_no_two_layouts(run, source, tmp_path, on_error):
    run()
    before = seen(tmp_path / "out")
    with (source / "b.csv").open("a") as stream:
        stream.write('good,"never closed\n')
    for _ in range(2):
        with pytest.raises(ScorerError):
            run(partition_by="title", on_error=on_error)
        now = seen(tmp_path / "out")
        assert {name: now[name] for name in before if name[0] != "_"} == {
            name: content for name, content in before.items() if name[0] != "_"
        }
        assert not [name for name in now if "title=" in name]
    (source / "b.csv").write_text("title,text\nx,good\n")
    summary = run(partition_by="title", on_error=on_error)
    run("fresh/", partition_by="title")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")
    assert summary.parts["scored"] == 3


def test_what_shows_when_a_part_is_finished_is_a_fault_of_its_file(run, source, tmp_path):
    far = pa.array([2**60], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["good"], "at": far}), source / "d.parquet")
    for layout in ({}, {"rows_per_file": 1_000_000}):
        with pytest.raises(DataError, match=r"d\.csv could not be scored, all others are"):
            run(f"out{len(layout)}/", output_format="csv", on_error="quarantine", **layout)
        assert len(json.loads((tmp_path / f"out{len(layout)}" / "_manifest.json").read_text())["parts"]) == 3


def test_a_page_by_a_column_asks_a_file_that_can_be_read(run, source, tmp_path):
    (source / "a.csv").rename(source / "b2.csv")
    (source / "a.parquet").write_bytes(b"junk")
    page = {"report_html": tmp_path / "page.html", "report_by": "title"}
    with pytest.raises(DataError, match=r"a\.parquet could not be scored, all others are"):
        run(on_error="quarantine", **page)
    assert (tmp_path / "page.html").exists()
    with pytest.raises(UsageError, match="--report-by"):
        run(on_error="quarantine", **page | {"report_by": "other"})


def test_a_file_that_goes_while_shards_are_planned_is_passed_over(run, source, monkeypatch):
    plan = folder_run.shards_of

    def late(*arguments: Any, **named: Any) -> Any:
        (source / "b.csv").unlink(missing_ok=True)
        return plan(*arguments, **named)

    monkeypatch.setattr(folder_run, "shards_of", late)
    with pytest.raises(DataError, match=r"b\.csv could not be scored, all others are"):
        run(on_error="quarantine")


def test_a_model_that_is_overwritten_meanwhile_scores_nothing(run, source, tmp_path, tiny_model, monkeypatch):
    model = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    run(model=model)
    before = seen(tmp_path / "out")
    with (source / "b.csv").open("a") as stream:
        stream.write("x,good\n")
    look = folder_job.assess

    def overwritten(*arguments: Any, **named: Any) -> Any:
        found = look(*arguments, **named)
        shutil.copy(tiny_model("bert", seed=1) / "model.safetensors", model / "model.safetensors")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(folder_job, "assess", overwritten)
        with pytest.raises(ModelError, match="not the model any more"):
            run(model=model)
    assert seen(tmp_path / "out") == before
    assert run(model=model).parts["stale"] == {"another input": 1, "another job": 2}


def test_what_readers_have_to_say_is_told_of_folders_too(run, source, tmp_path, capfd):
    for number in range(7):
        (source / f"blank-{number}.csv").write_text("title,text\na,good\n\n\nb,bad\n")
    summary = run()
    assert (summary.rows, summary.blank_lines) == (3 * 4 + 7 * 2, 14)
    said = capfd.readouterr().err
    assert said.count("2 blank lines are no records") == 5
    assert "2 more warnings of this kind" in said
    assert run().blank_lines == 14
    assert json.loads((tmp_path / "out" / "_manifest.json").read_text())["totals"]["blank_lines"] == 14


def test_a_part_that_is_gone_is_made_again_though_a_killed_run_had_finished_it(run, tmp_path, monkeypatch):
    """With limits, nothing is compared before it is published."""
    published = FolderOutput._publish_files

    def killed(self: FolderOutput, *arguments: Any) -> Any:
        published(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, "_publish_files", killed)
        with pytest.raises(KeyboardInterrupt):
            run(min_rows=1)
    (name,) = seen(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    assert run(min_rows=1).parts["scored"] == 3
    run("fresh/")
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_a_column_of_a_partition_that_would_hide_an_appended_one_is_refused(tmp_path, tiny_model):
    path = tmp_path / "in" / "score=5" / "a.csv"
    path.parent.mkdir(parents=True)
    path.write_text("text\ngood\n")
    said = {"model": tiny_model("bert"), "precision": "fp32"}
    for target in ("out/", "out.csv"):
        with pytest.raises(UsageError, match="score"):
            scorer.score(tmp_path / "in", f"{tmp_path}/{target}", **said)
    scorer.score(tmp_path / "in", f"{tmp_path}/out/", prefix="p_", **said)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_wrong_with_a_file_comes_from_a_worker_as_it_is(run, source, workers):
    (source / "a.csv").write_text("title,text\n1,good\n")
    (source / "c.csv").write_text("title,text\n2,good\n")
    said = {"types": "title=int64", "workers": workers}
    with pytest.raises(DataError, match=r"b\.csv.*title"):
        run(**said)
    with pytest.raises(DataError, match=r"b\.csv could not be scored, all others are"):
        run(on_error="quarantine", **said)
