"""Columns of texts: which they are when nobody says, which types hold them, how they are read, and which texts have
nothing to read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyarrow as pa

from scorer.errors import DataError, UsageError, shown
from scorer.tables import compute as pc
from scorer.tables.dictionaries import OF_VIEWS, decoded
from scorer.tables.rendering import is_binary

TEXT_NAMES = ("sentence", "text", "review", "content", "comment", "message", "body", "document", "tweet", "utterance")

_LONGEST_TYPE = 60

# White space and characters without a shape of their own: separators, format characters (zero-width spaces and
# joiners, byte-order marks, soft hyphens) and control characters that move the carriage.
_NOTHING_TO_READ = r"^[\p{Z}\p{Cf}\t\n\v\f\r\x1c-\x1f\x{85}]*$"


def texts(window: pa.Table, column: str) -> pa.ChunkedArray:
    """The text column `column` (rows,) as string or large_string, whatever type that `holds_texts` it has in the file.

    ArrowInvalid for bytes that are not UTF-8: see `check_utf8`.
    """
    values = window.column(column)
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_dictionary(kind):
        kind = OF_VIEWS.get(kind.value_type, kind.value_type)
        values = pa.chunked_array([decoded(chunk) for chunk in values.chunks], kind)
    if pa.types.is_fixed_size_binary(kind):
        values = pc.cast(values, pa.binary())
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    return pc.cast(values, pa.large_string() if large else pa.string())


def spelt_out(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """`table` with its text columns `columns` as text, also where they hold bytes; see `spelt_type`."""
    for name in columns:
        field = table.schema.field(name)
        if (kind := spelt_type(field.type)) != field.type:
            table = table.set_column(table.schema.get_field_index(name), field.with_type(kind), texts(table, name))
    return table


def spelt_schema(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    """That of a table of `schema` which was `spelt_out`."""
    for name in columns:
        field = schema.field(name)
        schema = schema.set(schema.get_field_index(name), field.with_type(spelt_type(field.type)))
    return schema


def spelt_type(kind: pa.DataType) -> pa.DataType:
    """The type of the texts that a column of type `kind` holds as bytes; `kind` itself of any other."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not is_binary(plain):
        return kind
    return pa.large_string() if pa.types.is_large_binary(plain) else pa.string()


def type_name(kind: pa.DataType) -> str:
    """The type `kind` for a message: a nested one, which may have any number of fields, by its beginning."""
    name = str(kind)
    return name if len(name) <= _LONGEST_TYPE else f"{name[: _LONGEST_TYPE - 4]} ..."


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` holds text."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def holds_texts(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` can be read as texts: it holds text, bytes, as some databases call it, or nulls
    alone."""
    if pa.types.is_dictionary(kind):
        return holds_texts(kind.value_type)
    return is_text(kind) or is_binary(kind) or pa.types.is_null(kind)


def check_utf8(piece: pa.Table, text_columns: Sequence[str], *, where: str, before: int = 0) -> None:
    """DataError with column and row when a text of `piece`, which follows the first `before` rows of `where`, is not
    UTF-8."""
    for name in text_columns:
        try:
            for chunk in texts(piece, name).chunks:
                chunk.validate(full=True)
        except pa.ArrowInvalid as error:
            row = before + first_not_utf8(piece.column(name)) + 1
            raise DataError(
                f"{where}: column {shown(name)}, row {row}: a text is not UTF-8; write it as UTF-8"
            ) from error


def first_not_utf8(column: pa.ChunkedArray) -> int:
    """The place of the first value that is not UTF-8, in a column of texts or bytes of which one is not."""
    chunks = [decoded(chunk) for chunk in column.chunks] if pa.types.is_dictionary(column.type) else column.chunks
    values = itertools.chain.from_iterable(pc.cast(chunk, pa.large_binary()).to_pylist() for chunk in chunks)
    for place, value in enumerate(values):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return place
    raise AssertionError("every value is UTF-8; this is a bug")


def is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each text of `column` (rows,) has nothing to read; null where the text is null."""
    return pc.match_substring_regex(column, _NOTHING_TO_READ)


def find_text_columns(
    names: Sequence[str], asked: Sequence[str], fitted: Sequence[str], *, where: str
) -> tuple[str, ...]:
    """The text columns to score among an input's `names`.

    In this order: those `asked` for, as many as the model was `fitted` on, those that it was `fitted` on when the input
    has them, the only column with a usual name. UsageError when none of these tells; whether `asked` columns exist is
    for the reader to say.
    """
    if len(asked) > 2:
        raise UsageError(f"--text-column: {len(asked)} columns; one, or two for a pair")
    if not names:
        raise DataError(f"{where}: no columns, and so no texts")
    if asked and fitted and len(asked) != len(fitted):
        wanted = "a pair of columns" if len(fitted) > 1 else "one column"
        raise UsageError(f"--text-column: the model was fitted on {_listed(fitted)}; name {wanted}, not {len(asked)}")
    if asked:
        return tuple(asked)
    if fitted and all(name in names for name in fitted):
        return tuple(fitted)
    usual = [name for name in names if name.lower() in TEXT_NAMES]
    if len(usual) == 1 and len(fitted) < 2:
        return (usual[0],)
    wanted = f"the model was fitted on {_listed(fitted)}; " if fitted else ""
    there = ", ".join(shown(name, quoted=False) for name in names[:20])
    hint = " ".join("--text-column NAME" for _ in range(max(len(fitted), 1)))
    raise UsageError(f"{where}: {wanted}which column holds the text? say {hint}; columns: {there}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
