"""An interrupted fit goes on and ends with the weights of one that was not interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from scorer.errors import ANEW, ConfigError, Interrupted, OutputRefused, StorageError
from scorer.runs.console import Counter
from tests.adapting.adaptations import run as adapt
from tests.adapting.adaptations import write_texts
from tests.architectures import make_architecture
from tests.conftest import ROOT, TinyModel
from tests.training.fits import Remembering, reviews, run, weights, write_csv, write_reviews

FIT = """
import sys; from pathlib import Path
from tests.training.fits import run
run(Path("train.csv"), Path(sys.argv[1]), output=Path("out"), epochs=12.0, eval_steps=7)
"""


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "train.csv", 80)
    return tmp_path


@pytest.fixture
def base(tiny_model: TinyModel) -> Path:
    return tiny_model("bert")


def interrupt_at(part: str) -> Remembering:
    """A console that sends this process SIGTERM when a line with `part` is said."""

    def on_line(line: str) -> None:
        if part in line:
            os.kill(os.getpid(), signal.SIGTERM)

    return Remembering(on_line)


class Stopping(Remembering):
    """A console whose progress bar sends this process SIGTERM when it comes to one of `steps`."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self._steps = steps

    @contextmanager
    def progress(self, *_: object) -> Iterator[Counter]:
        yield _StoppingCounter(self._steps)


class _StoppingCounter:
    def __init__(self, steps: Sequence[int]) -> None:
        self._steps, self._done = steps, 0

    def update(self, n: float = 1) -> None:
        self._done += int(n)
        # What an earlier fit had done comes at once, and is no step of this one.
        if n == 1 and self._done in self._steps:
            os.kill(os.getpid(), signal.SIGTERM)


def fail_to_write(train: Path, base: Path, settings: dict[str, Any]) -> None:
    """A fit that ends after its training: a file stands in the way of the model."""

    def block(line: str) -> None:
        if "fitting" in line:
            Path("out.unfinished/model").touch()

    with pytest.raises(StorageError):
        run(train, base, Remembering(block), output=Path("out"), **settings)
    Path("out.unfinished/model").unlink()


def complete_checkpoints() -> list[Path]:
    return sorted(Path("out.unfinished").glob("checkpoint-*/trainer_state.json"))


