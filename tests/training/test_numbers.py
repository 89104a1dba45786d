"""Fits on real numbers, from the file to the scores: what is learned, written, refused, and gone on with."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import pipeline

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.metadata import ModelMetadata
from scorer.config import FrameConfig
from scorer.errors import ConfigError, DataError, UsageError
from scorer.metrics.regression import measure_numbers
from scorer.scoring.frames import FrameScorer
from scorer.training.model_card import reproduction
from tests.conftest import TinyModel
from tests.models import sentences
from tests.training.fits import Remembering, run, weights, write_csv

WORTH = {"terrible": 900.0, "bad": 950.0, "fine": 1000.0, "good": 1050.0, "great": 1100.0}
LEARNING = {"epochs": 10.0, "learning_rate": 3e-3}


def prices(count: int, *, seed: int = 0) -> list[tuple[str, float]]:
    """`count` distinct texts, and the price that two of their words tell: around 1,000, some 40 apart."""
    draw = random.Random(seed)
    rows = []
    for number, text in enumerate(sentences(count, seed=seed, longest=6)):
        words = draw.choices(sorted(WORTH), k=2)
        worth = sum(WORTH[word] for word in words) / 2 + draw.gauss(0, 3)
        rows.append((f"{' '.join(words)} {text} {number}", round(worth, 2)))
    return rows


def write_prices(path: Path, count: int = 200, *, seed: int = 0) -> Path:
    return write_csv(path, ("text", "price"), prices(count, seed=seed))


def fit(train: Path, base: Path, console: Remembering | None = None, **options: object) -> object:
    return run(train, base, console, regression=True, label_column="price", **{"output": Path("model"), **options})


@pytest.fixture(scope="module")
def model(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of prices."""
    folder = tmp_path_factory.mktemp("prices")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit(write_prices(Path("train.csv")), tiny_model("bert"), **LEARNING)
    return folder / "model"


def numbers(model: Path, texts: list[str], **options: object) -> np.ndarray:
    config = FrameConfig(model=str(model), device="cpu", **{"precision": "fp32", **options})
    return FrameScorer(config).score_frame(pa.table({"text": texts}))["score"].to_numpy()


def test_it_has_learned_in_the_unit_of_the_labels(model: Path) -> None:
    texts, truth = zip(*prices(100, seed=5), strict=True)
    found = measure_numbers(np.array(truth), numbers(model, list(texts)))
    assert found.spearman > 0.8
    assert found.r2 > 0.6
    assert abs(found.mean_residual) < 20


def test_the_directory(model: Path) -> None:
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    assert (metadata.labels.kind, metadata.labels.names) == ("number", ("price",))
    assert metadata.decision == Decision(activation="identity")
    assert metadata.uncalibrated == {}
    assert metadata.metrics.keys() == {"rows", "rmse", "mae", "r2", "pearson", "spearman"}
    assert (metadata.training["regression"], metadata.training["best_metric"]) == (True, "rmse")
    config = json.loads((model / "config.json").read_text())
    assert (config["problem_type"], config["id2label"]) == ("regression", {"0": "price"})
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["uncalibrated"] == {}
    assert metrics["intervals"].keys() == {"rmse", "mae", "r2", "pearson", "spearman"}
    low, high = metrics["intervals"]["rmse"]
    assert low < metrics["rmse"] < high
    assert [point.keys() for point in metrics["history"]] == [
        {"epoch", "step", "train_loss", "valid_loss", "rmse", "pearson", "spearman"}
    ] * 10
    best = min(metrics["history"], key=lambda point: point["rmse"])
    assert metrics["rmse"] == pytest.approx(best["rmse"], rel=1e-3), "the best checkpoint is kept"
    assert best["valid_loss"] < 1


def test_the_validation_figures_are_those_of_the_model_that_was_written(model: Path) -> None:
    """Mean and deviation of the training rows are in the output layer."""
    with (model.parent / "train.csv").open(newline="") as stream:
        rows = [(row["text"], float(row["price"])) for row in csv.DictReader(stream)]
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    assert metadata.profile is not None
    # Which rows were held out nobody records; but their sums are known.
    found = numbers(model, [text for text, _ in rows])
    assert metadata.metrics["rows"] == 20
    assert sum(metadata.profile.true_labels) == 20
    assert measure_numbers(np.array([price for _, price in rows]), found).rmse < 2 * metadata.metrics["rmse"]


