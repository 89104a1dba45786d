"""Text columns: asked for, known from the fit, or found by their names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scorer.errors import UsageError
from scorer.tables.texts import find_text_columns


@pytest.mark.parametrize(
    ("names", "asked", "fitted", "found"),
    [
        ("id text", "", "", "text"),
        ("id text", "id", "text", "id"),
        ("title body", "", "body title", "body title"),
        ("one two", "two one", "title body", "two one"),
        ("one two", "one", "", "one"),
        ("one two", "one two", "", "one two"),
        ("id review", "", "text", "review"),
    ],
)
def test_columns_that_are_found(names: str, asked: str, fitted: str, found: str) -> None:
    assert columns(names, asked, fitted) == found.split()


@pytest.mark.parametrize(
    ("asked", "fitted", "said"),
    [
        ("a b c", "", "3 columns; one, or two for a pair"),
        ("text", "title body", "fitted on 'title' and 'body'; name a pair of columns, not 1"),
        ("title body", "text", "fitted on 'text'; name one column, not 2"),
        ("", "title body", "in.csv: the model was fitted on 'title' and 'body'; which column holds the text?"),
    ],
)
def test_columns_that_the_model_cannot_score(asked: str, fitted: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        columns("id text title", asked, fitted)
    assert said in str(raised.value)


def columns(names: str, asked: str, fitted: str) -> Sequence[str]:
    return list(find_text_columns(names.split(), asked.split(), fitted.split(), where="in.csv"))
