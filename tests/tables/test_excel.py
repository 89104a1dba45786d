"""Excel workbooks: one sheet, its types, and what is refused."""

from __future__ import annotations

import datetime
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import DataError, ScorerError, UsageError
from scorer.tables.dialect import Dialect
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
        ([[["a"], [1]], [["b"], [2]]], "2 sheets have cells: 'Sheet1', 'Sheet2'; try: --sheet Sheet1"),
        ([[]], "no sheet has cells"),
        ([[["a", "a"], [1, 2]]], "'a' stands 2 times"),
        ([[["a", None, None], [1, 2, 3]]], "2 columns have no name in the first row"),
        ([[["a", "b"], [1, 2], [3, "=1/0"]]], "row 3, column 'b': an error"),
        ([[[], [], ["a", "b"], [1, 2], [3, "=1/0"]]], "row 5, column 'b': an error"),
    ],
)
def test_what_is_doubtful_is_refused(tmp_path: Path, sheets: list[Any], what: str) -> None:
    path = calculated(book(tmp_path / "a.xlsx", *sheets))
    with pytest.raises(DataError, match=what):
        table(path)


def calculated(path: Path) -> Path:
    """A workbook as a spreadsheet program saves it, and not one of xlsxwriter, which calculates nothing."""
    return edited(path, "xl/workbook.xml", b' fullCalcOnLoad="1"', b"")


def edited(path: Path, part: str, old: bytes, new: bytes) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def made(path: Path, fill: Any) -> Path:
    """A workbook whose only sheet is filled by `fill`, from a table of texts and labels."""
    written = xlsxwriter.Workbook(str(path))
    sheet = written.add_worksheet()
    for row, values in enumerate([["text", "label"], ["good room", "a"], ["bad soup", "b"]]):
        sheet.write_row(row, 0, values)
    fill(written, sheet)
    written.close()
    return path


def test_the_sheet_that_is_asked_for_is_read(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["a"], [1]], [["b"], [2]], [])
    for name, column in (("Sheet1", "a"), ("Sheet2", "b")):
        assert Source.open(str(path), dialect=Dialect(sheet=name)).read().names == (column,)
    with pytest.raises(DataError, match="sheet 'Sheet3' has no cells"):
        Source.open(str(path), dialect=Dialect(sheet="Sheet3"))
    with pytest.raises(UsageError, match="no such sheet; there are 'Sheet1', 'Sheet2', 'Sheet3'"):
        Source.open(str(path), dialect=Dialect(sheet="sheet1"))
    (tmp_path / "in.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="--sheet is for workbooks of Excel; the format is csv"):
        Source.open(str(tmp_path / "in.csv"), dialect=Dialect(sheet="Sheet1"))


def test_hidden_sheets_and_charts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def fill(written: Any, _: Any) -> None:
        written.add_chartsheet("Chart")

    assert table(made(tmp_path / "a.xlsx", fill)).num_rows == 2

    def hide(written: Any, _: Any) -> None:
        hidden = written.add_worksheet("my list")
        hidden.write(0, 0, "x")
        hidden.hide()

    with pytest.raises(DataError, match=r"'Sheet1', 'my list' \(hidden\); try: --sheet Sheet1$"):
        table(made(tmp_path / "b.xlsx", hide))
    assert capfd.readouterr().err == ""


def test_formulas_are_what_they_were_calculated_to(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 2, ["n", "t", "none"])
        for row, n, t in ((1, 2, "x"), (2, 3.5, "y")):
            sheet.write_formula(row, 2, "=1+1", None, n)
            sheet.write_formula(row, 3, '=A1&"<x>"', None, t)
            sheet.write_formula(row, 4, '=""', None, "z")

    path = calculated(made(tmp_path / "a.xlsx", fill))
    edited(path, "xl/worksheets/sheet1.xml", b"<v>z</v>", b"<v></v>")
    found = table(path).to_pydict()
    assert (found["n"], found["t"], found["none"]) == ([2, 3.5], ["x", "y"], ["", ""])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<v>7</v>", b""),
        (b"<v>7</v>", b"<v></v>"),
        (b"<v>7</v>", b"<v/>"),
        (b"<f>1+1</f><v>7</v>", b'<f t="shared" si="0"/>'),
    ],
)
def test_formulas_without_a_value_are_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write(0, 2, "n")
        sheet.write_formula(1, 2, "=1+1", None, 7)
        sheet.write(2, 2, 1)

    with pytest.raises(DataError, match="'Sheet1': it has formulas that no spreadsheet program has calculated yet"):
        table(made(tmp_path / "a.xlsx", fill))
    path = edited(calculated(made(tmp_path / "a.xlsx", fill)), "xl/worksheets/sheet1.xml", old, new)
    with pytest.raises(DataError, match="'Sheet1': cell C2: a formula without its value; open the workbook"):
        table(path)


