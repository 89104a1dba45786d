"""From files of texts to a base model that a fit takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from scorer.classifier.directory import open_model
from scorer.classifier.loading import load
from scorer.errors import ConfigError, DataError, Interrupted, ModelError, OutputRefused, UsageError
from scorer.runs.console import Counter
from tests.adapting.adaptations import run, write_texts
from tests.conftest import ROOT
from tests.training.fits import Remembering, weights, write_reviews
from tests.training.fits import run as fit

ADAPT = """
import sys; from pathlib import Path
from tests.adapting.adaptations import run
run(Path("texts.csv"), Path(sys.argv[1]), epochs=6.0)
"""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.csv", 160)


def test_an_adapted_model_knows_its_texts_better_and_a_fit_takes_it(tiny_model, texts):
    console = Remembering()
    found = run(texts, tiny_model("bert"), console, epochs=4.0)
    assert found.new_head
    assert console.having("of a head that nobody has trained")
    assert found.after["loss"] < found.before["loss"] - 0.5
    assert found.after["accuracy"] > found.before["accuracy"]
    assert found.before["tokens"] == found.after["tokens"] > 50
    document = json.loads((found.model / "adapt.json").read_text())
    assert document["after"] == found.after
    assert len(document["history"]) > 3
    page = (found.model / "report.html").read_text()
    assert "nobody had trained it" in page
    assert not Path("out.unfinished").exists()
    assert not Path("models").exists(), "models/latest is for classifiers"
    fitted = fit(write_reviews(Path("train.csv"), 60), found.model, output=Path("fitted"), epochs=1.0)
    assert fitted.metrics["rows"] > 0
    again = run(texts, found.model, output=Path("again"), max_steps=1)
    assert not again.new_head
    assert again.before["loss"] == pytest.approx(found.after["loss"], rel=1e-3)


def test_no_texts_are_scored_by_what_is_no_classifier_yet(tiny_model, texts):
    found = run(texts, tiny_model("bert"), max_steps=1)
    with pytest.raises(ModelError, match="scorer fit TRAIN --base-model out"):
        load(open_model(str(found.model)))


def test_a_model_from_nothing(texts):
    shape = {"vocab_size": 200, "layers": 1, "hidden": 32, "heads": 2}
    console = Remembering()
    found = run(texts, None, console, from_scratch=True, epochs=3.0, **shape)
    assert console.having("of weights that nobody has trained")
    assert found.vocabulary == 200
    assert found.after["loss"] < found.before["loss"] - 0.5
    config = json.loads((found.model / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"], config["max_position_embeddings"]) == (1, 32, 32)
    fit(write_reviews(Path("train.csv"), 60), found.model, output=Path("fitted"), epochs=1.0)
    same = run(texts, None, from_scratch=True, epochs=3.0, output=Path("same"), **shape)
    assert weights(same.model) == weights(found.model)


def test_what_is_measured_on_is_not_learned_from(tiny_model, texts):
    some = write_texts(Path("some.csv"), 40)
    lines = texts.read_text().splitlines() + some.read_text().splitlines()[1:]
    texts.write_text("\n".join(lines))
    console = Remembering()
    found = run(texts, tiny_model("bert"), console, valid=some, valid_fraction=None, max_steps=1)
    assert (found.texts_measured_on, found.texts + found.texts_left_out) == (40, 200)
    assert found.texts_left_out >= 40
    assert console.having("are not learned from")


def test_next_parts_and_whole_words(tiny_model, texts):
    found = run(texts, tiny_model("bert"), nsp=True, whole_words=True, epochs=2.0)
    assert 0.0 <= found.after["next_accuracy"] <= 1.0
    assert found.after["loss"] < found.before["loss"]


def test_characters_that_the_base_model_lacks_get_tokens(tiny_model, tmp_path):
    lines = "".join(f"房间很大 位置 {number} 早餐丰富\n" for number in range(200))
    (tmp_path / "zh.csv").write_text("text\n" + lines, encoding="utf-8")
    found = run(tmp_path / "zh.csv", tiny_model("bert"), max_steps=2)
    assert found.new_tokens >= 7
    assert found.unknown_share == 0.0
    bare = run(tmp_path / "zh.csv", tiny_model("bert"), max_steps=2, extend_vocabulary=False, output=Path("bare"))
    assert bare.new_tokens == 0
    assert bare.unknown_share > 0.3


@pytest.mark.parametrize("options", [{}, {"nsp": True}], ids=["blocks", "pairs"])
def test_texts_of_which_nothing_is_spelt_are_refused(tiny_model, tmp_path, options):
    lines = "".join(f"ክፍሉ ጥሩ ነው\u2029ቁርሱ ጣፋጭ {chr(0x1369 + number % 9)} ነበር\n" for number in range(60))
    (tmp_path / "am.csv").write_text("text\n" + lines, encoding="utf-8")
    with pytest.raises(DataError, match=r"the vocabulary spells nothing of them.*--extend-vocabulary.*--from-scratch"):
        run(tmp_path / "am.csv", tiny_model("bert"), extend_vocabulary=False, **options)
    assert run(tmp_path / "am.csv", tiny_model("bert"), max_steps=1, **options).new_tokens > 5


def test_a_stretch_of_texts_that_are_not_spelt_harms_nothing(tiny_model, texts):
    """Whole batches have nothing to hide then, and the mean of nothing is no number."""
    texts.write_text("text\n" + "ክፍሉ ጥሩ ነው\n" * 400 + texts.read_text().partition("\n")[2], encoding="utf-8")
    found = run(texts, tiny_model("bert"), extend_vocabulary=False, epochs=1.0, batch_size=1)
    assert found.after["loss"] < found.before["loss"]


class Stopping(Remembering):
    """A console whose progress bar sends this process SIGTERM at one of `steps` of the training."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self._steps = steps

    @contextmanager
    def progress(self, description: str, *_: object) -> Iterator[Counter]:
        yield _Counter(self._steps if description == "training" else ())


