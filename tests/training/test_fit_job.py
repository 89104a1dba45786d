"""The fit job on tiny models: what it writes, that it learns, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, pipeline

from scorer.classifier.directory import open_model
from scorer.classifier.loading import load
from scorer.classifier.metadata import ModelMetadata, sha256
from scorer.errors import ConfigError, DataError, InputMissing, ModelError, OutputRefused, ScorerError, UsageError
from tests.conftest import ROOT, TinyModel
from tests.models import ARCHITECTURES
from tests.training.fits import Remembering, reviews, run, weights, write_csv, write_reviews

BOTH_SIDES = {"valid": Path("train.csv"), "valid_fraction": 0.1}


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def base(tiny_model: TinyModel) -> Path:
    return tiny_model("bert")


def test_a_fit_learns_and_its_directory_opens_in_a_pipeline(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write_reviews(Path("train.csv"), 240)
    console = Remembering()
    summary = run(train, base, console, epochs=4.0, seed=2)
    assert summary.metrics["accuracy"] > 0.75
    told = summary.as_dict()
    assert (told["uncalibrated"].keys(), told["new_tokens"]) == ({"accuracy", "macro_f1", "nll", "ece", "brier"}, 0)
    assert json.loads(json.dumps(told))["findings"] == []
    assert summary.model.name.startswith("train-")
    assert Path("models/latest").resolve() == summary.model.resolve()
    assert not list(Path("models").glob("*.unfinished"))
    assert len(console.having("epoch ")) == 4
    assert capsys.readouterr() == ("", ""), "the console alone speaks"

    classify = pipeline("text-classification", model=str(summary.model), device="cpu", top_k=None)
    fresh = reviews(60, seed=9)
    found = classify([text for text, _ in fresh], truncation=True)
    expected = [{"bad": "1", "good": "5"}[mood] for _, mood in fresh]
    assert np.mean([answer[0]["label"] == label for answer, label in zip(found, expected, strict=True)]) > 0.75


def test_the_directory_says_what_it_is(base: Path) -> None:
    train = write_reviews(Path("train.csv"))
    summary = run(train, base, output=Path("out"), seed=7)
    metadata = ModelMetadata.read(Path("out"))
    assert metadata is not None
    metadata.verify(Path("out"), sha256)
    assert {"config.json", "model.safetensors", "tokenizer.json", "report.html", "metrics.json"} <= set(metadata.files)
    assert (metadata.text_columns, metadata.label_column) == (("sentence",), "score")
    assert (metadata.labels.values, metadata.max_length, metadata.base_model) == ((1, 5), 32, str(base))
    assert metadata.training["seed"] == 7
    assert metadata.training["precision"] == "fp32"
    assert metadata.training_data["train"]["rows"] + metadata.training_data["valid"]["rows"] == 120
    config = json.loads(Path("out/config.json").read_text())
    assert config["problem_type"] == "single_label_classification"
    assert config["id2label"] == {"0": "1", "1": "5"}
    assert config["label2id"] == {"1": 0, "5": 1}
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["confusion"] == summary.metrics["confusion"]
    assert metrics["decision"]["temperature"] == list(metadata.decision.temperature)
    assert len(metrics["history"]) == 2
    # Of so few rows, one temperature; out of fold it may miss by a little.
    assert metrics["calibration"] == {"chosen": "temperature", "out_of_fold_nll": {}}
    assert metrics["nll"] <= metrics["uncalibrated"]["nll"] + 0.01
    assert metadata.uncalibrated == metrics["uncalibrated"]
    assert metadata.uncalibrated.keys() | {"rows"} == metadata.metrics.keys()
    assert json.loads(json.dumps(summary.as_dict())) == summary.as_dict()
    assert "local_files_only" not in Path("out/tokenizer_config.json").read_text()
    assert Path("out/model.safetensors").stat().st_mode == Path("out/config.json").stat().st_mode


def test_metrics_are_those_of_the_written_model(base: Path) -> None:
    summary = run(write_reviews(Path("train.csv")), base, valid=write_reviews(Path("valid.csv"), 50, seed=4))
    loaded = load(open_model(str(summary.model)))
    tokenizer = AutoTokenizer.from_pretrained(summary.model)
    right = 0
    for text, mood in reviews(50, seed=4):
        logits = loaded.model(**tokenizer(text, truncation=True, max_length=32, return_tensors="pt")).logits
        right += loaded.labels.values[int(logits.argmax())] == {"bad": 1, "good": 5}[mood]
    assert summary.metrics["accuracy"] == pytest.approx(right / 50)
    assert summary.valid_rows == 50


def test_the_best_epoch_is_what_is_written(base: Path) -> None:
    restless = {"learning_rate": 0.05, "schedule": "constant", "seed": 1}
    summary = run(write_reviews(Path("train.csv")), base, epochs=5.0, best_metric="loss", **restless)
    written = json.loads((summary.model / "metrics.json").read_text())
    losses = [point["valid_loss"] for point in written["history"]]
    assert losses.index(min(losses)) < len(losses) - 1, "otherwise the last epoch was the best, and nothing is shown"
    assert written["uncalibrated"]["nll"] == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize(("eval_steps", "steps", "logged"), [(2, [2, 4, 5], [True, True, False]), (100, [5], [False])])
def test_an_evaluation_at_a_step_that_is_not_logged_has_no_training_loss(
    base: Path, eval_steps: int, steps: list[int], logged: list[bool]
) -> None:
    console = Remembering()
    summary = run(write_reviews(Path("train.csv"), 60), base, console, max_steps=5, eval_steps=eval_steps)
    history = json.loads((summary.model / "metrics.json").read_text())["history"]
    assert [point["step"] for point in history] == steps
    assert [point["train_loss"] is not None for point in history] == logged
    assert ["train loss" in line for line in console.having("valid loss")] == logged
    assert not console.having("loss nan")


def test_same_seed_same_weights(base: Path) -> None:
    train = write_reviews(Path("train.csv"))
    models = [run(train, base, output=Path(f"model-{n}"), seed=seed).model for n, seed in enumerate((3, 3, 4))]
    assert weights(models[0]) == weights(models[1])
    assert weights(models[0]) != weights(models[2])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_fits(tiny_model: TinyModel, architecture: str) -> None:
    train = write_reviews(Path("train.csv"), 40, labels={"bad": "neg", "good": "pos"})
    summary = run(train, tiny_model(architecture), max_steps=2, output=Path("out"))
    loaded = load(open_model("out"))
    assert loaded.labels.values == ("neg", "pos")
    assert summary.steps == 2


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_two_columns_are_a_pair(tiny_model: TinyModel, architecture: str) -> None:
    rows = [(text, text[::-1], mood == "good") for text, mood in reviews(40)]
    train = write_csv(Path("train.csv"), ("title", "body", "label"), [(a, b, str(c).lower()) for a, b, c in rows])
    summary = run(train, tiny_model(architecture), text_column=("title", "body"), max_steps=2)
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    assert metadata.text_columns == ("title", "body")
    assert metadata.labels.values == (False, True)


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_half_precision_trains_fp32_weights(base: Path, precision: str) -> None:
    summary = run(write_reviews(Path("train.csv"), 40), base, precision=precision, max_steps=3)
    assert summary.precision in ("bf16", "fp32")
    assert {parameter.dtype for parameter in load(open_model(str(summary.model))).model.parameters()} == {
        next(load(open_model(str(base))).model.parameters()).dtype
    }


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "cosine", "warmup": 3.0, "max_steps": 5, "eval_steps": 100},
        {"schedule": "polynomial", "gradient_accumulation": 3},
        {"schedule": "constant", "eval_steps": 4, "epochs": 1.5},
        {"best_metric": "accuracy", "max_grad_norm": 0.0, "eval_batch_size": 2, "epochs": 0.5},
    ],
)
def test_every_schedule_runs_to_its_end(base: Path, options: dict[str, Any]) -> None:
    summary = run(write_reviews(Path("train.csv"), 60), base, **options)
    batches = -(-summary.train_rows // 8)
    accumulation = options.get("gradient_accumulation", 1)
    expected = options.get("max_steps") or np.ceil(options.get("epochs", 2.0) * -(-batches // accumulation))
    assert summary.steps == expected
    assert summary.metrics["rows"] == summary.valid_rows


def test_early_stopping_stops(base: Path) -> None:
    console = Remembering()
    summary = run(write_reviews(Path("train.csv"), 60), base, console, epochs=9.0, learning_rate=1e-9, patience=2)
    assert summary.epochs == 3.0
    assert (summary.stopped_early, summary.kept_step) == (True, summary.steps // 3)
    [line] = console.having("stopped at")
    assert f"epoch 3, step {summary.steps} of {3 * summary.steps}: 2 evaluations without a better macro F1" in line
    assert f"the weights of step {summary.kept_step} are kept, with macro F1 " in line


def test_a_fit_that_runs_to_its_end_says_nothing_of_stopping(base: Path) -> None:
    console = Remembering()
    summary = run(write_reviews(Path("train.csv"), 60), base, console, patience=5)
    assert not console.having("stopped at")
    assert not summary.stopped_early


def test_few_validation_rows_are_warned_of_with_the_interval_of_their_accuracy(base: Path) -> None:
    console = Remembering()
    summary = run(write_reviews(Path("train.csv"), 20), base, console, max_steps=1)
    low, high = summary.accuracy_interval
    assert 0.0 <= low <= summary.metrics["accuracy"] <= high <= 1.0
    assert high - low > 0.5
    [line] = console.having("validation rows say little")
    assert f"{summary.valid_rows} validation rows" in line
    assert f"between {low:.2f} and {high:.2f}" in line
    enough = Remembering()
    run(Path("train.csv"), base, enough, max_steps=1, valid=write_reviews(Path("valid.csv"), 40, seed=4))
    assert not enough.having("say little")


def test_the_number_of_threads_is_written_down(base: Path) -> None:
    summary = run(write_reviews(Path("train.csv"), 60), base, max_steps=1)
    written = json.loads((summary.model / "metrics.json").read_text())
    assert written["threads"] == summary.threads == torch.get_num_threads()


def test_a_threshold_of_a_patience_that_is_not_asked_for_is_a_usage_error(base: Path) -> None:
    with pytest.raises(UsageError, match="--patience-threshold"):
        run(write_reviews(Path("train.csv"), 60), base, patience_threshold=0.1)


def test_a_single_example_a_class_warns_and_proceeds(base: Path) -> None:
    rows = [*((text, mood) for text, mood in reviews(40)), ("one of a kind", "odd")]
    console = Remembering()
    summary = run(write_csv(Path("train.csv"), ("text", "label"), rows), base, console, max_steps=2)
    assert console.having("1 of 3 labels have fewer than 10 rows: 'odd' 1")
    assert [label["support"] for label in summary.metrics["labels"]][2] == 0


def test_what_is_dropped_and_what_is_on_both_sides_is_a_warning_with_its_count(base: Path) -> None:
    rows = reviews(40)
    train = write_csv(Path("train.csv"), ("text", "label"), [*rows, ("", "good"), ("  ", "bad")])
    valid = write_csv(Path("valid.csv"), ("text", "label"), [*reviews(10, seed=5), *rows[:3]])
    console = Remembering()
    run(train, base, console, valid=valid, max_steps=1)
    assert console.having("warning: train.csv: 2 of 42 rows left out")
    assert console.having("warning: valid.csv: 3 of 13 rows have a text that is also in train.csv")
    with pytest.raises(DataError, match="3 of 13 rows"):
        run(train, base, valid=valid, strict=True)


def test_what_the_check_warns_of_is_said_once_and_recorded(base: Path) -> None:
    rows = [(f"{text} {'and so on ' * 12}", mood) for text, mood in reviews(60)]
    rows += [("same words", "good"), ("same words", "bad"), *((f"{n} more", "good") for n in range(3))]
    console = Remembering()
    run(write_csv(Path("train.csv"), ("text", "label"), rows), base, console, max_steps=1, output=Path("out"))
    contradicting, cut_off = console.having("warning: train.csv")
    assert contradicting == (
        "warning: train.csv: 2 of 65 rows have a text that also stands under another label (1 such text); "
        "decide on one label for each text"
    )
    assert "% of the texts are longer than --max-length 32 and cut off" in cut_off
    assert float(cut_off.split()[2]) > 90
    metadata = ModelMetadata.read(Path("out"))
    assert metadata is not None
    recorded = metadata.training_data["check"]
    assert sum(recorded["label_rows"]) == 65
    assert {finding["code"]: finding["count"] for finding in recorded["findings"]} == {
        "conflicting_labels": 2,
        "duplicates": 1,
    }


def test_a_language_that_the_base_model_does_not_know_is_warned_of_before_training(base: Path) -> None:
    rows = [(f"天地玄黄宇宙洪荒 {number}", mood) for number, (_, mood) in enumerate(reviews(60))]
    console = Remembering()
    run(write_csv(Path("train.csv"), ("text", "label"), rows), base, console, max_steps=1, output=Path("out"))
    (warning,) = console.having("warning: train.csv")
    assert warning.startswith("warning: train.csv: ")
    assert "% unknown tokens" in warning
    assert f"{base} does not know the language; choose a multilingual base model" in warning
    assert console.lines.index(warning) < console.lines.index(*console.having("fitting "))
    metadata = ModelMetadata.read(Path("out"))
    assert metadata is not None
    assert [finding["code"] for finding in metadata.training_data["check"]["findings"]] == ["foreign_language"]
    checks = Path("out/report.html").read_text(encoding="utf-8").split('id="data-checks"')[1].split("</section>")[0]
    assert "does not know the language" in checks


def test_held_out_rows_never_have_a_training_text(base: Path) -> None:
    rows = [*reviews(30), *reviews(30)]
    summary = run(write_csv(Path("train.csv"), ("text", "label"), rows), base, max_steps=1, valid_fraction=0.2)
    assert summary.train_rows % 2 == 0
    assert summary.valid_rows % 2 == 0


@pytest.mark.parametrize(
    ("header", "rows", "options", "error", "message"),
    [
        (("text", "label"), [("a", 1), ("b", 1)], {}, DataError, "1 class in 2 rows"),
        (("text", "label"), [("a", 1), ("b", ""), ("c", 2)], {}, DataError, "1 null or empty of 3 rows"),
        (("text", "label"), [("a", 1), ("b", 2)], {}, DataError, "too few to hold any out"),
        (("text", "n"), [("a", 1), ("b", 2)], {}, UsageError, "no column with a usual name for the label"),
        (("text", "label"), [("a", 1), ("b", 2)], {"text_column": ("txt",)}, UsageError, "no column 'txt'"),
        (("text", "label"), [("a", 1), ("b", 2)], {"valid": Path("nowhere.csv")}, InputMissing, "nowhere.csv"),
        (("text", "label"), [("a", 1), ("b", 2)], {"valid_fraction": 1.0}, UsageError, "between 0 and 1"),
        (("text", "label"), [("a", 1), ("b", 2)], BOTH_SIDES, UsageError, "leave one of the two out"),
        (("text", "label"), [("a", 1), ("b", 2)], {"epochs": 0.0}, UsageError, "more than 0"),
        (("text", "label"), [("a", 1), ("b", 2)], {"resume": True}, ConfigError, "to resume"),
        (("text", "label"), [("a", 1), ("b", 2)], {"precision": "fp16"}, ConfigError, "needs a GPU"),
        (("text", "label"), [("a", 1), ("b", 2)], {"base_model": "./nowhere"}, ModelError, "no such directory"),
        (("text", "label"), [("a", 1), ("b", 2)], {"base_model": "no/such"}, ModelError, r"scorer\[bundled\]"),
    ],
)
def test_refusals(
    base: Path,
    header: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    options: dict[str, Any],
    error: type[ScorerError],
    message: str,
) -> None:
    if error in (ConfigError, ModelError):
        rows = rows * 5
        rows = [(f"{text} {number}", label) for number, (text, label) in enumerate(rows)]
    with pytest.raises(error, match=message) as caught:
        run(write_csv(Path("train.csv"), header, rows), base, **options)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert {path.name for path in Path().iterdir()} <= {"train.csv", "models"}
    assert not Path("models").exists() or not list(Path("models").iterdir())


def test_labels_that_training_lacks_are_refused(base: Path) -> None:
    train = write_reviews(Path("train.csv"), 20)
    valid = write_csv(Path("valid.csv"), ("sentence", "score"), [("x", 1), ("y", 4), ("z", 4)])
    with pytest.raises(DataError, match=r"valid\.csv: labels: 2 of 3 rows have one of 1 labels"):
        run(train, base, valid=valid)


def test_answers_of_scorer_are_not_learned_unasked(base: Path) -> None:
    rows = [(text, mood, "ok") for text, mood in reviews(40)]
    columns = ("sentence", "score", "score_status")
    train = write_csv(Path("train.csv"), columns, rows)
    with_unscored = write_csv(Path("unscored.csv"), columns, [*rows, ("", "", "empty")])
    for file in (train, with_unscored):
        with pytest.raises(UsageError, match=r"column 'score' holds predictions that scorer wrote; .* --label-column"):
            run(file, base, max_steps=1)
    assert run(train, base, max_steps=1, label_column="score").steps == 1


def test_an_existing_output_is_refused_untouched_and_replaced_with_force(base: Path) -> None:
    train = write_reviews(Path("train.csv"), 40)
    run(train, base, output=Path("out"), max_steps=1)
    before = weights(Path("out"))
    with pytest.raises(OutputRefused, match="exists already"):
        run(train, base, output=Path("out"), max_steps=1, seed=1)
    assert weights(Path("out")) == before
    run(train, base, output=Path("out"), max_steps=1, seed=1, force=True)
    assert weights(Path("out")) != before
    assert {path.name for path in Path().iterdir()} == {"train.csv", "out", "models"}


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_a_length_beyond_the_positions_is_refused(tiny_model: TinyModel, architecture: str) -> None:
    rows = [("soup " * 200 + str(number), number % 2) for number in range(20)]
    train = write_csv(Path("train.csv"), ("text", "label"), rows)
    model = tiny_model(architecture, max_positions=24)
    with pytest.raises(ConfigError, match="has 24 positions"):
        run(train, model, max_length=25)
    console = Remembering()
    run(train, model, console, max_length=24, max_steps=1)
    (warning,) = console.having("longer than --max-length 24 and cut off")
    assert warning.endswith("; read them whole with --long-text window")


def test_a_tokenizer_larger_than_the_embeddings_is_refused(base: Path, workdir: Path) -> None:
    copy = workdir / "copy"
    copy.mkdir()
    for path in base.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["unheard-of"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(ModelError, match="the tokenizer knows token id"):
        run(write_reviews(Path("train.csv"), 20), copy)


def test_code_in_a_base_model_is_refused_and_not_run(base: Path, workdir: Path) -> None:
    copy = workdir / "copy"
    copy.mkdir()
    for path in base.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "modeling.py").write_text("from pathlib import Path; Path('canary').touch()")
    with pytest.raises(ModelError, match="code in a model directory"):
        run(write_reviews(Path("train.csv"), 20), copy)
    assert not Path("canary").exists()


def test_a_fitted_model_is_a_base_for_other_labels(base: Path) -> None:
    first = run(write_reviews(Path("train.csv"), 40), base, output=Path("first"), max_steps=2)
    rows = [(text, number % 3) for number, (text, _) in enumerate(reviews(45))]
    second = run(write_csv(Path("three.csv"), ("text", "label"), rows), first.model, output=Path("second"), max_steps=2)
    assert load(open_model(str(second.model))).labels.values == (0, 1, 2)


def test_a_mistake_is_answered_before_torch_is_imported() -> None:
    write_csv(Path("train.csv"), ("text", "label"), [("a", 1), ("b", 1)])
    program = (
        "import sys; from pathlib import Path; from scorer.config import FitConfig\n"
        "from scorer.runs.console import Console; from scorer.training.fit_job import fit\n"
        "from scorer.errors import DataError\n"
        "try: fit(FitConfig(train=Path('train.csv')), Console())\n"
        "except DataError: print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert answer.stdout == "[]\n"


def test_two_columns_of_real_news_fit_as_a_pair(base: Path, realdata: Path) -> None:
    summary = run(
        realdata / "agnews_train.parquet", base, text_column=("title", "description"), label_column="topic", limit=200
    )
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    assert len(metadata.labels) == 4
    assert metadata.labels.kind == "string"


def test_real_chinese_reviews_fit(base: Path, realdata: Path) -> None:
    summary = run(realdata / "waimai_train.csv", base, limit=2000, max_steps=5)
    assert summary.train_rows + summary.valid_rows == 2000
    assert [label["name"] for label in summary.metrics["labels"]] == ["0", "1"]


def test_an_arrow_file_with_its_own_types_fits(base: Path) -> None:
    table = pa.table(
        {
            "review": pa.array([text for text, _ in reviews(40)]).dictionary_encode(),
            "stars": pa.array([float(mood == "good") for _, mood in reviews(40)], pa.float32()),
        }
    )
    pq.write_table(table, "train.parquet")
    summary = run(Path("train.parquet"), base, max_steps=2)
    assert [label["name"] for label in summary.metrics["labels"]] == ["0", "1"]


def test_the_tokenizer_that_is_saved_cuts_where_scoring_does(base: Path) -> None:
    summary = run(write_reviews(Path("train.csv"), 40), base, max_steps=1, max_length=12)
    saved = AutoTokenizer.from_pretrained(summary.model)
    assert len(saved("soup " * 50, truncation=True)["input_ids"]) == 12
    assert Tokenizer.from_file(str(summary.model / "tokenizer.json")).truncation is None
