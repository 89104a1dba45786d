"""What a scored Parquet file says of itself: the lineage in its footer.

Owns the key and its encoding. Does not know what a lineage holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from scorer.errors import DataError
from scorer.tables.parquet import read_metadata

LINEAGE_KEY: Final = "scorer"


def lineage_metadata(lineage: dict[str, Any]) -> dict[str, str]:
    """`lineage` as what `Sink.close` takes: equal lineages give equal bytes."""
    return {LINEAGE_KEY: json.dumps(lineage, sort_keys=True, ensure_ascii=False, allow_nan=False)}


def read_lineage(path: Path) -> dict[str, Any] | None:
    """The lineage in the footer of a Parquet file; None when it has none. DataError for a damaged file."""
    text = read_metadata(path).get(LINEAGE_KEY.encode())
    if text is None:
        return None
    try:
        lineage = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the footer's {LINEAGE_KEY!r} entry is not JSON") from error
    if not isinstance(lineage, dict):
        raise DataError(f"{path}: the footer's {LINEAGE_KEY!r} entry is {type(lineage).__name__}, not an object")
    return lineage
