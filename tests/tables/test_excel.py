"""Excel workbooks: one sheet, its types, and what is refused."""

from __future__ import annotations

import datetime
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import DataError, ScorerError
from scorer.tables.source import Source

pytest.importorskip("fastexcel")
xlsxwriter = pytest.importorskip("xlsxwriter")


def book(path: Path, *sheets: list[list[Any]]) -> Path:
    written = xlsxwriter.Workbook(str(path))
    day = written.add_format({"num_format": "yyyy-mm-dd"})
    for rows in sheets:
        sheet = written.add_worksheet()
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                if isinstance(value, datetime.datetime):
                    sheet.write_datetime(row, column, value, day)
                elif value == "=1/0":
                    sheet.write_formula(row, column, value, None, "#DIV/0!")
                elif value is not None:
                    sheet.write(row, column, value)
    written.close()
    return path


def table(path: Path) -> Any:
    return next(Source.open(str(path)).read().windows(max_rows=1000, max_bytes=1 << 20))


def test_a_sheet_is_a_table(tmp_path: Path) -> None:
    day = datetime.datetime(2020, 1, 2)
    rows = [
        ["text", "n", "x", "code", "day", "mixed", "yes", "nothing"],
        ["good, \u4e2d\nroom", 1, 0.5, "007", day, 1, True, None],
        [None, None, None, None, None, None, None, None],
        ["bad", 3, 2, "8", day, "1a", False, None],
    ]
    found = table(book(tmp_path / "a.xlsx", rows, []))
    assert found.to_pydict() == {
        "text": ["good, \u4e2d\nroom", None, "bad"],
        "n": [1, None, 3],
        "x": [0.5, None, 2.0],
        "code": ["007", None, "8"],
        "day": [day, None, day],
        "mixed": ["1", None, "1a"],
        "yes": [True, None, False],
        "nothing": [None, None, None],
    }
    assert str(found.schema.field("n").type) == "int64"


def test_it_is_scored(tmp_path: Path, tiny_model: Any) -> None:
    import scorer

    path = book(tmp_path / "a.xlsx", [["text", "id"], ["good room", 1], ["bad soup", 2]])
    assert scorer.score(path, tmp_path / "out.parquet", model=str(tiny_model("bert"))).rows == 2


@pytest.mark.parametrize(
    ("sheets", "what"),
    [
        ([[["a"], [1]], [["b"], [2]]], "2 sheets have cells"),
        ([[]], "0 sheets have cells"),
        ([[["a", "a"], [1, 2]]], "'a' stands 2 times"),
        ([[["a", "b"], [1, 2], [3, "=1/0"]]], "row 3, column 'b': an error"),
    ],
)
def test_what_is_doubtful_is_refused(tmp_path: Path, sheets: list[Any], what: str) -> None:
    with pytest.raises(DataError, match=what):
        table(book(tmp_path / "a.xlsx", *sheets))


def test_what_is_damaged_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["a"], *([number] for number in range(500))])
    whole = path.read_bytes()
    for content in (whole[:-9], whole[: len(whole) // 2], whole[:2000] + b"xxxx" + whole[2004:], b"text\n", b""):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            table(path)
        assert "\n" not in str(caught.value)


def test_a_workbook_by_another_name_is_told(tmp_path: Path) -> None:
    path = book(tmp_path / "a.csv", [["a"], [1]])
    with pytest.raises(DataError, match="the first bytes are those of excel; rename it"):
        Source.open(str(path))


def test_30_a_bomb_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["a"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/more.xml", "w") as part:
        for _ in range(1100):
            part.write(bytes(1 << 20))
    with pytest.raises(DataError, match="more than 1 GiB"):
        table(path)


def test_without_the_library_its_extra_is_named(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", [["a"], [1]])
    code = "import sys; sys.modules['fastexcel'] = None\nfrom scorer.tables.source import Source\nSource.open('a.xlsx')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("pip install 'scorer[excel]', or save it as CSV")
    assert issubclass(DataError, ScorerError)
