"""The day that a run is for, and how it comes into paths: `{date}`, `{date-1d}`, `{date:%Y/%m/%d}`.

{date}              2026-03-31
{date-1d}           the day before; also w (weeks), m (months) and y (years), + and -
{date-1m:%Y-%m}     in another form: the directives of strftime that tell of a day
{{ and }}           the braces themselves
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from scorer.errors import ConfigError, UsageError

_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DAY: Final = re.compile(r"date(?:([+-])(\d{1,4})([dwmy]))?(?::(.+))?", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_OF_A_DAY: Final = "aAbBdjmuUVwWyYG%"
_DAYS: Final = {"d": 1, "w": 7}
_MONTHS: Final = {"m": 1, "y": 12}


def parse_day(text: str, *, flag: str) -> date:
    """The day that `flag` says. UsageError when it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: no day; say it as 2026-03-31") from error


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def filled(value: Any, day: date, *, where: str) -> Any:
    """`value`, a text or a list of texts or anything else, with `day` in the place of what means it.

    ConfigError, which begins with `where`, for braces that mean nothing and for a day that no calendar has.
    """
    if isinstance(value, list):
        return [filled(part, day, where=where) for part in value]
    if not isinstance(value, str):
        return value
    return _BRACES.sub(lambda found: _meant(found, day, where), value)


def _meant(found: re.Match[str], day: date, where: str) -> str:
    whole = found[0]
    if whole in ("{{", "}}"):
        return whole[0]
    parts = _DAY.fullmatch(found[1] or "")
    if parts is None:
        raise ConfigError(
            f"{where}: {whole} means nothing; did you mean {{date}}, {{date-1d}} or {{date:%Y-%m-%d}}? A brace itself "
            "is written twice"
        )
    sign, count, unit, form = parts.groups()
    try:
        day = _moved(day, int(f"{sign}{count}"), unit) if sign else day
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: {whole}: no such day, counted from {day}") from error
    if form is None:
        return day.isoformat()
    if unknown := [letter for letter in _DIRECTIVE.findall(form) if letter == "" or letter not in _OF_A_DAY]:
        raise ConfigError(f"{where}: {whole}: %{unknown[0]} tells nothing of a day; there are {' '.join(_OF_A_DAY)}")
    return day.strftime(form)


def _moved(day: date, count: int, unit: str) -> date:
    """`day` moved by so many days, weeks, months or years; the last day of a month that is shorter."""
    if unit in _DAYS:
        return day + timedelta(days=count * _DAYS[unit])
    months = day.year * 12 + day.month - 1 + count * _MONTHS[unit]
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
