"""What somebody at a terminal sees: what came out, and no JSON that pushes it away."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.engines.reporting import Watching
from scorer.engines.summary import Tally
from scorer.runs.signals import StopSignals
from tests.models import sentences


@pytest.fixture
def source(tmp_path):
    texts = [*sentences(300, seed=1), None, "", "word " * 300]
    pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
    return "in.parquet"


def test_a_terminal_shows_what_came_out_and_no_json(on_terminal, source, tiny_model):
    model = str(tiny_model("bert"))
    code, seen = on_terminal("score", source, "out.parquet", "-m", model, "--report-html", "out.html")
    assert code == 0
    lines = seen.replace("\r\n", "\n").split("\n")
    assert any(re.match(r"303 rows in [\d.,]+ s, [\d,]+ a second, with packed", line) for line in lines), seen
    assert any(re.match(r"  ok +300 +99.0%  #{30}$", line) for line in lines), seen
    assert any(re.match(r"  truncated +1 +0.3%$", line) for line in lines), seen
    assert lines[lines.index("written to out.parquet") + 1] == "shown in out.html"
    assert "{" not in lines[-2]


def test_json_comes_when_it_is_asked_for(on_terminal, source, tiny_model):
    code, seen = on_terminal("score", source, "out.parquet", "-m", str(tiny_model("bert")), "--json")
    assert code == 0
    (document,) = [line for line in seen.splitlines() if line.startswith("{")]
    assert json.loads(document)["rows"] == 303


def test_elsewhere_json_comes_unless_quiet_and_then_too_if_it_is_asked_for(cli, source, tiny_model):
    model = ("-m", str(tiny_model("bert")))
    assert json.loads(cli("score", source, "one.parquet", *model).out)["rows"] == 303
    assert cli("score", source, "two.parquet", *model, "--quiet").out == ""
    assert json.loads(cli("score", source, "three.parquet", *model, "--quiet", "--json").out)["rows"] == 303
    assert cli("score", source, "four.parquet", *model).err == ""


@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/proc/self/fd/1"])
def test_json_and_a_table_do_not_share_stdout(cli, source, tiny_model, target):
    ran = cli("score", source, target, "-m", str(tiny_model("bert")), "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "--json: stdout carries the table" in ran.err


def test_progress_is_told_by_batch_and_counts_every_row_once():
    told: list[float] = []
    watch = Watching(Tally(), StopSignals(), told.append)

    class Window:
        table = pa.table({"a": range(10)})
        status_counts, tokens, computed_tokens, reused, stats = {"ok": 10}, 1, 1, 0, None

    for share in (4.0, 2.0):
        watch.computed(share)
    watch.wrote(Window())
    watch.wrote(Window())
    assert told == [4.0, 2.0, 4.0, 10.0]
