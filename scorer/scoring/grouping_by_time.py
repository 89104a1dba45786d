"""How a column is grouped, and rows by time: by the hour as long as these are few, then by day, month and year."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.errors import UsageError, shown
from scorer.reports.outcome import Breakdown
from scorer.scoring.grouping import Counted, Grouping, Numbers, Scored, Values, is_number, most_values
from scorer.tables import compute as pc
from scorer.tables.dictionaries import castable
from scorer.tables.texts import is_text, type_name

# So many points of time are shown.
_POINTS: Final = 62
# Of times that lie far from all others, as the year 1900 for "unknown" does, so large a share is left out at each end.
_FAR: Final = 0.005
_DATE: Final = r"^\d{4}-\d{2}-\d{2}([T ]|$)"
_EPOCH: Final = datetime.datetime(1970, 1, 1)
_TICKS: Final = {"s": 3_600, "ms": 3_600_000, "us": 3_600_000_000, "ns": 3_600_000_000_000}
_NEVER: Final = np.iinfo(np.int64).min
# The years that Python's calendar has, but for those at its ends.
_FIRST, _LAST = ((datetime.datetime(year, 1, 1) - _EPOCH).days * 24 for year in (2, 9998))


def grouping_of(name: str, kind: pa.DataType, first: pa.ChunkedArray, *, where: str) -> Grouping:
    """How rows are grouped by a column of type `kind`, whose `first` values tell whether texts are dates. Errors as of
    `check_groups`."""
    check_groups(name, kind, where=where)
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_time(plain) or (is_text(plain) and _are_dates(first)):
        return Times(name)
    return Numbers(name) if is_number(plain) and not pa.types.is_null(plain) else Values(name)


def check_groups(name: str, kind: pa.DataType, *, where: str) -> None:
    """UsageError where the values of a column of type `kind` are no groups."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(test(plain) for test in (is_time, is_text, is_number, pa.types.is_boolean)):
        raise UsageError(
            f"--report-by {shown(name, quoted=False)}: the column of {where} is {type_name(kind)}; name one of dates, "
            "texts, numbers or booleans"
        )


def time_column(window: pa.Table, *, besides: Collection[str]) -> str | None:
    """The first column of `window` that holds times, texts such as 2026-03-01 among them; none of those `besides`."""
    named = [field for field in window.schema if field.name not in besides]
    typed = (field.name for field in named if is_time(field.type))
    told = (field.name for field in named if is_text(field.type) and _are_dates(window[field.name]))
    return next(typed, None) or next(told, None)