@pytest.mark.parametrize("backend", ["packed", "padded"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_numbers_are_those_of_a_pipeline(model: Path, backend: str, precision: str) -> None:
    texts = [text for text, _ in prices(40, seed=6)]
    classify = pipeline("text-classification", model=str(model), device="cpu", function_to_apply="none")
    expected = np.array([answer["score"] for answer in classify(texts, truncation=True)])
    found = numbers(model, texts, backend=backend, precision=precision)
    # The output layer adds a mean of 1,000 to what is some tens: in bf16 that would round to multiples of 4.
    atol = 1e-2 if precision == "fp32" else 0.1 * expected.std()
    np.testing.assert_allclose(found, expected, atol=atol)
    assert len(np.unique(found)) == 40
    assert {answer["label"] for answer in classify(texts[:2])} == {"price"}


def test_a_file_of_scores(model: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good soup", None, " "]}), tmp_path / "in.parquet")
    scorer.score(tmp_path / "in.parquet", tmp_path / "out.parquet", model=str(model))
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.field("score").type == pa.float64()
    assert table["confidence"].null_count == 3
    assert table["score_status"].to_pylist() == ["ok", "null", "empty"]
    assert 800 < table["score"][0].as_py() < 1200


def test_rows_with_other_numbers_have_drifted(model: Path, tmp_path: Path) -> None:
    alike = [text for text, _ in prices(300, seed=0)]
    higher = [text for text, price in prices(900, seed=9) if price > 1050][:300]
    found = []
    for texts in (alike, higher):
        pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
        summary = scorer.score(tmp_path / "in.parquet", tmp_path / "out.parquet", model=str(model), force=True)
        found.append(summary.as_dict()["drift"]["psi"])
    assert found[0].keys() == {"length", "truncated", "numbers", "unknown"}
    # By chance alone 20 validation rows in ten bins are some way off.
    assert found[1]["numbers"] > 1 > found[0]["numbers"]
    with pytest.raises(DataError, match="stability index of numbers"):
        scorer.score(
            tmp_path / "in.parquet", tmp_path / "out.parquet", model=str(model), force=True, fail_on_drift=0.25
        )


def test_the_page_and_the_card(model: Path) -> None:
    page, card = (model / "report.html").read_text(encoding="utf-8"), (model / "README.md").read_text(encoding="utf-8")
    assert "Predicted against true" in page
    assert page.count("<circle") >= 20
    assert 'id="hardest-rows"' in page
    assert "Calibration" not in page
    assert 'function_to_apply="none"' in card
    assert "a number, as in `price`" in card
    assert "calibrat" not in card.replace("there is no calibration", "")
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    assert " --regression" in reproduction(metadata)


def test_what_is_said(tiny_model: TinyModel) -> None:
    console = Remembering()
    summary = fit(write_prices(Path("train.csv"), 120), tiny_model("bert"), console, max_steps=3)
    assert console.having("text -> price, a number a row, 108 rows")
    assert console.having("RMSE ")
    assert console.having("12 validation rows say little: the Spearman correlation on rows like them is somewhere")
    assert not console.having("alibrat")
    found = summary.as_dict()
    assert found["accuracy_interval"] is None
    assert found["uncalibrated"] == {}
    json.dumps(found, allow_nan=False)


def test_the_same_seed_gives_the_same_weights(tiny_model: TinyModel) -> None:
    train, base = write_prices(Path("train.csv"), 60), tiny_model("bert")
    first, second, other = (
        weights(fit(train, base, max_steps=3, output=Path(f"model-{place}"), seed=seed).model)
        for place, seed in enumerate((1, 1, 2))
    )
    assert first == second != other


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": 2, "max_steps": 2},
        {"lora_rank": 1, "max_steps": 2},
        {"long_text": "window", "max_length": 8, "max_steps": 2},
        {"long_text": "window", "pooling": "max", "max_length": 8, "max_steps": 2},
        {"best_metric": "spearman", "patience": 1, "epochs": 3.0, "learning_rate": 1e-9},
        {"best_metric": "loss", "seeds": 2, "max_steps": 1},
        {"limit": 50, "max_steps": 1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_settings_work_together(tiny_model: TinyModel, options: dict[str, object]) -> None:
    console = Remembering()
    summary = fit(write_prices(Path("train.csv"), 60), tiny_model("bert"), console, **options)
    texts = [text for text, _ in prices(10, seed=3)]
    assert np.isfinite(numbers(summary.model, texts)).all()
    assert 700 < numbers(summary.model, texts).mean() < 1300
    if options.get("seeds") == 2:
        kept = next(seed for seed in summary.seeds if seed["kept"])
        assert kept["rmse"] == min(seed["rmse"] for seed in summary.seeds)
        assert kept["rmse"] == pytest.approx(summary.metrics["rmse"], rel=1e-6)
    if "patience" in options:
        assert console.having("evaluations without a better Spearman (--patience)")


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "electra", "deberta-v2", "modernbert", "albert"])
def test_other_architectures_hold_the_mean_in_their_output_layer(tiny_model: TinyModel, architecture: str) -> None:
    summary = fit(write_prices(Path("train.csv"), 40), tiny_model(architecture), max_steps=2)
    texts = [text for text, _ in prices(8, seed=3)]
    classify = pipeline("text-classification", model=str(summary.model), device="cpu", function_to_apply="none")
    expected = [answer["score"] for answer in classify(texts, truncation=True)]
    np.testing.assert_allclose(numbers(summary.model, texts), expected, rtol=1e-4)
    assert 700 < np.mean(expected) < 1300
    np.testing.assert_allclose(numbers(summary.model, texts, precision="bf16"), expected, atol=10)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int32(), [3, -7, 12]),
        (pa.float16(), [0.5, -1.25, 2.0]),
        (pa.float64(), [1e-3, 2.5, -4.0]),
        (pa.decimal128(9, 2), ["1.25", "3.50", "-2.00"]),
        (pa.string(), ["1.25", "3e2", " -7 "]),
        (pa.dictionary(pa.int8(), pa.string()), ["1.25", "3", "-7"]),
        (pa.string_view(), ["1.25", "3", "-7"]),
        (pa.binary(), ["1.25", "3", "-7"]),
    ],
    ids=str,
)
def test_every_type_of_number(tiny_model: TinyModel, kind: pa.DataType, values: list[object]) -> None:
    from decimal import Decimal as Exact

    given = [Exact(value) for value in values] if pa.types.is_decimal(kind) else values
    column = pa.array(np.array(given, np.float16) if pa.types.is_float16(kind) else given * 10)
    column = pa.array(np.tile(given, 10).astype(np.float16)) if pa.types.is_float16(kind) else column.cast(kind)
    pq.write_table(pa.table({"text": sentences(30), "price": column}), "train.parquet")
    summary = fit(Path("train.parquet"), tiny_model("bert"), max_steps=1)
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    assert metadata.profile is not None
    assert set(metadata.profile.number_edges) <= {float(value) for value in values}


