"""The page of fitted models' figures, and the names of the experiments."""

from __future__ import annotations

import re

from quality.page import page, spread
from quality.tasks import tasks


def ours(seconds, accuracy, macro_f1, ece, raw):
    return {"seconds": seconds, "accuracy": accuracy, "macro_f1": macro_f1, "ece": ece, "raw": raw}


KEPT = {
    "scorer/sst5/1": ours(10.0, 0.5, 0.4, 0.01, {"ece": 0.09, "macro_f1": 0.3}),
    "scorer/sst5/2": ours(12.0, 0.6, 0.5, 0.03, {"ece": 0.11, "macro_f1": 0.3}),
    "plain/sst5/2": {"seconds": 48.0, "accuracy": 0.55, "macro_f1": 0.45},
    "long/window/1": {"seconds": 5.0, "accuracy": 0.9},
    "scorer/sst2/1": ours(9.0, 0.9, 0.9, 0.02, {"ece": 0.07, "macro_f1": 0.9})
    | {"coverage": 0.625, "selective_accuracy": 0.955},
    "options/--preset default/1": {"seconds": 4.0, "accuracy": 0.8},
    "options/--lora-rank 8/1": {"seconds": 3.0, "accuracy": 0.7},
    "errors/sst2/1": {"suspects": 346, "precision": 0.75},
}


def cells(text, first):
    return next(re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line.startswith(f"| {first}"))


def test_each_figure_stands_in_its_table_and_times_are_compared_seed_by_seed():
    text = page(KEPT, versions={"torch": "2"})
    ours = ["sst5", "2 and 1", "0.550 (0.500 to 0.600)", "0.550", "0.450 (0.400 to 0.500)", "0.450", "0.25"]
    assert cells(text, "sst5") == ours
    before = text[text.index("Calibration") :]
    assert cells(before, "sst5")[1:3] == ["0.100 (0.090 to 0.110)", "0.020 (0.010 to 0.030)"]
    assert cells(text, "window") == ["window", "0.900"]
    assert cells(text, "`--lora-rank 8`")[1:] == ["0.700", "0.75"]
    assert cells(text, "5 % of the labels")[1] == "0.750"
    assert cells(text, "`--abstain`, sst2: precision")[1] == "0.955"
    assert cells(text, "`--abstain`, sst2: share kept")[1] == "0.625"


def test_a_fit_that_keeps_no_row_has_no_precision_of_them():
    none = KEPT["scorer/sst2/1"] | {"coverage": 0.0, "selective_accuracy": None}
    text = page(KEPT | {"scorer/sst2/2": none}, versions={})
    assert cells(text, "`--abstain`, sst2: precision")[1] == "0.955"
    assert cells(text, "`--abstain`, sst2: share kept")[1] == "0.312 (0.000 to 0.625)"
    assert cells(page({"scorer/sst2/1": none}, versions={}), "`--abstain`, sst2: precision")[1] == ""


def test_what_was_not_measured_has_no_table():
    text = page({"long/window/1": {"accuracy": 0.9}}, versions={})
    assert "## Texts of several hundred words" in text
    assert text.count("## ") == 1
    assert spread([], lambda one: one["accuracy"]) == ""


def test_every_data_set_has_files_with_one_ending(tmp_path):
    found = tasks(tmp_path, rows=10)
    assert {name: task.valid is not None for name, task in found.items()} == {
        "sst5": True, "sst2": True, "agnews": False, "goemotions": True, "waimai": False
    }  # fmt: skip
    for task in found.values():
        assert {path.suffix for path in (task.train, task.test, task.valid) if path} == {task.train.suffix}
        assert task.rows == 10