def is_time(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` holds days or times of days."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _are_dates(first: pa.ChunkedArray) -> bool:
    try:
        texts = pc.cast(castable(first), pa.large_string()).drop_null()
        return bool(len(texts)) and pc.all(pc.match_substring_regex(texts, _DATE)).as_py() is True
    except pa.ArrowInvalid:  # bytes that are not UTF-8, in a column that nobody has asked for
        return False


class Times(Grouping):
    """Times, shown by the finest unit that gives few points."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._found: dict[int | None, Counted] = {}
        self._zone = ""
        # What is counted by, a place in `_COUNTED`.
        self._unit = 0

    def add(self, column: pa.ChunkedArray, found: Scored, *, labels: int) -> None:
        hours = self._hours(column)
        for key, counted in found.counted(hours if self._unit == 0 else _days(hours), labels=labels):
            self._found.setdefault(self._begin(key), Counted()).add(counted)
        while len(self._found) > most_values(labels) and self._unit + 1 < len(_COUNTED):
            self._unit += 1
            self._found = _merged(self._found, self._begin)

    def takes(self, kind: pa.DataType) -> bool:
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(is_time(plain) or is_text(plain) or pa.types.is_null(plain))

    def _begin(self, hour: int | None) -> int | None:
        return None if hour is None or hour == _NEVER else _COUNTED[self._unit].begin(hour)

    def _hours(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Whole hours since 1970 (rows,), or `_NEVER`. Zoned times are those of their zone's clocks, where this machine
        knows it."""
        column = castable(column)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        values = pc.cast(column, kind)
        if is_text(kind) or pa.types.is_null(kind):
            values = _parsed(pc.cast(values, pa.large_string()))
        elif pa.types.is_timestamp(kind) and kind.tz is not None:
            values = self._on_clocks(values, kind.tz)
        whole = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        numbers = pc.fill_null(pc.cast(pc.cast(values, whole), pa.int64()), _NEVER).to_numpy()
        hours = numbers * 24 if pa.types.is_date32(kind) else numbers // _ticks(values.type)
        known = (numbers != _NEVER) & (hours >= _FIRST) & (hours < _LAST)
        return np.where(known, hours, _NEVER)

    def _on_clocks(self, values: pa.ChunkedArray, zone: str) -> pa.ChunkedArray:
        try:
            local = pc.local_timestamp(values)
            self._zone = zone
        except pa.ArrowInvalid:  # a zone that this machine does not know
            local = pc.cast(pc.cast(values, pa.timestamp(values.type.unit, "UTC")), pa.timestamp(values.type.unit))
            self._zone = "UTC"
        return local

    def breakdown(self, *, labels: int) -> Breakdown:
        missing = self._found.pop(None, None)
        if missing is not None:
            self.notes.append(f"Rows without a time: {missing.rows:,}.")
        if self._zone:
            self.notes.append(f"Times are those of {self._zone}.")
        kept = self._without_far()
        finest = _COUNTED[self._unit]
        if all(hour % 24 == 0 for hour in kept):
            finest = max(finest, _DAYS, key=lambda unit: unit.hours)
        # Months are not made of weeks.
        units = [unit for unit in _UNITS if unit.hours >= finest.hours]
        unit = next((unit for unit in units if unit.points(kept) <= _POINTS), units[-1])
        merged = {hour: counted for hour, counted in _merged(kept, unit.begin).items() if hour is not None}
        groups = [merged.get(hour, Counted()).group(unit.name(hour), labels) for hour in unit.between(merged)]
        return Breakdown(column=self.name, kind="time", groups=groups, unit=unit.title, notes=self.notes)

    def _without_far(self) -> dict[int, Counted]:
        """What was counted, but for the few rows far from all others, which would leave no room for these."""
        found = {hour: counted for hour, counted in self._found.items() if hour is not None}
        hours = sorted(found)
        if not hours:
            return found
        ends = np.cumsum([found[hour].rows for hour in hours])
        low, high = (hours[int(np.searchsorted(ends, ends[-1] * share))] for share in (_FAR, 1 - _FAR))
        room = max(high - low, 24)
        kept = {hour: found[hour] for hour in hours if low - room <= hour <= high + room}
        if left := int(ends[-1]) - sum(counted.rows for counted in kept.values()):
            self.notes.append(f"Rows left out, since they are far from all others in time: {left:,}.")
        return kept


@dataclass(frozen=True)
class _Unit:
    """A unit of time: about how many `hours` it has, when that of a moment begins, how it is written, and how long
    after its beginning the next one has begun."""

    title: str
    hours: float
    begins: Callable[[datetime.datetime], datetime.datetime]
    form: str
    after: datetime.timedelta

    def begin(self, hour: int) -> int:
        return _hour_of(self.begins(_moment(hour)))

    def name(self, hour: int) -> str:
        return _moment(hour).strftime(self.form)

    def points(self, found: Mapping[int, Counted]) -> int:
        """About how many of it there are between the first and the last of `found`."""
        return int((max(found) - min(found)) / self.hours) + 1 if found else 0

    def between(self, found: Mapping[int, Counted]) -> Iterator[int]:
        """Every one from the first to the last of `found`."""
        hour = min(found, default=0)
        while found and hour <= max(found):
            yield hour
            hour = self.begin(_hour_of(_moment(hour) + self.after))


def _day(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(hour=0)


def _monday(moment: datetime.datetime) -> datetime.datetime:
    return _day(moment) - datetime.timedelta(days=moment.weekday())


def _days_long(days: int) -> datetime.timedelta:
    return datetime.timedelta(days=days)


_HOURS = _Unit("hour", 1, lambda moment: moment, "%m-%d %H:00", datetime.timedelta(hours=1))
_DAYS = _Unit("day", 24, _day, "%Y-%m-%d", _days_long(1))
_WEEKS = _Unit("week", 168, _monday, "%Y-%m-%d", _days_long(7))
_MONTHS = _Unit("month", 730.5, lambda moment: _day(moment).replace(day=1), "%Y-%m", _days_long(31))
_YEARS = _Unit("year", 8766, lambda moment: _day(moment).replace(day=1, month=1), "%Y", _days_long(366))
_UNITS: Final = (_HOURS, _DAYS, _WEEKS, _MONTHS, _YEARS)
_COUNTED: Final = (_HOURS, _DAYS, _MONTHS, _YEARS)


def _moment(hour: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(hours=hour)


def _hour_of(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(hours=1)


def _days(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(hours == _NEVER, _NEVER, hours // 24 * 24)


def _ticks(kind: pa.DataType) -> int:
    """How many of a type's units an hour has."""
    return _TICKS["ms"] if pa.types.is_date64(kind) else _TICKS[kind.unit]


def _merged(
    found: Mapping[int | None, Counted] | Mapping[int, Counted], begin: Callable[..., int | None]
) -> dict[int | None, Counted]:
    together: dict[int | None, Counted] = {}
    for hour, counted in found.items():
        together.setdefault(None if hour is None else begin(hour), Counted()).add(counted)
    return together


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts that begin as ISO 8601 does, as times to the hour; null where one does not."""
    day, hour = (pc.cast(pc.utf8_slice_codeunits(texts, *part), pa.string()) for part in ((0, 10), (11, 13)))
    whole = pc.match_substring_regex(hour, r"^\d\d$")
    joined = pc.binary_join_element_wise(day, pc.if_else(whole, hour, "00"), " ")
    return pc.strptime(joined, format="%Y-%m-%d %H", unit="s", error_is_null=True)
