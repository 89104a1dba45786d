"""Values as text and as JSON."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.errors import DataError
from scorer.tables.rendering import float_text, json_text, json_values, text_of


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.floats(), st.integers(-(10**17), 10**17).map(float), st.floats(1e-6, 1e-3)), max_size=5))
def test_floats_are_written_as_python_writes_them(values: list[float]) -> None:
    assert float_text(pa.array(values, pa.float64())).to_pylist() == [repr(value) for value in values]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=5))
def test_narrow_floats_are_written_shortest(values: list[float]) -> None:
    array = pa.array(values, pa.float32())
    texts = text_of(array, pa.field("f", pa.float32())).to_pylist()
    assert texts == [repr(float(str(np.float32(value)))) for value in values]


SUN_TIME = "1874-12-07T19:33:28+00:53:28"
NOON = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([0.9, None], pa.float32()), ["0.9", None]),
        (pa.array([True, None]), ["true", None]),
        (pa.array([NOON], pa.timestamp("s", "Europe/Berlin")), ["2024-05-01T14:00:00+02:00"]),
        (pa.array([NOON], pa.timestamp("ms", "UTC")), ["2024-05-01T12:00:00.000Z"]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
        (
            pa.array([0, None, -3 * 10**9], pa.timestamp("s", "Europe/Berlin")),
            ["1970-01-01T01:00:00+01:00", None, SUN_TIME],
        ),
        (pa.array([datetime.date(2024, 5, 1)]), ["2024-05-01"]),
        (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        (pa.array([b"\xff\x00", None]), ["/wA=", None]),
        (pa.array([b"ab"], pa.binary(2)), ["YWI="]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([[1, None], None, []], pa.list_(pa.int8())), ["[1,null]", None, "[]"]),
        (pa.array([{"a": 0.5, "b": "\u00e9"}]), ['{"a":0.5,"b":"\u00e9"}']),
        (pa.array([None, None]), [None, None]),
        (pa.array(["x"], pa.string_view()), ["x"]),
    ],
)
def test_text_of_each_type(array: pa.Array, texts: list[str | None]) -> None:
    assert text_of(array, pa.field("c", array.type)).cast(pa.string()).to_pylist() == texts


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([float("nan"), float("inf"), 1.5]), [None, None, 1.5]),
        (pa.array([[0.1], None, [0.2, 0.3]], pa.list_(pa.float32())).slice(1), [None, [0.2, 0.3]]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)).slice(1), [None, [3, 4]]),
        (pa.array([[1], None, [2]], pa.list_view(pa.int8())).slice(1), [None, [2]]),
        (
            pa.array([[("a", 1)], None, [("b", 2), ("c", None)]], pa.map_(pa.string(), pa.int8())).slice(1),
            [None, [{"key": "b", "value": 2}, {"key": "c", "value": None}]],
        ),
        (pa.array([{"p": 0.9}, None], pa.struct([("p", pa.float32())])), [{"p": 0.9}, None]),
        (pa.array([{}, None], pa.struct([])), [{}, None]),
        (pa.array([NOON, None], pa.timestamp("s", "UTC")), ["2024-05-01T12:00:00Z", None]),
        (pa.array([[b"\xff"]]), [["/w=="]]),
        (pa.array([2**63], pa.uint64()), [2**63]),
    ],
)
def test_json_of_each_type(array: pa.Array, values: list[Any]) -> None:
    assert json_values(array) == values
    assert json.loads(json_text(json_values(array))) == values


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)),
    st.sampled_from(["Europe/Berlin", "Africa/Monrovia", "Asia/Kolkata", "America/New_York", "+05:30", "UTC"]),
)
def test_zoned_times_read_back_as_the_same_instant(time: datetime.datetime, zone: str) -> None:
    instant = time.replace(tzinfo=datetime.UTC)
    (text,) = text_of(
        pa.array([instant], pa.timestamp("us", zone)), pa.field("t", pa.timestamp("us", zone))
    ).to_pylist()
    assert datetime.datetime.fromisoformat(text) == instant


DAY = 86_400


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 2**31 - 1], pa.date32()),
        ([2**61 // (1000 * DAY) * 1000 * DAY], pa.date64()),
        ([DAY], pa.time32("s")),
        ([-1], pa.time64("ns")),
        ([2**62], pa.timestamp("us")),
        ([-(2**62)], pa.timestamp("s")),
        ([32_000 * 365 * DAY], pa.timestamp("s", "America/New_York")),
        ([2**60], pa.timestamp("ms", "Europe/Berlin")),
        ([2**63 - 1], pa.timestamp("ns", "Pacific/Kiritimati")),
        ([-(2**63)], pa.timestamp("ns", "America/New_York")),
    ],
)
def test_times_that_text_cannot_tell_are_refused(values: list[int], kind: pa.DataType) -> None:
    array = pa.array(values, kind)
    for nested in (array, pa.StructArray.from_arrays([array], ["t"])):
        with pytest.raises(DataError, match="so far away"):
            text_of(nested, pa.field("t", nested.type))
    with pytest.raises(DataError, match="so far away"):
        json_values(array.dictionary_encode())
