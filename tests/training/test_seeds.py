"""Several seeds: each is the fit that it would be alone, the best is kept, and none is fitted twice after a kill."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from scorer.classifier.metadata import ModelMetadata
from scorer.errors import ConfigError, Interrupted, ModelError, StorageError, UsageError
from scorer.training.fit_job import FitSummary
from scorer.training.trainer import Diverged
from tests.conftest import TinyModel
from tests.training.fits import Remembering, run, weights, write_reviews

# A rate so small that seeds differ in how good they are.
FEW = {"epochs": 1.0, "learning_rate": 1e-3, "best_metric": "loss"}


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "train.csv", 60)
    write_reviews(tmp_path / "valid.csv", 40, seed=1)
    return tmp_path


@pytest.fixture
def base(tiny_model: TinyModel) -> Path:
    return tiny_model("bert")


def fitted(base: Path, console: Remembering | None = None, **options: object) -> FitSummary:
    return run(Path("train.csv"), base, console, valid=Path("valid.csv"), **{**FEW, **options})


def interrupt_at(part: str, nth: int) -> Remembering:
    """A console that sends this process SIGTERM when a line with `part` is said for the `nth` time."""
    console = Remembering(lambda line: len(console.having(part)) == nth and part in line and os.kill(os.getpid(), 15))
    return console


def test_the_best_of_several_is_what_it_would_be_alone(base: Path) -> None:
    alone = {seed: fitted(base, seed=seed, output=Path(f"alone{seed}")) for seed in (3, 4, 5)}
    summary = fitted(base, seed=3, seeds=3, output=Path("best"))
    assert [entry["seed"] for entry in summary.seeds] == [3, 4, 5]
    for entry in summary.seeds:
        assert {name: entry[name] for name in ("accuracy", "macro_f1", "nll", "ece")} == {
            name: alone[entry["seed"]].metrics[name] for name in ("accuracy", "macro_f1", "nll", "ece")
        }
    losses = {seed: found.metrics["nll"] for seed, found in alone.items()}
    best = min(losses, key=losses.__getitem__)
    assert len(set(losses.values())) == 3, "seeds that do not differ show nothing"
    assert [entry["seed"] for entry in summary.seeds if entry["kept"]] == [best]
    assert weights(summary.model) == weights(alone[best].model)
    assert summary.metrics["nll"] == losses[best]
    assert not Path("best.unfinished").exists()


def test_the_model_remembers_what_each_seed_came_to(base: Path) -> None:
    summary = fitted(base, seeds=2)
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    written = json.loads((summary.model / "metrics.json").read_text())
    assert summary.as_dict()["seeds"] == metadata.seeds == written["seeds"]
    assert len(summary.seeds) == 2
    alone = fitted(base)
    assert alone.seeds == []
    assert json.loads((alone.model / "metrics.json").read_text())["seeds"] == []
    assert "best of 2 fits" in (summary.model / "README.md").read_text()
    assert "best of" not in (alone.model / "README.md").read_text()
    pages = [(one.model / "report.html").read_text(encoding="utf-8") for one in (summary, alone)]
    assert ["<h2>Seeds</h2>" in page for page in pages] == [True, False]


def test_another_metric_may_keep_another_seed(base: Path) -> None:
    for metric, name, sign in (("loss", "nll", -1), ("accuracy", "accuracy", 1), ("macro_f1", "macro_f1", 1)):
        seeds = fitted(base, seeds=3, best_metric=metric).seeds
        kept = next(entry for entry in seeds if entry["kept"])
        assert sign * kept[name] == max(sign * entry[name] for entry in seeds)


def test_an_interrupted_fit_does_only_what_is_missing(base: Path) -> None:
    options = {"seeds": 3, "epochs": 2.0}
    whole = fitted(base, output=Path("whole"), **options)
    with pytest.raises(Interrupted) as caught:
        fitted(base, interrupt_at("epoch 1 ", 2), output=Path("out"), **options)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    console = Remembering()
    resumed = fitted(base, console, output=Path("out"), resume=True, **options)
    assert console.having("seed 42") == []
    assert console.having("resumed from checkpoint-")
    assert len(console.having("epoch 1 ")) == 1, "of the third seed alone"
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.model / "metrics.json").read_text() == (whole.model / "metrics.json").read_text()
    assert not Path("out.unfinished").exists()


def test_a_fit_whose_seeds_are_all_done_trains_no_more(base: Path) -> None:
    whole = fitted(base, output=Path("whole"), seeds=2)

    def block(line: str) -> None:
        if "seed 43" in line:
            Path("out.unfinished/model").touch()

    with pytest.raises(StorageError):
        fitted(base, Remembering(block), output=Path("out"), seeds=2)
    Path("out.unfinished/model").unlink()
    console = Remembering()
    resumed = fitted(base, console, output=Path("out"), seeds=2, resume=True)
    assert not console.having("train loss")
    assert weights(resumed.model) == weights(whole.model)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("seeds.json", b"[]["),
        ("seeds.json", b'[{"seed": 42}]'),
        ("seeds.json", b"7"),
        ("seeds.json", b"[7]"),
        ("seeds.json", b'[{"seed": 42, "epochs": 1, "steps": 1, "figures": {}}]'),
        ("seeds.json", b'[{"seed": 42, "epochs": 1, "steps": 1, "figures": 1}]'),
        ("seeds.json", b'[{"seed": 42, "epochs": 1, "steps": 1, "figures": {"nll": "low"}}]'),
        ("weights-42.safetensors", b"\x00\x01" * 50),
        ("weights-42.safetensors", None),
        ("state-42.json", b"{"),
    ],
)
def test_what_is_damaged_is_refused(base: Path, name: str, content: bytes | None) -> None:
    options = {"seeds": 2, "epochs": 2.0, "output": Path("out"), "learning_rate": 1e-9, "best_metric": "accuracy"}
    with pytest.raises(Interrupted):
        fitted(base, interrupt_at("epoch 1 ", 2), **options)
    path = Path("out.unfinished") / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ModelError, match=r"start anew with --force"):
        fitted(base, resume=True, **options)


def test_a_link_in_the_place_of_checkpoints_is_refused_and_what_it_leads_to_stays(base: Path) -> None:
    options = {"seeds": 2, "output": Path("out")}
    with pytest.raises(Interrupted):
        fitted(base, interrupt_at("epoch 1 ", 1), **options)
    victim = Path("elsewhere/checkpoint-1")
    victim.mkdir(parents=True)
    Path("out.unfinished/seed-43").symlink_to(victim.parent.resolve())
    with pytest.raises(ModelError, match="seed-43: a symbolic link"):
        fitted(base, resume=True, **options)
    assert victim.is_dir()


def test_seeds_beyond_32_bits_are_refused_before_anything_is_written(base: Path) -> None:
    with pytest.raises(UsageError, match="--seed 4294967295: with --seeds 2, 4294967294 is the most"):
        run(Path("train.csv"), base, seed=2**32 - 1, seeds=2, output=Path("beyond"))
    assert not list(Path().glob("beyond*"))


def test_a_seed_that_diverges_is_left_out(base: Path) -> None:
    lost = {4}

    def diverging() -> Remembering:
        """A console under which the fits of the `lost` seeds end as if their logits were no numbers."""

        def on_line(line: str) -> None:
            seeds = [int(said.split()[1].rstrip(",")) for said in console.having("seed ") if " of 3" in said]
            if "fitting" in line and seeds[-1] in lost:
                raise Diverged("training diverged")

        console = Remembering(on_line)
        return console

    console = diverging()
    summary = fitted(base, console, seed=3, seeds=3)
    assert [entry["seed"] for entry in summary.seeds] == [3, 5]
    assert console.having("seed 4 is left out: training diverged")
    lost |= {3, 5}
    with pytest.raises(ConfigError, match="training diverged"):
        fitted(base, diverging(), seed=3, seeds=3, output=Path("none"))
    assert not Path("none.unfinished").exists()
