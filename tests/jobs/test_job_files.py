"""The job files of `jobs/` as they stand: each can be read, and does what its first lines say."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from scorer.automation.job_file import read_job
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from tests.jobs.conftest import JOBS
from tests.jobs.nights import run
from tests.models import make_model, sentences
from tests.test_documents import PAGES, ROOT, wrong_with


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.toml")), ids=lambda path: path.name)
def test_a_job_file_can_be_read_and_says_how_it_is_called(path):
    read_job(path).on(date(2026, 3, 31))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Every ")
    for command in re.findall(r"^#   (scorer .*?)(?:  .*)?$", text, re.MULTILINE):
        words = command.split()
        assert wrong_with(words) is None
        assert words[2] == f"jobs/{path.name}"
    assert 'folder = ".."' in text


@pytest.mark.parametrize("page", PAGES)
def test_a_job_on_a_page_can_be_read(page, tmp_path):
    blocks = re.findall(r"^```toml\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for block in (block for block in blocks if "[steps." in block):
        (tmp_path / "job.toml").write_text(block)
        read_job(tmp_path / "job.toml").on(date(2026, 3, 31))


def label(folder: Path, *, right: bool) -> None:
    """Labelled rows that one word tells apart; those to fit on may all be wrong."""
    (folder / "data/labelled").mkdir(parents=True, exist_ok=True)
    for name, count in (("labelled/first.csv", 160), ("held-out.csv", 60)):
        names = ("good", "bad") if right or name == "held-out.csv" else ("bad", "good")
        words = ("lovely", "terrible")
        rows = (f"{words[number % 2]} {words[number % 2]} {number},{names[number % 2]}\n" for number in range(count))
        (folder / "data" / name).write_text("text,label\n" + "".join(rows))


def test_the_weekly_refit_lets_a_good_model_in_and_keeps_a_bad_one_out(site, tiny_model, forked, monkeypatch):
    learns = {"BASE_MODEL": tiny_model("bert"), "MAX_STEPS": 20, "LEARNING_RATE": 3e-3, "MAX_LENGTH": 16}
    for name, value in learns.items():
        monkeypatch.setenv(f"SCORER_{name}", str(value))
    label(site, right=True)
    summary = run("weekly.toml", forked, date="2026-03-02")
    assert summary.failed is None
    assert Path("models/latest").readlink() == Path("weekly-2026-03-02")
    assert Path("models/reports/2026-03-02.html").exists()

    label(site, right=False)
    summary = run("weekly.toml", forked, date="2026-03-09")
    assert summary.failed.exit_code == 65
    assert [step.name for step in summary.failed.steps if step.outcome == "failed"] == ["evaluate"]
    assert "macro_f1 is 0." in summary.failed.reason
    assert Path("models/latest").readlink() == Path("weekly-2026-03-02")


def undecided_model(directory: Path) -> Path:
    """A model that abstains from about half of all rows."""
    make_model(directory, "bert", labels=("ok", "toxic"))
    ModelMetadata(
        base_model=str(directory),
        text_columns=("text",),
        label_column="label",
        labels=LabelSet(("ok", "toxic"), "string"),
        label_separator=None,
        max_length=32,
        decision=Decision(abstain_below=0.9),
        training={},
    ).write(directory)
    return directory


def comments(name: str, first: int, count: int) -> None:
    path = Path("data/comments", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        texts = sentences(count, seed=first, longest=9)
        writer.writerows((f"{number:07}", f"{text}\n\nand so on") for number, text in enumerate(texts, start=first))


def queued() -> list[dict[str, str]]:
    rows = []
    for path in sorted(Path("data/queue").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows.append(list(csv.DictReader(file)))
    return rows[-1]


def test_what_a_model_is_not_sure_of_is_queued_once_for_people(site, forked):
    """Though comments have several lines, and numbers that are none."""
    undecided_model(site / "models/moderation")
    comments("monday.csv", 0, 40)
    ((record, path),) = run("moderation.toml", forked).runs
    statuses = json.loads(path.read_text())["steps"][0]["summary"]["statuses"]
    assert record.exit_code == 0
    first = queued()
    assert 0 < len(first) == statuses["abstain"] < 40
    confidences = [float(row["confidence"]) for row in first]
    assert confidences == sorted(confidences)
    assert confidences[-1] < 0.9
    assert {row["score"] for row in first} <= {"ok", "toxic"}
    assert all(len(row["id"]) == 7 and "\n\n" in row["text"] for row in first)

    comments("tuesday.csv", 1000, 40)
    run("moderation.toml", forked, quiet=True)
    second = queued()
    assert second
    assert all(int(row["id"]) >= 1000 for row in second)
    assert run("moderation.toml", forked).as_dict()["exit_code"] == 0
    assert len(list(Path("data/queue").glob("*.csv"))) == 2


def test_the_check_of_an_example_shows_its_commands(run_scorer, site):
    shutil.rmtree(site / "jobs")
    shutil.copytree(JOBS, site / "jobs", ignore=shutil.ignore_patterns("bench", "pictures", "runs"))
    done = run_scorer("run", "jobs/nightly.toml", "--check", "--date", "2026-03-31", cwd=site)
    assert (done.returncode, done.stderr) == (0, "")
    (step,) = json.loads(done.stdout)["days"]["2026-03-31"].values()
    assert step["arguments"][-2:] == ["data/inbox/day=2026-03-30/", "data/scored/day=2026-03-30/"]
