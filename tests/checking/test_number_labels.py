"""Checks of label columns that hold real numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import CheckResult, check_data
from scorer.checking.check_report import check_page, summary_lines
from scorer.config import CheckConfig
from scorer.errors import DataError
from tests.models import sentences
from tests.training.fits import Remembering, run, write_csv


def checked(path: Path, base: Path, **options: Any) -> CheckResult:
    config = CheckConfig(data=path, base_model=str(base), regression=True, label_column="price", **options)
    return check_data(config, Remembering())


def codes(result: CheckResult) -> dict[str, Any]:
    return {finding.code: finding for finding in result.findings}


def write(path: Path, prices: list[object], *, texts: list[str] | None = None) -> Path:
    return write_csv(path, ("text", "price"), list(zip(texts or sentences(len(prices)), prices, strict=True)))


def test_how_the_numbers_lie(tiny_model, tmp_path: Path) -> None:
    prices = np.round(np.random.default_rng(0).normal(20, 3, 200), 2)
    prices[[16, 43]] = 999.5, -400.0
    texts = sentences(200)
    texts[1], texts[3] = texts[0], texts[2]
    prices[3] = prices[2]
    result = checked(write(tmp_path / "t.csv", prices.tolist(), texts=texts), tiny_model("bert"))
    found = codes(result)
    assert found["outliers"].rows == (17, 44)
    assert (found["outliers"].severity, found["conflicting_labels"].rows) == ("warning", (1, 2))
    assert found["duplicates"].rows == (2, 4)
    assert not result.refused
    spread = result.as_dict()["labels"]["numbers"]
    assert (spread["least"], spread["greatest"], spread["rows"]) == (-400.0, 999.5, 200)
    assert spread["mean"] == pytest.approx(prices.mean())
    assert result.as_dict()["labels"]["form"] == "reals"
    assert any("numbers: -400.0 to 999.5, half of them" in line for line in summary_lines(result))
    page = check_page(result)
    assert "Rows by their number" in page
    json.dumps(result.as_dict(), allow_nan=False)


REFUSED = {
    "constant": ([2.5] * 120, "unfit_numbers"),
    "too near": ([1e9, 1e9 + 1] * 60, "unfit_numbers"),
    "too large": ([1.0, 1e31] * 60, "unfit_numbers"),
    "stray": (["1.5", "cheap"] * 60, "label_form"),
    "empty": (["1.5", "", "2"] * 40, "null_labels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_fit_refuses_is_an_error(tiny_model, tmp_path: Path, case: str) -> None:
    prices, code = REFUSED[case]
    path = write(tmp_path / "t.csv", prices)
    result = checked(path, tiny_model("bert"))
    errors = {finding.code for finding in result.findings if finding.severity == "error"}
    assert errors == {code}
    assert "cheap" not in json.dumps(result.as_dict())
    with pytest.raises(DataError):
        run(path, tiny_model("bert"), regression=True, label_column="price", output=tmp_path / "model")


def test_a_validation_file_and_rows_without_a_text(tiny_model, tmp_path: Path) -> None:
    table = pa.table({"text": [*sentences(150), None, ""], "price": [*np.arange(150.0), 1e9, -1e9]})
    pq.write_table(table, tmp_path / "t.parquet")
    valid = write(tmp_path / "v.csv", [1.5, 2.5], texts=[sentences(1)[0], "another"])
    result = checked(tmp_path / "t.parquet", tiny_model("bert"), valid=valid)
    found = codes(result)
    assert "outliers" not in found, "rows without a text are not learned"
    assert "overlap" in found
    assert not result.refused


def test_few_whole_numbers_may_be_labels(tiny_model, tmp_path: Path) -> None:
    result = checked(write(tmp_path / "t.csv", [1, 2, 3, 4, 5] * 30), tiny_model("bert"))
    assert codes(result)["few_numbers"].severity == "note"


def test_without_the_flag_it_is_named(tiny_model, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", np.linspace(0, 1, 150).tolist())
    config = CheckConfig(data=path, base_model=str(tiny_model("bert")), label_column="price")
    found = codes(check_data(config, Remembering()))
    assert "fit --regression learns real numbers" in found["fractional_labels"].advice
