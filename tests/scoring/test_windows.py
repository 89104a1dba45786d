"""How much is read, tokenized and scored together, and what it comes to."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from scorer.errors import ScorerError
from scorer.scoring.windows import RowCounts, first_rows, growing, window_rows


@pytest.mark.parametrize(
    ("asked", "labels", "rows"),
    [(65_536, 2, 65_536), (65_536, 128, 65_536), (65_536, 1000, 8_388), (25, 1000, 25), (65_536, 0, 65_536)],
)
def test_a_window_of_many_labels_has_fewer_rows(asked, labels, rows):
    assert window_rows(asked, labels=labels) == rows


@pytest.mark.parametrize(("read", "written", "counted"), [(3, 2, 2), (2, 3, 2), (2, 2, 3), (3, 3, 2)])
def test_rows_that_do_not_add_up_are_a_bug_and_no_output(read, written, counted):
    counts = RowCounts(rows_read=read, rows=written, statuses=Counter(ok=counted))
    with pytest.raises(ScorerError, match="nothing was published") as caught:
        counts.check()
    assert caught.value.exit_code == 70
    RowCounts(rows_read=read, rows=read, statuses=Counter(ok=read)).check()


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([65_536, 65_536, 7], [4_096, 8_192, 16_384, 36_864, 65_536, 7]),
        ([9_000], [4_096, 4_904]),
        ([8_192], [8_192]),
        ([3, 65_536], [3, 65_536]),
        ([], []),
    ],
)
def test_windows_grow_from_few_rows_and_lose_none(sizes, found):
    tables = [pa.table({"n": range(size)}) for size in sizes]
    grown = list(growing(tables, 4_096))
    assert [table.num_rows for table in grown] == found
    assert not tables or pa.concat_tables(grown) == pa.concat_tables(tables)


def test_only_beside_a_gpu_the_first_window_is_small():
    assert (first_rows("cuda"), first_rows("cuda:1"), first_rows("cpu")) == (4_096, 4_096, None)