def test_merged_cells_are_refused(tmp_path: Path) -> None:
    for place in ((4, 0, 4, 1), (1, 2, 2, 2)):
        path = made(tmp_path / "a.xlsx", lambda _, sheet, place=place: sheet.merge_range(*place, "title"))
        with pytest.raises(DataError, match=r"the cells [A-C]\d:[A-C]\d are merged, and only the first of them"):
            table(path)


def test_times_durations_and_percentages(tmp_path: Path) -> None:
    def fill(written: Any, sheet: Any) -> None:
        form = [written.add_format({"num_format": kind}) for kind in ("hh:mm", "dd.mm.yyyy hh:mm", "[h]:mm", "0%")]
        sheet.write_row(0, 2, ["time", "when", "long", "share"])
        for row in (1, 2):
            sheet.write_datetime(row, 2, datetime.time(12, row), form[0])
            sheet.write_datetime(row, 3, datetime.datetime(2024, 1, row, 12), form[1])
            sheet.write_number(row, 4, 1.5, form[2])
            sheet.write_number(row, 5, 0.25, form[3])

    found = table(made(tmp_path / "a.xlsx", fill))
    assert found["time"].to_pylist() == [datetime.time(12, 1), datetime.time(12, 2)]
    assert found["when"].to_pylist() == [datetime.datetime(2024, 1, day, 12) for day in (1, 2)]
    assert found["long"].to_pylist() == [datetime.timedelta(hours=36)] * 2
    assert found["share"].to_pylist() == [0.25] * 2


def test_true_among_numbers_is_no_number(tmp_path: Path) -> None:
    rows = [["a", "b", "c"], [True, 1, True], [1, 2.5, False], [None, None, True]]
    found = table(book(tmp_path / "a.xlsx", rows)).to_pydict()
    assert found == {"a": ["true", "1", None], "b": [1.0, 2.5, None], "c": [True, False, True]}


def test_rows_and_columns_may_be_empty_before_and_hidden(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column(1, 1, None, None, {"hidden": True})
        sheet.write_blank(400, 0, None)

    assert table(made(tmp_path / "a.xlsx", fill)).to_pydict() == {
        "text": ["good room", "bad soup"],
        "label": ["a", "b"],
    }
    rows = [[], [None], [None, None, "text", "n"], [None, None, "x", 1]]
    assert table(book(tmp_path / "b.xlsx", rows)).to_pydict() == {"text": ["x"], "n": [1]}


def test_prefixes_of_other_writers_do_not_matter(tmp_path: Path) -> None:
    """Some libraries write <x:c> for <c>."""

    def fill(_: Any, sheet: Any) -> None:
        sheet.merge_range(4, 0, 4, 1, "title")

    path = made(tmp_path / "a.xlsx", fill)
    part = "xl/worksheets/sheet1.xml"
    edited(path, part, b"<mergeCell ", b"<x:mergeCell ")
    edited(
        path, part, b"<worksheet ", b'<worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    )
    with pytest.raises(DataError, match="the cells A5:B5 are merged"):
        table(path)


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
