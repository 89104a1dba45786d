"""Columns of texts: which types hold them, how they are read, and which texts have nothing to read.

Owns what a text is to every reader of tables. Does not know files.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# White space and characters without a shape of their own: separators, format characters (zero-width spaces and
# joiners, byte-order marks, soft hyphens) and control characters that move the carriage.
_NOTHING_TO_READ = r"^[\p{Z}\p{Cf}\t\n\v\f\r\x1c-\x1f\x{85}]*$"


def texts(window: pa.Table, column: str) -> pa.ChunkedArray:
    """The text column `column` (rows,) as string or large_string, whatever string-like type it has in the file."""
    values = window.column(column)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return values
    large = pa.types.is_dictionary(values.type) and pa.types.is_large_string(values.type.value_type)
    return pc.cast(values, pa.large_string() if large else pa.string())


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` can be read as text."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each text of `column` (rows,) has nothing to read; null where the text is null."""
    return pc.match_substring_regex(column, _NOTHING_TO_READ)