def test_a_killed_fit_goes_on_to_the_same_weights(base: Path) -> None:
    """SIGKILL comes at no chosen moment; an epoch has 9 batches, a checkpoint is made every 7."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", FIT, str(base)], env=environment)
    deadline = time.monotonic() + 60
    while len(complete_checkpoints()) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the fit ended by itself"
    assert not Path("out").exists()
    settings = {"epochs": 12.0, "eval_steps": 7}
    console = Remembering()
    resumed = run(Path("train.csv"), base, console, output=Path("out"), resume=True, **settings)
    assert console.having("resumed from checkpoint-")
    whole = run(Path("train.csv"), base, output=Path("whole"), **settings)
    assert weights(resumed.model) == weights(whole.model)


@pytest.mark.parametrize("options", [{"eval_steps": 5}, {}, {"gradient_accumulation": 2, "eval_steps": 3}])
def test_an_interrupted_fit_goes_on_to_the_same_weights(base: Path, options: dict[str, int]) -> None:
    train = Path("train.csv")
    whole = run(train, base, output=Path("whole"), epochs=4.0, **options)
    part = "epoch 2 " if not options else "epoch 1."
    console = interrupt_at(part)
    with pytest.raises(Interrupted) as caught:
        run(train, base, console, output=Path("out"), epochs=4.0, **options)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert console.having("go on from it with --resume")
    assert complete_checkpoints()
    assert not Path("out").exists()
    console = Remembering()
    resumed = run(train, base, console, output=Path("out"), epochs=4.0, resume=True, **options)
    assert console.having("resumed from checkpoint-")
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.model / "metrics.json").read_text() == (whole.model / "metrics.json").read_text()
    assert not Path("out.unfinished").exists()


@pytest.mark.parametrize("last_step", [9, 18], ids=["of an epoch", "of the training"])
def test_a_signal_in_the_last_step_waits_for_the_evaluation(base: Path, last_step: int) -> None:
    """An epoch has 9 batches. A checkpoint without the evaluation would never be judged."""
    train = Path("train.csv")
    whole = run(train, base, output=Path("whole"), epochs=2.0)
    assert whole.steps == 18
    with pytest.raises(Interrupted):
        run(train, base, Stopping(last_step), output=Path("out"), epochs=2.0)
    resumed = run(train, base, output=Path("out"), epochs=2.0, resume=True)
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.model / "metrics.json").read_text() == (whole.model / "metrics.json").read_text()


@pytest.mark.parametrize("options", [{}, {"eval_steps": 5}], ids=["by epochs", "by steps"])
def test_a_training_loss_is_of_all_steps_whoever_made_them(base: Path, options: dict[str, int]) -> None:
    """An epoch has 9 batches; the fit is stopped twice within the first one."""
    train = Path("train.csv")
    whole = run(train, base, output=Path("whole"), epochs=2.0, **options)
    for resume in (False, True):
        with pytest.raises(Interrupted):
            run(train, base, Stopping(3, 7), output=Path("out"), epochs=2.0, resume=resume, **options)
    assert Path("out.unfinished/checkpoint-7/trainer_state.json").exists()
    resumed = run(train, base, output=Path("out"), epochs=2.0, resume=True, **options)
    history, expected = (
        json.loads((summary.model / "metrics.json").read_text())["history"] for summary in (resumed, whole)
    )
    assert history == expected
    assert history[0]["train_loss"] is not None


def test_without_a_name_the_newest_unfinished_fit_of_the_same_job_goes_on(base: Path) -> None:
    train = Path("train.csv")
    for seed in (1, 2):
        with pytest.raises(Interrupted):
            run(train, base, interrupt_at("epoch 1 "), seed=seed)
    left = {path.name for path in Path("models").iterdir()}
    resumed = run(train, base, seed=1, resume=True)
    assert f"{resumed.model.name}.unfinished" in left
    assert Path("models/latest").resolve() == resumed.model.resolve()
    with pytest.raises(ConfigError, match="no unfinished fit of this job"):
        run(train, base, seed=3, resume=True)


def test_an_unfinished_fit_is_neither_overwritten_nor_taken_for_another_job(base: Path) -> None:
    train = Path("train.csv")
    with pytest.raises(Interrupted):
        run(train, base, interrupt_at("epoch 1 "), output=Path("out"))
    with pytest.raises(OutputRefused, match="--resume"):
        run(train, base, output=Path("out"))
    with pytest.raises(ConfigError, match="different: learning_rate"):
        run(train, base, output=Path("out"), resume=True, learning_rate=1e-5)
    write_reviews(train, 80, seed=1)
    with pytest.raises(ConfigError, match="different: files"):
        run(train, base, output=Path("out"), resume=True)
    assert complete_checkpoints()
    run(train, base, output=Path("out"), force=True)
    assert not Path("out.unfinished").exists()


def test_another_base_model_of_the_same_name_is_another_job(base: Path) -> None:
    own = Path(shutil.copytree(base, "own"))
    train = Path("train.csv")
    with pytest.raises(Interrupted):
        run(train, own, Stopping(8), output=Path("out"), epochs=4.0, eval_steps=7)
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-6}))
    with pytest.raises(ConfigError, match="different: base_model"):
        run(train, own, output=Path("out"), epochs=4.0, eval_steps=7, resume=True)


def test_a_precision_that_this_machine_has_not_costs_no_checkpoint(base: Path) -> None:
    """A card that is not seen today: to begin anew is no advice, which `scorer run` would follow."""
    settings = {"output": Path("out"), "epochs": 4.0, "eval_steps": 7}
    with pytest.raises(Interrupted):
        run(Path("train.csv"), base, Stopping(8), precision="fp32", **settings)
    with pytest.raises(
        ConfigError, match=r"\(different: precision\): begun in fp32, and this machine would go on in bf16; run again"
    ) as told:
        run(Path("train.csv"), base, resume=True, precision="bf16", **settings)
    assert ANEW not in str(told.value)


def test_a_fit_that_held_out_other_rows_does_not_go_on(base: Path) -> None:
    """As one that an earlier version began, to which two spellings of a text were two texts."""
    train = Path("train.csv")
    rows = [(text, mood) for text, mood in reviews(80)]
    write_csv(train, ("sentence", "score"), [*rows, (f"{rows[0][0].upper()} !", rows[0][1])])
    settings = {"output": Path("out"), "epochs": 4.0, "eval_steps": 7}
    with pytest.raises(Interrupted):
        run(train, base, Stopping(8), **settings)
    job = next(path for path in Path("out.unfinished").glob("*.json") if "held_out" in path.read_text())
    kept = job.read_text()
    job.write_text(json.dumps({name: value for name, value in json.loads(kept).items() if name != "held_out"}))
    with pytest.raises(ConfigError, match=f"different: held_out.*{ANEW}"):
        run(train, base, resume=True, **settings)
    job.write_text(kept)
    run(train, base, resume=True, **settings)


def forget(name: str) -> str:
    """Take `name` out of the description of the interrupted job, as a version before had none; the description."""
    path = Path("out.unfinished/job.json")
    kept = path.read_text()
    job = json.loads(kept)
    del job[name]
    path.write_text(json.dumps(job))
    return kept


@pytest.mark.filterwarnings("ignore")  # what this architecture warns of itself
def test_a_fit_that_had_other_depths_does_not_go_on(tmp_path: Path) -> None:
    train, base = Path("train.csv"), make_architecture(tmp_path / "bloom", "bloom")
    settings = {"output": Path("out"), "epochs": 2.0, "eval_steps": 7, "layer_decay": 0.9}
    with pytest.raises(Interrupted):
        run(train, base, Stopping(8), **settings)
    kept = forget("depths")
    with pytest.raises(ConfigError, match=f"different: depths.*{ANEW}"):
        run(train, base, resume=True, **settings)
    Path("out.unfinished/job.json").write_text(kept)
    assert run(train, base, resume=True, **settings).model == Path("out")


def test_an_adaptation_that_counted_tokens_otherwise_does_not_go_on(base: Path) -> None:
    texts = write_texts(Path("texts.csv"), 100)
    settings = {"output": Path("out"), "epochs": 2.0, "eval_steps": 2, "gradient_accumulation": 2}
    with pytest.raises(Interrupted):
        adapt(texts, base, Stopping(3), **settings)
    forget("step")
    with pytest.raises(ConfigError, match=f"different: step.*{ANEW}"):
        adapt(texts, base, resume=True, **settings)
    with pytest.raises(Interrupted):
        adapt(texts, base, Stopping(3), force=True, **settings | {"gradient_accumulation": 1})
    assert "step" not in json.loads(Path("out.unfinished/job.json").read_text()), "a batch alone counts as before"


@pytest.mark.parametrize("force", [False, True])
def test_a_model_that_appeared_during_a_fit_is_not_replaced_without_force(base: Path, force: bool) -> None:
    def another(line: str) -> None:
        if "fitting" in line:
            shutil.copytree(base, "out")

    settings = {"output": Path("out"), "epochs": 1.0, "eval_steps": 7, "force": force}
    if force:
        run(Path("train.csv"), base, Remembering(another), **settings)
        assert Path("out/scorer.json").exists()
        return
    with pytest.raises(OutputRefused, match="appeared while this was made"):
        run(Path("train.csv"), base, Remembering(another), **settings)
    assert not Path("out/scorer.json").exists()
    shutil.rmtree("out")
    run(Path("train.csv"), base, **settings, resume=True)
    assert Path("out/scorer.json").exists()


def test_a_default_said_aloud_is_the_same_job(base: Path) -> None:
    train = Path("train.csv")
    with pytest.raises(Interrupted):
        run(train, base, interrupt_at("epoch 1 "), output=Path("out"))
    with pytest.raises(ConfigError, match="different: valid_fraction"):
        run(train, base, output=Path("out"), resume=True, valid_fraction=0.2)
    assert run(train, base, output=Path("out"), resume=True, valid_fraction=0.1).model == Path("out")


def test_a_checkpoint_that_was_cut_short_is_not_used(base: Path) -> None:
    train = Path("train.csv")
    whole = run(train, base, output=Path("whole"), epochs=3.0)
    with pytest.raises(Interrupted):
        run(train, base, interrupt_at("epoch 2 "), output=Path("out"), epochs=3.0)
    newest = max(complete_checkpoints(), key=lambda path: path.stat().st_mtime_ns)
    newest.write_text(newest.read_text()[:100])
    resumed = run(train, base, output=Path("out"), epochs=3.0, resume=True)
    assert weights(resumed.model) == weights(whole.model)


def test_a_fit_that_had_stopped_early_does_not_train_on(base: Path) -> None:
    train, settings = Path("train.csv"), {"epochs": 9.0, "learning_rate": 1e-9, "patience": 1}
    whole = run(train, base, output=Path("whole"), **settings)
    fail_to_write(train, base, settings)
    console = Remembering()
    resumed = run(train, base, console, output=Path("out"), resume=True, **settings)
    assert not console.having("train loss")
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.steps, resumed.kept_step) == (whole.steps, whole.kept_step)
    assert console.having("stopped at"), "a person who did not see the first run is told, too"


def test_a_fit_that_had_ended_within_an_epoch_does_not_train_on(base: Path) -> None:
    train, settings = Path("train.csv"), {"max_steps": 4, "schedule": "constant", "learning_rate": 1e-3}
    whole = run(train, base, output=Path("whole"), **settings)
    fail_to_write(train, base, settings)
    resumed = run(train, base, output=Path("out"), resume=True, **settings)
    assert (resumed.steps, resumed.epochs) == (whole.steps, whole.epochs)
    assert whole.epochs % 1, "it ends within an epoch"
    assert weights(resumed.model) == weights(whole.model)


def test_a_fit_that_diverges_says_so_and_leaves_nothing(base: Path) -> None:
    with pytest.raises(ConfigError, match=r"diverged.*--learning-rate"):
        run(Path("train.csv"), base, output=Path("out"), learning_rate=1e30, max_grad_norm=0.0)
    assert {path.name for path in Path().iterdir()} == {"train.csv"}
