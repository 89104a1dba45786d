"""The whole check on small files: each thing that is wrong is found, with its rows; sound files are left in peace."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.checking.check_job import CheckResult, check_data
from scorer.checking.check_report import summary_lines
from scorer.checking.findings import Finding
from scorer.config import CheckConfig
from scorer.errors import ConfigError, DataError, Interrupted, ModelError, UsageError
from scorer.runs.console import Console
from tests.training.fits import Meanwhile, reviews, write_csv


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def look(tiny_model):
    """`look(rows)`: the check of a file of these (text, label) rows; `valid` rows besides; options of the check."""

    def run(rows: Any, valid: Any = None, **options: Any) -> CheckResult:
        data = write("data.parquet", rows)
        second = None if valid is None else write("valid.parquet", valid)
        return check_data(
            CheckConfig(data=data, valid=second, **{"base_model": str(tiny_model("bert"))} | options),
            Console(stream=io.StringIO()),
        )

    return run


def write(name: str, rows: Any) -> Path:
    texts, labels = ([row[place] for row in rows] for place in (0, 1))
    kind = None if labels else pa.int64()
    pq.write_table(pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, kind)}), name)
    return Path(name)


def sound(count: int = 120) -> list[tuple[Any, Any]]:
    return list(reviews(count))


def found(result: CheckResult) -> dict[str, Finding]:
    return {finding.code: finding for finding in result.findings}


def test_a_sound_file_is_left_in_peace(look):
    result = look(sound(), valid=[(f"other {text}", label) for text, label in sound(30)])
    assert result.findings == []
    assert result.sound
    assert list(summary_lines(result))[-1] == "nothing found"


@pytest.mark.parametrize(
    ("code", "severity", "rows", "numbers"),
    [
        ("null_labels", "error", [("one more", None)], (121,)),
        ("null_texts", "warning", [(None, "good")], (121,)),
        ("empty_texts", "warning", [(" \u200b\n", "good"), ("fine", "bad"), ("", "bad")], (121, 123)),
        ("duplicates", "note", [("same words", "good"), ("same words", "good")], (122,)),
        ("near_duplicates", "note", [("same words", "good"), ("Same  WORDS!", "good")], (122,)),
        ("conflicting_labels", "warning", [("same words", "good"), ("same words", "bad")], (121, 122)),
        ("near_conflicting_labels", "warning", [("same words", "good"), ("Same words.", "bad")], (121, 122)),
        ("mojibake", "warning", [("the cafÃ© was fine", "good")], (121,)),
        ("replacement_characters", "warning", [("the caf\ufffd was fine", "good")], (121,)),
        ("html", "note", [("<b>very</b> fine", "good")], (121,)),
        ("control_characters", "warning", [("bell \x07", "good")], (121,)),
        ("invisible_characters", "note", [("left \u202e right", "good")], (121,)),
        ("rare_labels", "warning", [("so so", "middling")], ()),
        ("imbalance", "warning", [("so so", "middling")], ()),
    ],
)
def test_what_is_wrong_is_found_with_its_rows(look, code, severity, rows, numbers):
    result = look(sound() + rows)
    finding = found(result)[code]
    assert (finding.severity, finding.rows) == (severity, numbers)
    if numbers:
        assert finding.count == len(numbers)
        assert finding.share == pytest.approx(len(numbers) / result.data.scan.rows)


def test_labels_that_are_no_whole_numbers_are_an_error(look):
    rows = [(text, 1.0 if label == "good" else 0.0) for text, label in sound()]
    assert found(look([*rows, ("more", 0.5)]))["fractional_labels"].rows == (121,)
    assert "fractional_labels" not in found(look(rows))
    assert "fractional_labels" not in found(look([*rows, (None, 0.5), (" ", 0.5)])), "a fit leaves those rows out"


def test_rows_that_a_fit_leaves_out_for_want_of_a_label_are_not_usable(look):
    labelled = [(f"text {n}", f"label {n}") for n in range(30)]
    blank = [("the same text", None)] * 70
    result = look([*labelled, *blank], skip_unlabelled=True)
    assert result.data.scan.usable == 30
    assert "duplicates" not in found(result)
    assert not result.sound, "30 classes in 30 rows"
    without = look([(f"text {n}", "n/a") for n in range(30)], null_labels=("n/a",))
    assert not without.sound
    assert "no_texts" not in found(without)
    assert found(without)["no_usable_rows"].severity == "error"
    assert look([*sound(), ("none", "n/a")], null_labels=("n/a",)).data.scan.usable == len(sound())


def test_whole_numbers_that_a_float_does_not_hold_are_an_error(look):
    rows = [(text, 2e16 if label == "good" else 1e16) for text, label in sound()]
    assert found(look(rows))["fractional_labels"].count == len(rows)


def test_a_scored_file_is_refused_as_fit_refuses_it(tiny_model):
    rows = [(text, mood, "ok") for text, mood in sound()]
    file = write_csv(Path("scored.csv"), ("text", "score", "score_status"), rows)
    config = CheckConfig(data=file, base_model=str(tiny_model("bert")))
    with pytest.raises(UsageError, match=r"column 'score' holds predictions that scorer wrote; .* --label-column"):
        check_data(config, Console(stream=io.StringIO()))
    named = replace(config, label_column="score")
    assert check_data(named, Console(stream=io.StringIO())).data.scan.rows == len(rows)


def test_labels_that_look_the_same_are_warned_of(look):
    odd = [(f"more {number}", label) for number, label in enumerate(["Good", "good ", "ＧＯＯＤ"] * 4)]
    finding = found(look(sound() + odd))["similar_labels"]
    assert (finding.severity, finding.count, finding.share) == ("warning", 4, 0.8)
    assert finding.what.startswith("4 of 5 labels differ only in case, white space or characters that nobody sees: ")
    assert "'good ' 4" in finding.what
    unseen = [(f"more {number}", label) for number, label in enumerate(["bad\u200b", "\ufeffbad"] * 4)]
    assert found(look(sound() + unseen))["similar_labels"].count == 3
    signed = [(text, -1 if label == "bad" else 1) for text, label in sound()]
    assert "similar_labels" not in found(look(signed))


def test_one_label_or_a_thousand_are_an_error(look):
    assert found(look([(text, "same") for text, _ in sound()]))["few_labels"].severity == "error"
    many = look([(f"text {number}", f"secret {number}") for number in range(1200)])
    assert found(many)["many_labels"].severity == "error"
    assert "secret" not in json.dumps(many.as_dict()) + "\n".join(summary_lines(many))


def test_the_validation_file_is_compared(look):
    train = sound()
    valid = [(train[4][0], "good"), (train[5][0].upper() + "!!", "good"), ("something new", "unheard of")]
    result = look(train, valid=valid)
    assert {code: finding.rows for code, finding in found(result).items() if finding.file == "valid.parquet"} == {
        "overlap": (1,),
        "near_overlap": (2,),
        "unknown_labels": (3,),
    }
    assert found(result)["unknown_labels"].severity == "error"


def test_a_validation_row_with_two_unknown_labels_is_one_row(look):
    train = [(text, [label]) for text, label in sound()]
    valid = [("one", ["odd", "even"]), ("two", ["odd", "good"]), ("three", ["bad"]), (" ", ["odd"])]
    finding = found(look(train, valid=valid, label_column="label"))["unknown_labels"]
    assert (finding.count, finding.share, finding.rows) == (2, 0.5, (1, 2))
    assert finding.what == "2 of 4 rows have one of 2 labels that data.parquet lacks"


def test_a_validation_file_with_other_labels_is_an_error(look):
    result = look(sound(), valid=[(f"new {text}", [label]) for text, label in sound(20)], label_column="label")
    assert found(result)["other_labels"].what == ("the label column holds lists of names, that of data.parquet names")


def test_lists_of_labels_may_be_empty_and_rare_ones_are_the_rule(look):
    rows = [(text, [label]) for text, label in sound(200)] + [(f"number {n}", ["rare", "good"]) for n in range(10)]
    result = look([*rows, ("none applies", [])], label_column="label")
    assert {code: finding.severity for code, finding in found(result).items()} == {
        "unlabelled_rows": "note",
        "imbalance": "note",
    }
    assert result.as_dict()["labels"]["multi"]


def test_long_texts_are_cut_off_and_a_length_is_suggested(look):
    result = look([(f"{text} {'word ' * 40}", label) for text, label in sound()], max_length=16)
    truncated = found(result)["truncated"]
    assert (truncated.severity, truncated.count, truncated.share) == ("warning", 120, 1.0)
    tokens = result.data.tokens
    assert tokens is not None
    assert tokens.suggested % 16 == 0
    assert (tokens.lengths <= tokens.suggested).mean() >= 0.99
    assert f"--max-length {tokens.suggested}" in truncated.advice
    with pytest.raises(ConfigError, match="has 128 positions"):
        look(sound(), max_length=129)


def test_pairs_are_one_text(tiny_model):
    table = pa.table({"a": ["x y", "x", "x y"] * 40, "b": ["z", "y z", "z"] * 40, "label": [1, 2, 1] * 40})
    pq.write_table(table, "pairs.parquet")
    config = CheckConfig(data=Path("pairs.parquet"), text_column=("a", "b"), base_model=str(tiny_model("bert")))
    result = check_data(config, Console(stream=io.StringIO()))
    assert found(result)["duplicates"].count == 118
    assert "conflicting_labels" not in found(result)


def test_no_rows_and_no_texts_are_errors_and_not_exceptions(look):
    assert found(look([], label_column="label"))["no_rows"].severity == "error"
    assert found(look([(None, 1), (" ", 2)]))["no_texts"].severity == "error"


def test_what_cannot_be_read_or_told_is_an_exception(look, tiny_model):
    Path("ragged.csv").write_text("text,label\na,1\nb\n")
    base = str(tiny_model("bert"))
    console = Console(stream=io.StringIO())
    with pytest.raises(DataError, match=r"ragged\.csv"):
        check_data(CheckConfig(data=Path("ragged.csv"), base_model=base), console)
    with pytest.raises(UsageError, match="no column with a usual name"):
        check_data(CheckConfig(data=write_csv(Path("odd.csv"), ("x", "y"), [("a", 1)]), base_model=base), console)
    with pytest.raises(ModelError, match="no such directory"):
        look(sound(), base_model="./absent")


def test_a_file_that_changes_while_it_is_looked_at_is_refused(tiny_model):
    config = CheckConfig(data=write("data.parquet", sound()), base_model=str(tiny_model("bert")))
    with pytest.raises(DataError, match="changed while it was read"):
        check_data(config, Meanwhile(lambda: write("data.parquet", sound(130))))


def test_the_limit_is_kept_to(look):
    assert look(sound(), limit=50).data.scan.rows == 50


def test_the_document_and_the_summary_hold_no_text_of_the_file(look):
    secret = "Zanzibar"
    rows = [(f"{secret} {text}", label) for text, label in sound(40)]
    rows += [(f"{secret} {noise}", "good") for noise in ("Ã©", "\ufffd", "<b>", "\x07", "\u202e", "Ã©")]
    rows += [(f"{secret} Ã©", "bad"), (f"{secret.upper()} Ã©!", "good")]
    result = look(rows, valid=rows)
    document = json.dumps(result.as_dict(), allow_nan=False)
    assert len(result.findings) > 10
    assert secret.lower() not in (document + "\n".join(summary_lines(result))).lower()
    assert json.loads(document)["errors"] == 0


def test_real_sentiment_is_known_and_real_chinese_is_not(realdata):
    def tokens(name: str) -> Any:
        config = CheckConfig(data=realdata / name, limit=500)
        return found(check_data(config, Console(stream=io.StringIO())))

    assert tokens("waimai_train.csv")["foreign_language"].severity == "warning"
    assert "foreign_language" not in tokens("sst2_train.tsv")


def test_a_signal_stops_it_with_a_code_of_its_own(tiny_model):
    config = CheckConfig(data=write("data.parquet", [("good", 1), ("bad", 2)]), base_model=str(tiny_model("bert")))
    with pytest.raises(Interrupted, match="nothing was written") as caught:
        check_data(config, Meanwhile(lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert caught.value.exit_code == 143


def test_a_folder_with_partitions_and_files_that_are_not_read(tiny_model, tmp_path):
    for number, part in enumerate((sound(60), sound(60))):
        (tmp_path / "in" / f"day={number}").mkdir(parents=True)
        write(f"in/day={number}/data.parquet", part)
    (tmp_path / "in" / "more.json").write_text("{}")
    said = io.StringIO()
    config = CheckConfig(data=Path("in"), base_model=str(tiny_model("bert")), label_column="day")
    result = check_data(config, Console(stream=said))
    assert result.as_dict()["unread_files"] == {"count": 1, "first": ["more.json"]}
    assert result.as_dict()["labels"]["rows"] == {"0": 60, "1": 60}
    assert said.getvalue().count("in: 1 entry is not read") == 1