class _Counter:
    def __init__(self, steps: tuple[int, ...]) -> None:
        self._steps, self._done = steps, 0

    def update(self, n: float = 1) -> None:
        self._done += int(n)
        if n == 1 and self._done in self._steps:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("options", [{}, {"nsp": True, "gradient_accumulation": 2}], ids=["blocks", "pairs"])
def test_an_interrupted_run_goes_on_to_the_same_weights(tiny_model, texts, options):
    base = tiny_model("bert")
    whole = run(texts, base, output=Path("whole"), epochs=2.0, **options)
    for resume in (False, True):
        with pytest.raises(Interrupted):
            run(texts, base, Stopping(4, 9), epochs=2.0, resume=resume, **options)
    console = Remembering()
    resumed = run(texts, base, console, epochs=2.0, resume=True, **options)
    assert console.having("resumed from checkpoint-9")
    assert weights(resumed.model) == weights(whole.model)
    ours, theirs = (json.loads((found.model / "adapt.json").read_text()) for found in (resumed, whole))
    assert ours == theirs


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tiny_model, texts):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", ADAPT, str(tiny_model("bert"))], env=environment)
    deadline = time.monotonic() + 120
    while not list(Path().glob("out.unfinished/checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the run ended by itself"
    resumed = run(texts, tiny_model("bert"), epochs=6.0, resume=True)
    whole = run(texts, tiny_model("bert"), epochs=6.0, output=Path("whole"))
    assert weights(resumed.model) == weights(whole.model)


def test_minutes_bound_a_run_and_what_they_came_to_is_kept(tiny_model, texts):
    console = Remembering()
    found = run(texts, tiny_model("bert"), console, epochs=1e6, minutes=0.02)
    assert console.having("steps in 0.02 minutes")
    assert 0 < found.steps <= found.planned_steps < 1e5


def test_an_unfinished_run_is_of_one_job_and_an_output_is_not_replaced(tiny_model, texts):
    base = tiny_model("bert")
    with pytest.raises(Interrupted):
        run(texts, base, Stopping(3))
    with pytest.raises(OutputRefused, match="--resume"):
        run(texts, base)
    with pytest.raises(ConfigError, match="different: learning_rate"):
        run(texts, base, resume=True, learning_rate=1e-5)
    write_texts(texts, 160, seed=9)
    with pytest.raises(ConfigError, match="different: files"):
        run(texts, base, resume=True)
    run(texts, base, force=True, max_steps=1)
    with pytest.raises(OutputRefused, match="exists already"):
        run(texts, base, max_steps=1)
    run(texts, base, force=True, max_steps=2)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"from_scratch": True}, UsageError, "--base-model"),
        ({"layers": 2}, UsageError, "--layers: is of a model --from-scratch"),
        ({"valid_fraction": 1.0}, UsageError, "--valid-fraction"),
        ({"minutes": 0.0}, UsageError, "--minutes"),
        ({"epochs": 0.0}, UsageError, "--epochs"),
        ({"base_model": None, "from_scratch": True, "hidden": 30, "heads": 4}, UsageError, "not a multiple"),
        ({"learning_rate": 1e30, "max_grad_norm": 0.0}, ConfigError, "diverged"),
        ({"valid_fraction": 1e-9}, DataError, "to measure on"),
    ],
)
def test_what_is_wrong_is_said_and_leaves_nothing(tiny_model, texts, options, error, told):
    with pytest.raises(error, match=told):
        run(texts, tiny_model("bert"), **options)
    assert {path.name for path in Path().iterdir()} == {"texts.csv"}


def test_the_command_reads_folders_of_several_files(run_scorer, tiny_model, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_texts(tmp_path / "in" / f"{number}.csv", 60, seed=number)
    arguments = ("--base-model", tiny_model("bert"), "-o", "out", "--max-length", 32, "--max-steps", 3)
    done = run_scorer("adapt", "in", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["texts"] + summary["texts_measured_on"] == 180
    assert "scorer fit" in done.stderr
