"""Where a Parquet file keeps its lineage: the key in its footer, and the encoding of what stands there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from scorer.errors import DataError
from scorer.records.lineage import Lineage
from scorer.tables.formats.parquet import read_metadata

LINEAGE_KEY: Final = "scorer"


def lineage_metadata(lineage: Lineage) -> dict[str, str]:
    """`lineage` as what `Sink.close` takes: equal lineages give equal bytes."""
    return {LINEAGE_KEY: json.dumps(lineage.as_document(), sort_keys=True, ensure_ascii=False, allow_nan=False)}


def read_lineage(path: Path) -> Lineage | None:
    """The lineage in the footer of a Parquet file; None when it has none. DataError for a damaged file, and for an
    entry that scorer did not write, or that a later version wrote."""
    text = read_metadata(path).get(LINEAGE_KEY.encode())
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the footer's {LINEAGE_KEY!r} entry is not JSON") from error
    return Lineage.of_document(document, where=f"{path}: the footer's {LINEAGE_KEY!r} entry")
