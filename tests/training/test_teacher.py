"""What a teacher says is learned: asked once, kept for a fit that goes on, of the same labels in whatever order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import FrameConfig
from scorer.errors import ConfigError, Interrupted, ModelError, UsageError
from scorer.scoring.frames import FrameScorer
from scorer.scoring.scorer import Scorer
from scorer.training import teacher as teaching
from scorer.training.losses import Distilled, Loss, SoftCrossEntropy
from scorer.training.teacher import KEPT, Teacher
from tests.conftest import ROOT, TinyModel
from tests.models import make_model
from tests.training.fits import Remembering, reviews, run, weights, write_csv, write_reviews
from tests.training.test_resume import interrupt_at

NAMED = {"bad": "bad", "good": "good"}
FIT = """
import sys; from pathlib import Path
from tests.training.fits import run
run(Path("train.csv"), Path(sys.argv[1]), output=Path("out"), teacher=sys.argv[2], epochs=8.0, eval_steps=7)
"""


@pytest.fixture(scope="module")
def taught(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows good from bad."""
    folder = tmp_path_factory.mktemp("teacher")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(write_reviews(folder / "train.csv", 200, labels=NAMED), tiny_model("bert"), output=folder / "t", epochs=3.0)
    return folder / "t"


@pytest.fixture
def base(tiny_model: TinyModel) -> Path:
    return tiny_model("bert")


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "train.csv", 80, labels=NAMED)


def labels(model: Path, texts: list[str]) -> list[object]:
    config = FrameConfig(model=str(model), device="cpu", precision="fp32")
    return FrameScorer(config).score_frame(pa.table({"sentence": texts}))["score"].to_pylist()


def test_a_student_that_heeds_its_teacher_alone_learns_what_wrong_labels_hide(base: Path, taught: Path) -> None:
    """Every label is turned: who learns them is wrong, who learns of the teacher is right."""
    turned = {"bad": "good", "good": "bad"}
    train = write_reviews(Path("turned.csv"), 160, seed=3, labels=turned)
    fresh = reviews(80, seed=9)
    right = {}
    for weight, name in ((1.0, "heeds"), (None, "alone")):
        options = {"teacher": str(taught), "teacher_weight": weight} if weight is not None else {}
        summary = run(train, base, output=Path(name), epochs=8.0, best_metric="loss", **options)
        found = labels(summary.model, [text for text, _ in fresh])
        right[name] = np.mean([label == mood for label, (_, mood) in zip(found, fresh, strict=True)])
    assert right["alone"] < 0.2
    assert right["heeds"] > 0.5


def test_what_the_model_says_of_its_teacher(base: Path, taught: Path) -> None:
    summary = run(Path("train.csv"), base, output=Path("out"), teacher=str(taught), layers=1)
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    assert metadata.teacher == Teacher.of(str(taught), metadata.labels).record
    assert metadata.teacher["name"] == "t"
    assert (metadata.training["layers"], metadata.training["teacher_weight"]) == (1, 0.5)
    card = (summary.model / "README.md").read_text()
    assert "(its lowest layer), taught by t with" in card
    assert "--teacher t" in card
    assert "--layers 1" in card
    assert "teacher" in (summary.model / "report.html").read_text()
    assert str(taught.parent) not in card + (summary.model / "scorer.json").read_text()


def test_the_labels_may_stand_in_another_order(tmp_path: Path, taught: Path) -> None:
    other = make_model(tmp_path / "other", labels=("good", "bad"))
    of_rows = LabelSet.from_values(["bad", "good"])
    assert Teacher.of(str(other), of_rows).places == (1, 0)
    assert Teacher.of(str(taught), of_rows).places == (0, 1)


def test_answers_are_the_logits_in_the_order_of_the_labels(base: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "other", labels=("good", "bad"))
    kept = []

    def keep(line: str) -> None:
        if "epoch 1 " in line:
            kept.append(np.load(Path("out.unfinished") / KEPT))

    run(Path("train.csv"), base, Remembering(keep), output=Path("out"), teacher=str(other))
    texts = [text for text, _ in reviews(80)]
    spec = FrameConfig(model=str(other), device="cpu", precision="fp32", probabilities=True)
    rows = FrameScorer(spec).score_texts(texts)
    told = {round(np.log(row["probabilities"]["good"] / row["probabilities"]["bad"]), 3) for row in rows}
    for bad, good in kept[0]:
        assert any(abs(good - bad - value) < 2e-2 for value in told)


