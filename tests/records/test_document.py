"""What is read is exactly what was written; whatever else is an error that says where."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.errors import DataError
from scorer.records.document import from_document, from_json, to_document, to_json
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Counts, Drift, Lineage
from scorer.records.part import DriftSums, PartRecord, Totals
from scorer.records.shard import InputFile, RowGroups, Shard

TEXTS = st.text(max_size=8)
COUNTS = st.integers(0, 2**62)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
HISTOGRAMS = st.lists(COUNTS, max_size=4).map(tuple)
MODELS = st.builds(
    ModelRecord,
    fingerprint=TEXTS,
    labels=st.none() | st.lists(TEXTS).map(tuple),
    decision=st.none() | OBJECTS,
    long_text=st.none() | OBJECTS,
)
VERSIONS = st.dictionaries(TEXTS, TEXTS, max_size=3)
JOBS = st.sampled_from([("score", ("model",)), ("evaluate", ("model",)), ("diff", ("old", "new"))]).flatmap(
    lambda kind: st.builds(
        JobSpec,
        kind=st.just(kind[0]),
        models=st.fixed_dictionaries(dict.fromkeys(kind[1], MODELS)),
        options=OBJECTS,
        versions=VERSIONS,
    )
)
PARTITIONS = st.sampled_from([(), (("day", "01"),), (("year", "2026"), ("day", None))])
FILES = st.builds(InputFile, location=TEXTS, identity=TEXTS, size=COUNTS, partition=PARTITIONS)
GROUPS = st.builds(lambda first, more: RowGroups(first=first, end=first + more), st.integers(0, 9), st.integers(1, 9))
SHARDS = st.builds(Shard, files=st.lists(FILES, min_size=1, max_size=3).map(tuple)) | st.builds(
    Shard, files=st.tuples(FILES), row_groups=GROUPS
)
DRIFTS = st.none() | st.builds(
    DriftSums,
    rows=COUNTS,
    lengths=HISTOGRAMS,
    labels=HISTOGRAMS,
    confidences=HISTOGRAMS,
    unknowns=HISTOGRAMS,
    truncated=COUNTS,
    tokens=COUNTS,
    unknown_tokens=COUNTS,
)
STATUSES = st.dictionaries(TEXTS, COUNTS, max_size=3)
PARTS = st.builds(
    PartRecord,
    name=TEXTS,
    shard=SHARDS,
    job=TEXTS,
    rows=COUNTS,
    content=TEXTS,
    size=COUNTS,
    statuses=STATUSES,
    rejected=COUNTS,
    tokens=COUNTS,
    drift=DRIFTS,
)
LINEAGES = st.builds(
    Lineage,
    job=JOBS,
    input=TEXTS,
    counts=st.none() | st.builds(Counts, rows=COUNTS, statuses=STATUSES),
    drift=st.none()
    | st.builds(
        Drift,
        rows=COUNTS,
        psi=st.dictionaries(TEXTS, NUMBERS, max_size=3),
        chance=st.dictionaries(TEXTS, NUMBERS, max_size=3),
        truncated_share=NUMBERS,
        truncated_share_change=NUMBERS,
        unknown_share=st.none() | NUMBERS,
        unknown_share_change=st.none() | NUMBERS,
    ),
)


@given(st.one_of(JOBS, SHARDS, PARTS, LINEAGES, PARTS.map(lambda part: Totals.of([part]))))
def test_a_record_survives_json(record):
    text = to_json(record)
    again = from_json(type(record), text, where="here")
    assert again == record
    assert to_json(again) == text
    assert pickle.loads(pickle.dumps(record)) == record


@given(LINEAGES)
def test_a_lineage_survives_its_document(lineage):
    document = json.loads(json.dumps(lineage.as_document()))
    again = Lineage.of_document(document, where="here")
    assert again == lineage
    assert again.as_document() == document
    assert again.same_job(lineage)


@given(JOBS, JOBS)
def test_equal_jobs_alone_have_equal_fingerprints(one, other):
    assert (one.fingerprint == other.fingerprint) == (to_json(one) == to_json(other))
    assert from_json(JobSpec, to_json(one), where="here").fingerprint == one.fingerprint


@given(OBJECTS)
def test_whatever_is_no_record_is_a_data_error(document):
    for kind in (JobSpec, Shard, PartRecord, Lineage, Counts):
        with pytest.raises(DataError, match=r"^here: "):
            from_document(kind, document, where="here")
    with pytest.raises(DataError, match=r"^here: "):
        Lineage.of_document(document, where="here")


@dataclass(frozen=True)
class Sample:
    """A field of every type that a record may have."""

    text: str = "a"
    number: float = 0.5
    count: int = 3
    flag: bool = True
    choice: Literal["x", "y"] = "x"
    many: tuple[int, ...] = (1, 2)
    pair: tuple[str, int | None] = ("a", None)
    named: Mapping[str, float] | None = None
    other: Counts | None = None
    anything: Any = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": 1}, "here: text: a whole number, where a text is expected"),
        ({"number": "1"}, "here: number: a text, where a number is expected"),
        ({"number": True}, "here: number: true or false, where a number is expected"),
        ({"number": float("nan")}, "here: number: not a finite number"),
        ({"number": 10**400}, "here: number: not a finite number"),
        ({"count": 1.0}, "here: count: a number, where a whole number is expected"),
        ({"count": True}, "here: count: true or false, where a whole number is expected"),
        ({"flag": 1}, "here: flag: a whole number, where true or false is expected"),
        ({"choice": "z"}, "here: choice: not one of x, y"),
        ({"choice": []}, "here: choice: not one of x, y"),
        ({"many": {}}, "here: many: an object, where a list is expected"),
        ({"many": [1, "2"]}, "here: many: a text, where a whole number is expected"),
        ({"pair": ["a"]}, "here: pair: 1 values, where 2 are expected"),
        ({"pair": ["a", "b"]}, "here: pair: a text, where a whole number is expected"),
        ({"named": {"a": None}}, "here: named: null, where a number is expected"),
        ({"other": {"rows": 1}}, "here: other: missing key 'statuses'"),
        ({"anything": [{"a": float("inf")}]}, "here: anything: not a finite number"),
        ({"more": 1}, "here: unknown key 'more'"),
    ],
)
def test_an_error_says_where_and_what(change, message):
    with pytest.raises(DataError) as raised:
        from_document(Sample, to_document(Sample()) | change, where="here")
    assert str(raised.value) == message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, b"\xff"])
def test_what_is_no_object_is_a_data_error(text):
    with pytest.raises(DataError, match=r"^here: (not JSON|a list, where|null, where)"):
        from_json(Sample, text, where="here")


def test_a_whole_number_is_a_number():
    assert from_document(Sample, to_document(Sample()) | {"number": 2}, where="here") == Sample(number=2.0)
