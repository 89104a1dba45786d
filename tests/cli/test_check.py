"""`scorer check`: one document on stdout, aligned lines on stderr, and when it fails."""

from __future__ import annotations

import json

import pytest

from tests.training.fits import reviews, write_csv, write_reviews


@pytest.fixture
def arguments(tmp_path, tiny_model):
    write_reviews(tmp_path / "train.csv")
    bad = (tmp_path / "train.csv").read_text() + "same words,1\nsame words,5\n"
    (tmp_path / "bad.csv").write_text(bad)
    return ["--base-model", tiny_model("bert")]


def test_a_document_on_stdout_and_lines_on_stderr(cli, arguments):
    ran = cli("check", "bad.csv", *arguments)
    assert ran.code == 0
    document = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert (document["file"], document["rows"], document["warnings"]) == ("bad.csv", 122, 1)
    lines = ran.err.splitlines()
    assert lines[0] == "bad.csv: 122 rows, 122 usable, sentence -> score"
    assert (
        "warning    2 of 122 rows have a text that also stands under another label (1 such text) (rows 121, 122)"
        in lines
    )


def test_strict_fails_on_a_warning_and_only_then(cli, arguments):
    ran = cli("check", "bad.csv", "--strict", *arguments)
    assert ran.code == 65
    assert json.loads(ran.out)["warnings"] == 1
    assert ran.err.splitlines()[-1] == (
        "scorer: error: bad.csv: the gravest of 0 errors and 1 warnings is conflicting_labels: 2 of 122 rows have a "
        "text that also stands under another label (1 such text); decide on one label for each text"
    )
    assert cli("check", "train.csv", "--strict", *arguments).code == 0


@pytest.mark.parametrize("flags", [[], ["--strict"], ["--quiet"]], ids=" ".join)
@pytest.mark.parametrize(
    "rows",
    [
        [("a good room", 1.5), ("bad soup", 2.5), ("fine", 1)],
        [("a good room", 1), ("bad soup", None), ("fine", 2)],
        [("a good room", 1), ("bad soup", 1)],
        [(" ", 1), ("", 2)],
    ],
    ids=["fractions", "nulls", "one label", "no texts"],
)
def test_what_a_fit_would_refuse_is_an_error_of_65(cli, arguments, tmp_path, rows, flags):
    write_csv(tmp_path / "sick.csv", ("sentence", "score"), rows)
    ran = cli("check", "sick.csv", *flags, *arguments)
    assert ran.code == 65
    assert ran.err.splitlines()[-1].startswith("scorer: error: sick.csv: the gravest of ")
    assert ran.out.count("\n") == (0 if "--quiet" in flags else 1)
    fitted = cli("fit", "sick.csv", "-o", "model", *arguments)
    assert fitted.code == 65
    assert not (tmp_path / "model").exists()


def test_strict_names_the_file_that_the_gravest_finding_is_of(cli, arguments, tmp_path):
    write_csv(tmp_path / "valid.csv", ("sentence", "score"), [("something new", 3)])
    ran = cli("check", "bad.csv", "--valid", "valid.csv", "--strict", *arguments)
    assert ran.code == 65
    assert ran.err.splitlines()[-1].startswith(
        "scorer: error: valid.csv: the gravest of 1 errors and 1 warnings is unknown_labels: "
    )


def test_quiet_says_nothing(cli, arguments):
    ran = cli("check", "train.csv", "--quiet", *arguments)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_what_is_absent_is_said_at_once(cli, arguments):
    assert cli("check", "absent.csv").code == 66
    ran = cli("check", "train.csv", "--valid", "absent.csv", *arguments)
    assert (ran.code, ran.err) == (66, "scorer: error: absent.csv: no such file or folder\n")


def test_an_empty_separator_is_a_usage_error(cli, arguments):
    ran = cli("check", "train.csv", "--label-separator", "", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("scorer: error: --label-separator: empty; ")


def test_a_page_is_written_unless_it_would_replace_the_data(cli, arguments, tmp_path):
    assert cli("check", "bad.csv", "--report", "check.html", *arguments).code == 0
    assert "also stands under another label" in (tmp_path / "check.html").read_text(encoding="utf-8")
    ran = cli("check", "bad.csv", "--report", "bad.csv", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "is the input itself" in ran.err


def test_labels_of_any_name_stay_on_one_line(cli, arguments, tmp_path):
    rows = [(text, {"good": "odd\nname", "bad": "x" * 500}[mood]) for text, mood in reviews(120)]
    write_csv(tmp_path / "odd.csv", ("text", "label"), rows)
    ran = cli("check", "odd.csv", *arguments)
    assert ran.code == 0
    assert len(ran.err.splitlines()) == 5
    assert max(map(len, ran.err.splitlines())) < 200
