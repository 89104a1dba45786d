"""What a fit says of its data: what a check of the files says; and before it begins, advice that is neither refused nor
followed already."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import check_data
from scorer.checking.repeats import normalised
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import CheckConfig, FitConfig
from scorer.errors import DataError
from scorer.examples.reading import read_examples
from scorer.examples.targets import label_indices, label_set, stratified_split
from scorer.runs.console import Console
from scorer.training.data import (
    Side,
    TrainingData,
    check_language,
    check_sides,
    load_data,
    truncation_warnings,
)
from tests.training.fits import reviews, write_csv

LARGER = "make it larger (scorer check suggests a length)"
WHOLE = "read them whole with --long-text window"
OTHER = "choose a base model with more positions, by --base-model"


@pytest.mark.parametrize(
    ("options", "positions", "pairs", "advice"),
    [
        ({}, 512, False, f"{LARGER}, or {WHOLE}"),
        ({}, None, True, LARGER),
        ({"max_length": 512}, 512, False, WHOLE),
        ({"max_length": 512}, 512, True, OTHER),
        ({"long_text": "head-tail"}, 512, False, f"{LARGER}, or {WHOLE}"),
        ({"long_text": "window"}, 512, False, LARGER),
    ],
)
def test_advice_about_texts_that_are_cut_off(
    options: dict[str, Any], positions: int | None, pairs: bool, advice: str
) -> None:
    config = FitConfig(train=Path("a.csv"), **options)
    (line,) = truncation_warnings(0.25, config, positions=positions, pairs=pairs)
    assert line == f"a.csv: 25.0 % of the texts are longer than --max-length {config.max_length} and cut off; {advice}"
    assert truncation_warnings(0.05, config, positions=positions, pairs=pairs) == []


def twins(path: Path, count: int = 40) -> Path:
    """A file in which every text stands three times, spelt in other ways."""
    rows = [(text, 1 + 4 * (mood == "good")) for text, mood in reviews(count)]
    spelt = [(spell(text), label) for text, label in rows for spell in (str, str.upper, "  {} !".format)]
    return write_csv(path, ("sentence", "score"), spelt)


def loaded(train: Path, **options: Any) -> TrainingData:
    return load_data(FitConfig(train=train, **options), Console(stream=io.StringIO()))


def test_rows_held_out_have_no_twins_in_training(tmp_path):
    data = loaded(twins(tmp_path / "train.csv"))
    train, valid = ({normalised(text) for (text,) in side.keys()} for side in (data.train, data.valid))  # noqa: SIM118
    assert valid
    assert not train & valid
    assert len(data.valid) == 3 * len(valid)


def test_without_twins_the_rows_held_out_are_those_of_equal_texts(tmp_path):
    rows = [("same", 1), ("same", 1), *[(text, 1 + len(mood) % 2) for text, mood in reviews(60)]]
    data = loaded(write_csv(tmp_path / "train.csv", ("sentence", "score"), rows))
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(text, len(numbers)) for text, _ in rows])
    targets = np.array([label - 1 for _, label in rows])
    _, expected = stratified_split(targets, groups, fraction=0.1, seed=42)
    assert data.valid.texts[0] == [rows[row][0] for row in expected]
    assert data.held_out is None, "a fit that an earlier version began goes on"


def test_rows_that_all_say_the_same_are_too_few(tmp_path):
    rows = [("Good!", 1), ("good", 1), (" GOOD ", 1), ("bad", 2), ("Bad.", 2)]
    train = write_csv(tmp_path / "train.csv", ("sentence", "score"), rows)
    with pytest.raises(DataError, match="5 rows of 2 different texts are too few to hold any out"):
        loaded(train)


def test_which_rows_are_held_out_is_told_where_twins_are_among_them(tmp_path):
    train = twins(tmp_path / "train.csv")
    found = {loaded(train, seed=seed).held_out for seed in (1, 1, 2)}
    assert None not in found
    assert len(found) == 2
    assert loaded(train, valid=train).held_out is None


CODES = {"duplicates", "near_duplicates", "conflicting_labels", "near_conflicting_labels", "overlap", "near_overlap"}
CODES |= {"rare_labels", "imbalance"}


def write_parquet(path: Path, rows, *, multi: bool) -> str:
    labels = [[label] if multi else label for _, label in rows]
    pq.write_table(pa.table({"text": [text for text, _ in rows], "label": labels}), path)
    return str(path)


@pytest.mark.parametrize("multi", [False, True])
def test_a_fit_finds_what_a_check_finds(tmp_path, tiny_model, multi):
    rows = reviews(150)
    rows += [
        ("twice", "good"),
        ("twice", "good"),
        ("Twice!", "good"),
        ("torn", "good"),
        ("torn", "bad"),
        ("TORN", "odd"),
    ]
    others = [("twice", "good"), ("torn.", "bad"), ("new", "bad")]
    train, valid = (
        write_parquet(tmp_path / name, part, multi=multi) for name, part in (("a.parquet", rows), ("b.parquet", others))
    )
    examples = [read_examples(file, text_columns=(), label_columns=("label",)) for file in (train, valid)]
    labels = label_set(examples[0].labels, name="label", where=train, multi=multi)
    sides = (
        Side(file, rows, label_indices(rows.labels, labels, name="label", where=file))
        for file, rows in zip((train, valid), examples, strict=True)
    )
    found = check_sides(*sides, labels)

    config = CheckConfig(data=Path(train), valid=Path(valid), label_column="label", base_model=str(tiny_model("bert")))
    expected = check_data(config, Console(stream=io.StringIO()))

    def described(findings):
        return sorted((one.code, one.severity, one.file, one.what, one.count) for one in findings if one.code in CODES)

    assert described(found.findings) == described(expected.findings)
    assert {finding.code for finding in found.findings} == CODES
    assert list(found.label_rows) == [expected.data.scan.labels.counts()[name] for name in labels.names]
    assert all(finding.rows == () for finding in found.findings)
    assert str(tmp_path) not in json.dumps(found.as_dict())
    assert {finding["file"] for finding in found.as_dict()["findings"]} == {"a.parquet", "b.parquet"}


def test_a_fit_finds_the_language_strange_that_a_check_finds_strange(tmp_path, tiny_model):
    base = str(tiny_model("bert"))
    vocabulary, found = Vocabulary.of_base_model(base), {}
    for name, text in (("known", "a lovely clean room"), ("strange", "天地玄黄")):
        rows = [(f"{text} {number}", ("good", "bad")[number % 2]) for number in range(150)]
        file = write_parquet(tmp_path / f"{name}.parquet", rows, multi=False)
        examples = read_examples(file, text_columns=(), label_columns=("label",))
        found[name] = check_language(examples, vocabulary, file=file, max_length=128)
        expected = check_data(CheckConfig(data=Path(file), base_model=base), Console(stream=io.StringIO())).findings
        assert found[name] == [finding for finding in expected if finding.code == "foreign_language"]
    assert (len(found["known"]), len(found["strange"])) == (0, 1)