BAD = {
    "a text": (
        ["1.5", "2", "cheap", "3"] * 5,
        "5 of 20 rows have a label that is no finite number, .* a text of length 5",
    ),
    "infinite": ([1.5, 2.0, float("inf"), 3.0] * 5, "5 of 20 rows .* infinite"),
    "beyond a float": (["1", "2", "1e999", "3"] * 5, "5 of 20 rows have a label that is no finite number"),
    "null": (
        [1.5, None, 2.0, 3.0] * 5,
        r"labels: 5 null or empty of 20 rows .*\(rows 2, 6, 10, 14, 18\).*--skip-unlab",
    ),
    "NaN": ([1.5, float("nan"), 2.0, 3.0] * 5, "labels: 5 null or empty"),
    "blank": (["1.5", " ", "2", "3"] * 5, "labels: 5 null or empty"),
    "constant": ([2.5] * 20, "the same number in all rows"),
    "too large": ([1.0, 2.0, 1e31, 3.0] * 5, r"5 of 20 rows have a number beyond 1e\+30"),
    "too near": ([1e9, 1e9 + 1, 1e9 + 2, 1e9] * 5, "differ by too little for the float32"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_are_refused_without_their_text(tiny_model: TinyModel, case: str) -> None:
    values, message = BAD[case]
    pq.write_table(pa.table({"text": sentences(20), "price": values}), "train.parquet")
    with pytest.raises(DataError, match=message) as caught:
        fit(Path("train.parquet"), tiny_model("bert"), max_steps=1)
    assert "cheap" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", [pa.bool_(), pa.list_(pa.float64()), pa.date32()], ids=str)
def test_columns_that_hold_no_numbers_are_refused(tiny_model: TinyModel, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "price": pa.nulls(2, kind)}), "train.parquet")
    with pytest.raises(ConfigError, match="where rows have real numbers"):
        fit(Path("train.parquet"), tiny_model("bert"))


def test_rows_that_say_that_there_is_no_number_are_left_out_on_request(tiny_model: TinyModel) -> None:
    rows = [(text, "N/A" if place % 5 == 0 else price) for place, (text, price) in enumerate(prices(60))]
    train = write_csv(Path("train.csv"), ("text", "price"), rows)
    with pytest.raises(DataError, match="--null-labels"):
        fit(train, tiny_model("bert"))
    console = Remembering()
    fit(train, tiny_model("bert"), console, null_labels="N/A", max_steps=1)
    assert console.having("12 of 60 rows left out: their label is one of --null-labels")


