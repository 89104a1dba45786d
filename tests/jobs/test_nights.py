"""Nights of `jobs/nightly.toml` as it stands, with what happens in a month: the folder is that of a fresh run."""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.nights import Nights, rows_in, run, scored


def reject_a_model(nights: Nights, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refit on labels that mean nothing: the model in use stays."""
    before = Path("models/latest").readlink()
    for name in ("labelled/train.csv", "held-out.csv"):
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        labels = ("".join(nights.draw.choices("12345", k=1)) for _ in range(60))
        rows = (f"word {number} {name[0]},{label}\n" for number, label in enumerate(labels))
        Path("data", name).write_text("text,score\n" + "".join(rows))
    with monkeypatch.context() as patch:
        for name, value in {"BASE_MODEL": tiny, "MAX_STEPS": 2, "MAX_LENGTH": 32, "BATCH_SIZE": 8}.items():
            patch.setenv(f"SCORER_{name}", str(value))
        ((record, _),) = run("weekly.toml", nights.program).runs
    outcomes = {step.name: step.outcome for step in record.steps}
    assert outcomes == {"check": "done", "fit": "done", "evaluate": "failed", "diff": "skipped", "gate": "skipped"}
    assert record.exit_code == 65
    assert Path("models/latest").readlink() == before


@pytest.mark.parametrize(("count", "late"), [(5, range(3, 5)), pytest.param(30, range(12, 22), marks=pytest.mark.slow)])
def test_a_month_ends_with_the_folder_of_a_fresh_run(count, late, site, tmp_path, tiny_model, forked, monkeypatch):
    """`late` are the days whose files come behind all others, and are done by one backfill."""
    tiny = tiny_model("bert")
    Path("models").mkdir()
    shutil.copytree(tiny, "models/first")
    Path("models/latest").symlink_to("first")
    nights = Nights(forked, random.Random(count))
    bad, crash = 1, 2
    for number in range(count):
        day = nights.day(number)
        if number in late:
            assert nights.night(day) == 66
            continue
        nights.arrive(day, files=4 if number == crash else None)
        if number == bad:
            path = nights.write(day, "bad.parquet", 5)
            whole = path.read_bytes()
            path.write_bytes(whole[:-7])
            assert nights.night(day) == 65
            assert nights.night(day) == 65
            path.write_bytes(whole)
        if number == crash:
            nights.crash(day)
            assert nights.after_a_crash(day) == 0
        else:
            assert nights.night(day) == 0
    reject_a_model(nights, tiny, monkeypatch)

    for number in late:
        nights.arrive(nights.day(number))
    first, last = nights.day(1), nights.day(count)
    summary = run("nightly.toml", forked, from_=str(first), to=str(last))
    assert [record.day - timedelta(days=1) for record, _ in summary.runs] == [nights.day(number) for number in late]
    assert len(summary.left) == count - len(late)
    assert summary.failed is None
    grown = scored(site)
    assert rows_in(grown) == nights.made

    fresh = tmp_path / "fresh"
    for name in ("jobs", "models", "data/inbox"):
        shutil.copytree(site / name, fresh / name, symlinks=True, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(fresh)
    assert len(run("nightly.toml", forked, from_=str(first), to=str(last)).runs) == count
    assert scored(fresh) == grown