@pytest.mark.parametrize(
    ("known", "match"),
    [
        (("bad", "fine"), "other labels than those of the rows: it lacks 'good'; the rows lack 'fine'"),
        (("bad", "good", "so so"), "the rows lack 'so so'"),
        (("a", "b", "c", "d", "bad", "good"), "'a', 'b', 'c' and 1 more"),
    ],
)
def test_other_labels_are_refused(base: Path, tmp_path: Path, known: tuple[str, ...], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        run(Path("train.csv"), base, output=Path("out"), teacher=str(make_model(tmp_path / "other", labels=known)))
    assert not Path("out.unfinished").exists()


def test_other_kinds_of_labels_are_refused(base: Path, taught: Path) -> None:
    several = write_csv(Path("several.csv"), ("text", "label"), [(text, f'["{mood}"]') for text, mood in reviews(60)])
    with pytest.raises(UsageError, match="gives one label a row, and the rows have several labels a row"):
        run(several, base, teacher=str(taught))
    numbers = write_csv(Path("n.csv"), ("text", "price"), [(text, len(text)) for text, _ in reviews(60)])
    with pytest.raises(UsageError, match="gives one label a row, and the rows have numbers"):
        run(numbers, base, regression=True, label_column="price", teacher=str(taught))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"teacher_weight": 0.3}, "--teacher-weight: has no effect without --teacher"),
        ({"teacher_temperature": 3.0}, "--teacher-temperature: has no effect without --teacher"),
        ({"teacher": "t", "teacher_weight": 1.5}, "--teacher-weight 1.5: a share"),
        ({"teacher": "t", "teacher_weight": 0.0}, "--teacher-weight 0.0: a share"),
        ({"teacher": "t", "teacher_temperature": 0.0}, "--teacher-temperature 0.0: more than 0"),
    ],
)
def test_what_means_nothing_is_refused(base: Path, options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        run(Path("train.csv"), base, **options)


def test_a_teacher_that_is_none_is_refused(base: Path) -> None:
    with pytest.raises(ModelError, match="no such model directory"):
        run(Path("train.csv"), base, teacher="nowhere/to/be/found")


def test_a_killed_fit_goes_on_to_the_same_weights_and_does_not_ask_again(
    base: Path, taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", FIT, str(base), str(taught)], env=environment)
    deadline = time.monotonic() + 60
    while not list(Path("out.unfinished").glob("checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the fit ended by itself"
    settings = {"epochs": 8.0, "eval_steps": 7, "teacher": str(taught)}
    whole = run(Path("train.csv"), base, output=Path("whole"), **settings)
    monkeypatch.setattr(Scorer, "build", lambda *_: pytest.fail("asked again"))
    console = Remembering()
    resumed = run(Path("train.csv"), base, console, output=Path("out"), resume=True, **settings)
    assert console.having("resumed from checkpoint-")
    assert not console.having("asking the teacher")
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.model / "metrics.json").read_text() == (whole.model / "metrics.json").read_text()


@pytest.mark.parametrize("damage", [b"no array", None])
def test_answers_that_were_lost_are_asked_for_again(base: Path, taught: Path, damage: bytes | None) -> None:
    settings = {"epochs": 3.0, "teacher": str(taught), "output": Path("out")}
    with pytest.raises(Interrupted):
        run(Path("train.csv"), base, interrupt_at("epoch 1 "), **settings)
    answers = Path("out.unfinished") / KEPT
    if damage is None:
        answers.unlink()
    else:
        answers.write_bytes(damage)
    console = Remembering()
    resumed = run(Path("train.csv"), base, console, resume=True, **settings)
    assert console.having("asking the teacher")
    whole = run(Path("train.csv"), base, **settings | {"output": Path("whole")})
    assert weights(resumed.model) == weights(whole.model)


def test_another_teacher_is_another_fit(base: Path, taught: Path, tmp_path: Path) -> None:
    settings = {"epochs": 4.0, "output": Path("out")}
    with pytest.raises(Interrupted):
        run(Path("train.csv"), base, interrupt_at("epoch 2 "), teacher=str(taught), **settings)
    for name in (str(make_model(tmp_path / "other", labels=("bad", "good"))), None):
        with pytest.raises(ConfigError, match="different: teacher"):
            run(Path("train.csv"), base, resume=True, teacher=name, **settings)


def test_a_signal_while_the_teacher_is_asked_ends_the_fit(
    base: Path, taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = teaching.scores_of

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return asked(*arguments, **options)

    monkeypatch.setattr(teaching, "scores_of", interrupted)
    with pytest.raises(Interrupted):
        run(Path("train.csv"), base, output=Path("out"), teacher=str(taught))
    assert not Path("out").exists()


def test_several_labels_pairs_windows_and_numbers_have_teachers(base: Path) -> None:
    """Each is taught by a model of its own kind, which must change what is learned."""
    rows = reviews(60)
    lists = [(text, f'["{mood}"]' if number % 5 else "[]") for number, (text, mood) in enumerate(rows)]
    worth = [(text, 900 + 7 * len(text) + 40 * (mood == "good")) for text, mood in rows]
    several = write_csv(Path("several.csv"), ("text", "label"), lists)
    pairs = write_csv(Path("pairs.csv"), ("a", "b", "label"), [(text, "great food", mood) for text, mood in rows])
    prices = write_csv(Path("prices.csv"), ("text", "price"), worth)
    kinds = {
        "several": (several, {}),
        "pairs": (pairs, {"text_column": ("a", "b"), "label_column": "label"}),
        "windows": (Path("train.csv"), {"long_text": "window", "max_length": 8, "stride": 2}),
        "numbers": (prices, {"regression": True, "label_column": "price", "learning_rate": 3e-3}),
    }
    for name, (train, options) in kinds.items():
        teacher = run(train, base, output=Path(f"{name}-teacher"), epochs=3.0, **options).model
        plain = run(train, base, output=Path(f"{name}-plain"), max_steps=4, **options)
        student = run(train, base, output=Path(f"{name}-student"), max_steps=4, teacher=str(teacher), **options)
        assert weights(student.model) != weights(plain.model), name
        metadata = ModelMetadata.read(student.model)
        assert metadata is not None
        assert metadata.teacher is not None


def test_several_seeds_learn_of_one_teacher_that_is_asked_once(base: Path, taught: Path) -> None:
    console = Remembering()
    summary = run(Path("train.csv"), base, console, output=Path("out"), teacher=str(taught), seeds=2, max_steps=4)
    assert len(console.having("asking the teacher")) == 1
    assert len(summary.seeds) == 2


@pytest.mark.parametrize("multi", [False, True])
def test_soft_cross_entropy_is_the_formula_of_hinton(multi: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    logits, said = (torch.randn(6, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    found = SoftCrossEntropy(multi, 3.0)({"logits": logits}, said)
    if multi:
        p, q = 1 / (1 + np.exp(-said.numpy() / 3)), 1 / (1 + np.exp(-logits.numpy() / 3))
        slow = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean() * 9
    else:
        p, q = (np.exp(x.numpy() / 3) / np.exp(x.numpy() / 3).sum(1, keepdims=True) for x in (said, logits))
        slow = -(p * np.log(q)).sum(1).mean() * 9
    assert float(found) == pytest.approx(slow, rel=1e-5)


def test_batches_that_are_added_up_are_one_batch() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, said = torch.randn(6, 3, generator=draw), torch.randn(6, 3, generator=draw)
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    loss = Distilled(Loss(multi=False), SoftCrossEntropy(False, 2.0), 0.3)
    whole = loss.of(said)({"logits": logits}, targets, 6)
    parts = [loss.of(said[part])({"logits": logits[part]}, targets[part], 6) for part in (slice(0, 2), slice(2, 6))]
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-5)


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn_of_it() -> None:
    said = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    for multi in (False, True):
        logits = said.clone().requires_grad_()
        SoftCrossEntropy(multi, 2.0)({"logits": logits}, said).backward()
        assert logits.grad is not None
        assert float(logits.grad.abs().max()) < 1e-6
