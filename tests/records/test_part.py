"""Receipts add up to what all parts hold, in whatever order they come, and say whether a part is current."""

from __future__ import annotations

import dataclasses

import pytest

from scorer.errors import DataError
from scorer.records.flips import Certificate
from scorer.records.part import DriftSums, PartRecord, Totals
from scorer.records.shard import InputFile, RowGroups, Shard


def part(name: str, rows: int, *, drift: bool = True, **changes: object) -> PartRecord:
    sums = DriftSums(
        rows=rows,
        lengths=(rows, 0),
        labels=(0, rows),
        confidences=(rows,),
        unknowns=(rows,),
        truncated=1,
        tokens=7,
        unknown_tokens=2,
    )
    record = PartRecord(
        name=name,
        shard=Shard(files=(InputFile(location=f"in/{name}", identity=f"hash of {name}", size=10),)),
        job="job",
        rows=rows,
        content="hash",
        size=99,
        statuses={"ok": rows - 1, "null": 1},
        rejected=2,
        tokens=7,
        drift=sums if drift else None,
    )
    return dataclasses.replace(record, **changes)


def test_receipts_add_up():
    records = [part("a", 3), part("b", 5), part("c", 2, drift=False)]
    totals = Totals.of(records)
    assert totals == Totals.of(reversed(records))
    assert (totals.parts, totals.rows, totals.rejected, totals.tokens) == (3, 10, 6, 21)
    assert totals.statuses == {"null": 3, "ok": 7}
    assert totals.drift is not None
    assert (totals.drift.rows, totals.drift.lengths, totals.drift.labels) == (8, (8, 0), (0, 8))
    assert Totals.of([]) == Totals()


def test_parts_of_different_models_do_not_add_up():
    other = part("b", 5)
    assert other.drift is not None
    wider = dataclasses.replace(other, drift=dataclasses.replace(other.drift, labels=(1, 2, 3)))
    with pytest.raises(DataError, match="2 and in 3 bins"):
        Totals.of([part("a", 3), wider])


def test_a_part_is_current_for_its_own_job_and_input():
    record = part("a", 3)
    moved = Shard(files=(InputFile(location="elsewhere", identity="hash of a", size=10),))
    changed = Shard(files=(InputFile(location="in/a", identity="another hash", size=10),))
    some = dataclasses.replace(record.shard, row_groups=RowGroups(first=0, end=2))
    assert record.is_current(job="job", shard=record.shard)
    assert record.is_current(job="job", shard=moved)
    assert not record.is_current(job="another", shard=record.shard)
    assert not record.is_current(job="job", shard=changed)
    assert not record.is_current(job="job", shard=some)


def test_the_order_of_files_and_the_row_groups_are_part_of_a_shard():
    one, two = (InputFile(location="", identity=name, size=1) for name in "ab")
    groups = [RowGroups(first=0, end=1), RowGroups(first=0, end=2), RowGroups(first=1, end=2)]
    shards = [Shard(files=(one, two)), Shard(files=(two, one)), Shard(files=(one,))]
    shards += [Shard(files=(one,), row_groups=group) for group in groups]
    shards += [Shard(files=(dataclasses.replace(one, partition=(("day", day),)),)) for day in ("1", "2", None)]
    assert len({shard.fingerprint for shard in shards}) == len(shards)
    assert Shard(files=(one, two)).size == 2
    with pytest.raises(AssertionError):
        Shard(files=())
    with pytest.raises(AssertionError):
        Shard(files=(one, two), row_groups=groups[0])


def test_reasons_of_several_parts_are_told_once():
    one, other = (Certificate(max_flips=0.01, confidence=0.95, exact=exact) for exact in ("small", "hard"))
    none = Certificate(max_flips=0.01, confidence=0.95)
    assert (one + other + none + one + other).exact == "small; hard"
    assert (none + none).exact is None
