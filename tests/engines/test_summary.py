"""The tally of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from scorer.engines.summary import Tally
from scorer.records.part import Totals


def test_rows_without_a_score_are_flagged():
    assert Tally(rows=10, statuses=Counter(ok=5, truncated=2, null=2, oom=1)).flagged == 3


def test_what_the_receipts_come_to_takes_the_place_of_what_was_counted():
    tally = Tally(rows=1, statuses=Counter(ok=1), computed_tokens=9)
    tally.settle(Totals(parts=2, rows=10, statuses={"ok": 7, "null": 3}, rejected=2, tokens=50))
    facts = tally.facts
    assert (facts["rows"], facts["statuses"], facts["rejected"]) == (10, {"null": 3, "ok": 7}, 2)
    assert (facts["tokens"], facts["computed_tokens"], tally.flagged) == (50, 9, 3)


def test_blank_lines_are_counted_and_told_once(tmp_path: Path, tiny_model, run_scorer) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,good room\n\n\n2,bad room\n\n", encoding="utf-8")
    done = run_scorer("score", str(source), str(tmp_path / "out.csv"), "-m", str(tiny_model("bert")))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["blank_lines"]) == (2, 3)
    assert done.stderr.count("3 blank lines are no records and were passed over") == 1