@pytest.mark.parametrize("header", ["price", "score"])
def test_real_numbers_without_the_flag_are_refused_with_it(tiny_model: TinyModel, header: str) -> None:
    train = write_csv(Path("train.csv"), ("text", header), prices(60))
    for options in ({}, {"label_column": header}):
        if header == "price" and not options:
            continue
        with pytest.raises(DataError, match="fit --regression learns real numbers"):
            run(train, tiny_model("bert"), **options)
    texts = write_csv(Path("texts.csv"), ("text", header), [(text, f" {price}") for text, price in prices(60)])
    with pytest.raises(DataError, match="fit --regression learns real numbers"):
        run(texts, tiny_model("bert"), label_column=header)
    whole = write_csv(
        Path("whole.csv"), ("text", header), [(text, place) for place, (text, _) in enumerate(prices(60))]
    )
    with pytest.raises(DataError, match=r"60 classes in 60 rows .* fit --regression learns real numbers"):
        run(whole, tiny_model("bert"), label_column=header)


def test_a_column_of_decimals_is_told_what_takes_it(tiny_model: TinyModel) -> None:
    column = pa.array(["1.25", "2.50"] * 10).cast(pa.decimal128(9, 2))
    pq.write_table(pa.table({"text": sentences(20), "score": column}), "train.parquet")
    with pytest.raises(UsageError, match="score holds decimals, which fit --regression takes as numbers"):
        run(Path("train.parquet"), tiny_model("bert"))
    summary = run(Path("train.parquet"), tiny_model("bert"), regression=True, max_steps=1)
    assert summary.metrics["rmse"] > 0


REFUSED = {
    "abstain": 0.9,
    "class_weight": "balanced",
    "label_smoothing": 0.1,
    "focal_gamma": 2.0,
    "nominal": True,
    "label_separator": ";",
    "label_form": "name",
    "label_names": "a,b",
    "best_metric": "accuracy",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_labels_is_refused_by_name(tiny_model: TinyModel, name: str) -> None:
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')}"):
        fit(write_prices(Path("train.csv"), 20), tiny_model("bert"), **{name: REFUSED[name]})


def test_what_needs_numbers_is_refused_where_rows_have_labels(tiny_model: TinyModel) -> None:
    with pytest.raises(UsageError, match=r"^--best-metric rmse: rows have labels"):
        run(write_prices(Path("train.csv"), 20), tiny_model("bert"), best_metric="rmse", label_column="price")
    train = write_csv(Path("two.csv"), ("text", "a", "b"), [(text, 0, 1) for text in sentences(20)])
    with pytest.raises(UsageError, match="real numbers stand in one"):
        run(train, tiny_model("bert"), regression=True, label_column=("a", "b"))


def test_real_ratings_are_learned_as_numbers(tiny_model: TinyModel, realdata: Path) -> None:
    console = Remembering()
    train = realdata / "sst5_train.csv"
    summary = run(train, tiny_model("bert"), console, regression=True, limit=300, max_steps=30, output=Path("model"))
    assert summary.train_rows + summary.valid_rows == 300
    assert "few_numbers" in {finding["code"] for finding in summary.findings}
    found = numbers(summary.model, ["a gorgeous , witty , seductive movie .", "a dull mess ."])
    assert ((found > 0) & (found < 6)).all()


def test_a_head_that_cannot_hold_a_mean_is_refused_before_it_learns(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch import nn
    from transformers.models.bert.modeling_bert import BertForSequenceClassification

    class Doubled(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, hidden: object) -> object:
            return self.inner(hidden) ** 2

    made = BertForSequenceClassification.__init__

    def odd(self: BertForSequenceClassification, config: object) -> None:
        made(self, config)
        self.classifier = Doubled(self.classifier)

    monkeypatch.setattr(BertForSequenceClassification, "__init__", odd)
    from scorer.errors import ModelError

    with pytest.raises(ModelError, match="no output layer that the mean of the labels can be put into"):
        fit(write_prices(Path("train.csv"), 40), tiny_model("bert"))


def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(tiny_model: TinyModel) -> None:
    train, base = write_prices(Path("train.csv"), 60), tiny_model("bert")
    whole = weights(fit(train, base, epochs=3.0, output=Path("whole")).model)

    def stop(line: str) -> None:
        if "epoch 2 of" in line:
            raise OSError(5, "the disk is gone")

    from scorer.errors import ScorerError

    with pytest.raises((ScorerError, OSError)):
        fit(train, base, Remembering(stop), epochs=3.0, output=Path("stopped"))
    resumed = fit(train, base, epochs=3.0, output=Path("stopped"), resume=True)
    assert weights(resumed.model) == whole
