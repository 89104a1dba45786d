from __future__ import annotations

from pathlib import Path

import pytest

from harness.answers import Agreement
from harness.page import page
from harness.results import PeerResult, WorkloadResult, rotated
from harness.trial import Loaded, Run
from harness.workloads import Workload

WORKLOAD = Workload(name="mixed", path=Path("mixed.parquet"), rows=10, max_length=256, origin="ten texts")


def peer(name, seconds, **options):
    runs = [Run(seconds=each, computed_tokens=1250, peak_mib=300 + each) for each in seconds]
    given = {"form": "tuned", "runs": runs, "loaded": Loaded(seconds=0.5, resident_mib=100.0)}
    return PeerResult(name=name, tokens=1000, **(given | options))


def result(*peers):
    ceilings = [{"fp32": 1e9, "bf16": each} for each in (2e9, 4e9, 3e9)]
    return WorkloadResult(workload=WORKLOAD, tokens=1000, flop_per_token=1e6, peers=list(peers), ceilings=ceilings)


def test_the_median_of_the_rounds_is_told_with_its_spread():
    found = peer("a", [4.0, 1.0, 2.0])
    assert found.seconds == 2.0
    assert found.speed == 500.0
    assert found.speeds == (250.0, 1000.0)
    assert found.seconds_with_load == 2.5
    assert found.peak_mib == 304.0
    assert found.padding == pytest.approx(0.2)


def test_a_peer_that_loads_the_model_itself_tells_both_times():
    runs = [Run(seconds=2.0, whole_seconds=each, computed_tokens=None, peak_mib=1.0) for each in (3.0, 9.0, 4.0)]
    found = peer("a", [], runs=runs)
    assert (found.seconds, found.seconds_with_load) == (2.0, 4.0)


def test_padding_is_unknown_where_nobody_counts_or_rows_were_reused():
    for computed in (None, 900):
        runs = [Run(seconds=1.0, computed_tokens=computed, peak_mib=1.0)]
        assert peer("a", [], runs=runs).padding is None


def test_ratios_and_shares_of_the_ceiling():
    slow, fast = peer("pipeline-32-fp32", [2.0]), peer("fast", [0.5])
    both = result(slow, fast)
    assert both.ratio(fast, "pipeline-32-fp32") == 4.0
    assert both.ratio(fast, "unheard-of") is None
    assert both.ceiling("bf16") == 3e9
    assert both.ceiling_share(fast) == pytest.approx(2000 * 1e6 / 3e9)


def test_rounds_begin_with_another_peer_each():
    assert [rotated(["a", "b", "c"], by) for by in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
    assert rotated([], 1) == []


def test_the_page_tells_every_peer_slowest_first_and_those_left_out():
    agreement = Agreement(flips=1, rows=200, largest_difference=0.004)
    slow, fast = peer("pipeline-32-fp32", [2.0]), peer("fast", [0.5], agreement=agreement)
    gone = PeerResult(name="gone", form="tuned", tokens=1000, failure="needs something")
    text = page([result(fast, slow, gone)], machine={"processor": "P"}, versions={"torch": "2"}, command="run it")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert len({len(row) for row in cells}) == 1
    assert [row[0] for row in cells[2:]] == ["pipeline-32-fp32", "fast"]
    told = dict(zip(cells[0], cells[3], strict=True))
    assert told["real tokens/s"] == "2,000"
    assert told["times pipeline-32-fp32"] == "4.00"
    assert told["labels flipped"] == "0.50%"
    assert told["of bf16 ceiling"] == "66.7%"
    assert "- gone: needs something" in text
    assert "- processor: P" in text
    assert "- torch: 2" in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # matplotlib's own
def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: the extra bench")
    from harness.picture import draw

    draw([result(peer("a", [1.0, 2.0]), peer("b", [0.5])), result(peer("a", [1.0]))], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
