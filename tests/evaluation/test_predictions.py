"""Cross-validation: no row is judged by a model that has seen it, and nothing but the answers is left."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from scorer.checking.repeats import normalised
from scorer.classifier.base_model import DEFAULT_BASE_MODEL
from scorer.classifier.directory import open_model
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.config import EvaluateConfig
from scorer.errors import DataError, Interrupted, ModelError, UsageError
from scorer.evaluation.evaluate_preparation import prepare_evaluation
from scorer.evaluation.predictions import fit_config, predict, predict_by_folds
from scorer.training.fitting import fit_and_write
from tests.architectures import make_architecture
from tests.evaluation.fitted import make_fitted, run, texts
from tests.training.fits import Remembering, write_csv


def labelled(count: int) -> list[tuple[str, int]]:
    return [(text, 1 + 4 * (number % 2)) for number, text in enumerate(texts(count))]


def test_every_row_is_judged_by_a_model_that_has_not_seen_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_fitted(tmp_path / "model", ("1", "5"))
    rows = [(text, 1 + 4 * (number % 2)) for number, text in enumerate(texts(24))]
    again = [(f" {text.upper()} !", label) for text, label in rows[:6]]
    data = write_csv(tmp_path / "data.csv", ("sentence", "score"), [*rows, *again])
    seen, judged = [], []

    def fit(config, training, output, console, *, latest):
        train, valid = (set(map(normalised, side.texts[0])) for side in (training.train, training.valid))
        assert not train & valid
        seen.append(train | valid)
        assert not latest
        return fit_and_write(config, training, output, console, latest=latest)

    def ask(config, directory, examples, console):
        judged.append(examples.texts[0])
        return predict(config, directory, examples, console)

    console = Remembering()
    config = EvaluateConfig(data=str(data), model=str(model), precision="fp32", device="cpu")
    predicted = predict_by_folds(prepare_evaluation(config, Remembering()), 2, console, fit=fit, predict=ask)
    assert len(predicted.predictions.logits) == 30
    assert sorted(text for part in judged for text in part) == sorted(text for text, _ in [*rows, *again])
    assert all(not known.intersection(map(normalised, part)) for known, part in zip(seen, judged, strict=True))
    assert len(console.having("fold ")) == 2
    # The model is of the rows' own labels: it would be all right if it were asked itself.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "model"]


def test_what_is_found_is_of_all_rows_and_nothing_else_is_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_fitted(tmp_path / "model", ("1", "5"))
    rows = [(text, 1 + 4 * (number % 2)) for number, text in enumerate(texts(30))]
    found = run(write_csv(tmp_path / "data.csv", ("sentence", "score"), rows), model, folds=2)
    assert (found.findings.metrics.rows, found.as_dict()["folds"]) == (30, 2)
    assert [int(number) for number in found.findings.numbers] == [*range(1, 31)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "model"]


@pytest.mark.filterwarnings("ignore")  # what this architecture warns of itself
@pytest.mark.parametrize("recorded", [{"layer_decay": 0.9}, {"freeze_layers": 1}, {"lora_rank": 2}])
def test_a_model_that_can_no_longer_be_fitted_as_it_was_is_told(tmp_path: Path, monkeypatch, recorded) -> None:
    """As an earlier version fitted T5."""
    monkeypatch.chdir(tmp_path)
    model = make_fitted(tmp_path / "model", ("1", "5"), base=make_architecture(tmp_path / "t5", "t5"))
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    dataclasses.replace(metadata, training={**metadata.training, **recorded}).write(model)
    data = write_csv(tmp_path / "data.csv", ("sentence", "score"), labelled(24))
    [name] = recorded
    with pytest.raises(ModelError, match=rf"model: was fitted in a way .*--{name.replace('_', '-')} .*; fit it anew$"):
        run(data, model, folds=2)


def test_a_setting_of_the_evaluation_itself_is_no_fault_of_the_model(tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ("1", "5"))
    data = write_csv(tmp_path / "data.csv", ("sentence", "score"), labelled(24))
    prepared = prepare_evaluation(EvaluateConfig(data=str(data), model=str(model)), Remembering())

    def fit(*_: object, **__: object) -> None:
        raise UsageError("--device cuda:1: a fit uses the first visible GPU")

    with pytest.raises(UsageError, match="--device"):
        predict_by_folds(prepared, 2, Remembering(), fit=fit)


def test_a_label_of_one_row_is_in_no_model_that_judges_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_fitted(tmp_path / "model", ("1", "2", "5"))
    rows = [(text, 5 if number == 3 else 1 + number % 2) for number, text in enumerate(texts(24))]
    found = run(write_csv(tmp_path / "data.csv", ("sentence", "score"), rows), model, folds=2)
    assert [label.support for label in found.findings.metrics.labels] == [12, 11, 1]


def test_rows_of_several_labels_are_judged_under_the_thresholds_of_the_model(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_fitted(tmp_path / "model", ("anger", "joy", "love"), multi=True)
    rows = [(text, ("anger|joy", "joy", "love")[number % 3]) for number, text in enumerate(texts(24))]
    found = run(write_csv(tmp_path / "data.csv", ("sentence", "score"), rows), model, folds=2)
    assert [label.support for label in found.findings.metrics.labels] == [8, 16, 8]
    assert found.findings.decision.thresholds == (0.4,) * 3
    assert len(found.temperature) == 3, "each label has its own, the mean of the folds"


def test_a_signal_ends_it_at_once_and_leaves_nothing(fitted: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    data = write_csv(tmp_path / "d.csv", ("sentence", "score"), [(text, 1) for text in texts(12)])
    console = Remembering(lambda line: os.kill(os.getpid(), signal.SIGTERM) if "fold 1" in line else None)
    with pytest.raises(Interrupted, match="nothing was written") as stopped:
        run(data, fitted, console, folds=2, rows=tmp_path / "rows.csv")
    assert stopped.value.exit_code == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "temporary"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_fewer_texts_than_folds(fitted: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "d.csv", ("sentence", "score"), [("a", 1), ("a", 1), ("b", 5)])
    with pytest.raises(DataError, match="2 different texts do not make 3 folds"):
        run(data, fitted, folds=3)


def fitted_with(training: dict[str, object]) -> ModelMetadata:
    """What a model says that was fitted with the options `training`."""
    return ModelMetadata(
        base_model=DEFAULT_BASE_MODEL,
        text_columns=("a",),
        label_column="b",
        labels=LabelSet(("x", "y"), "string"),
        max_length=64,
        long_text=LongText("window", 16, "max"),
        training=training,
    )


def test_a_fold_is_fitted_as_the_model_was() -> None:
    metadata = fitted_with(
        {"epochs": 1.5, "learning_rate": 3e-5, "limit": 10, "seed": 7, "device": "cuda", "of_tomorrow": 1}
    )
    config = fit_config(metadata, EvaluateConfig(data="d.csv", device="cpu"))
    assert (config.epochs, config.learning_rate, config.seed, config.max_length) == (1.5, 3e-5, 7, 64)
    assert (config.limit, config.device, config.base_model) == (None, "cpu", None)
    assert LongText.of(config) == metadata.long_text


@pytest.mark.parametrize(("recorded", "expected"), [({"valid_fraction": 0.25}, 0.25), ({}, 0.1)])
def test_a_fold_holds_out_as_much_as_the_model_did(recorded: dict[str, object], expected: float) -> None:
    """A model with a validation file of its own says nothing of a share."""
    assert fit_config(fitted_with(recorded), EvaluateConfig(data="d.csv")).held_out == expected


def test_the_base_model_of_a_directory_is_found_again(fitted: Path) -> None:
    metadata = open_model(str(fitted)).metadata
    assert metadata is not None
    assert fit_config(metadata, EvaluateConfig(data="d.csv")).base_model == str(fitted)


@pytest.mark.parametrize(
    ("recorded", "asked", "expected"),
    [
        ("bf16", "auto", "bf16"),
        ("fp32", "fp16", "fp32"),
        ("fp16", "auto", "auto"),
        ("fp16", "fp32", "fp32"),
        ("fp16", "fp16", "auto"),
    ],
)
def test_the_precision_of_a_fold_suits_this_device(recorded: str, asked: str, expected: str) -> None:
    """A model that a GPU fitted in fp16 can be judged by folds on a CPU, which cannot train in it."""
    metadata = fitted_with({"precision": recorded})
    assert fit_config(metadata, EvaluateConfig(data="d.csv", precision=asked)).precision == expected


def test_folds_of_a_model_that_had_a_teacher_are_told_to_have_none(tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ("1", "5"))
    rows = [(text, 1 + 4 * (number % 2)) for number, text in enumerate(texts(24))]
    data = write_csv(tmp_path / "data.csv", ("sentence", "score"), rows)
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    dataclasses.replace(metadata, teacher={"name": "large", "fingerprint": "f"}).write(model)
    for folds, told in ((2, True), (None, False)):
        config = EvaluateConfig(data=str(data), model=str(model), folds=folds)
        warnings = prepare_evaluation(config, Remembering()).warnings
        assert any("had a teacher" in warning for warning in warnings) == told
