"""What a model directory or a scored file says of itself, and whether that is true: what `scorer inspect` prints.

Without `--verify` no weights are loaded and no rows are read; with it every byte is looked at. A document comes out
even where something is wrong, so that a person sees all of it; what is no model or no table at all is raised instead.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, find_model, open_model, parameters_by_part
from scorer.classifier.metadata import ModelMetadata, compare_files
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.errors import DataError, ModelError, ScorerError
from scorer.records.document import to_document
from scorer.records.lineage import Lineage
from scorer.scoring.answers import SCORED_NAMES, STATUS_NAMES
from scorer.stores.location import Location
from scorer.tables import compute as pc
from scorer.tables.sink import read_lineage
from scorer.tables.source import Source
from scorer.tables.texts import is_text


def inspect_model(name: str) -> dict[str, Any]:
    """Parameters by part, and everything in `scorer.json`; the recorded hashes have been compared with the files."""
    return describe_model(open_model(name))


def describe_model(directory: ModelDirectory) -> dict[str, Any]:
    """The same of a directory that was opened before."""
    parameters = parameters_by_part(directory.path)
    document: dict[str, Any] = {
        "kind": "model",
        "path": str(directory.path.resolve()),
        "fingerprint": directory.fingerprint,
        "parameters": {"total": sum(parameters.values())} | parameters,
        "fitted_by_scorer": directory.metadata is not None,
        "labels": dataclasses.asdict(directory.labels) if directory.labels else None,
    }
    if directory.labels is not None and directory.labels.is_number:
        document["activation"] = directory.decision_for(directory.labels).activation
    if directory.metadata is not None:
        document |= directory.metadata.as_document()
    return document


def inspect_file(path: Location) -> dict[str, Any]:
    """Rows and columns of a data file; of one that scorer wrote also by which command, and its lineage.

    The lineage of a score job has the counts by status.
    """
    source = Source.open(path)
    reader = source.read()
    lineage = read_lineage(path.path) if source.format == "parquet" else None
    writer = lineage.kind if lineage is not None else None
    return {
        "kind": "file",
        "path": path.said,
        "format": source.format,
        "rows": reader.rows,
        "columns": {field.name: str(field.type) for field in reader.schema},
        "scored": writer == "score",
        "written_by": writer,
        "lineage": lineage.as_document() if lineage is not None else None,
    }


_OTHER_COUNTS: Final = "its lineage counts other rows or statuses than were read ({} rows)"


@dataclass(frozen=True)
class Verified:
    """What was found, as JSON types, and the error to end with when something is wrong."""

    document: dict[str, Any]
    error: ScorerError | None


def verify_model(name: str) -> Verified:
    """Every file against its SHA-256 in `scorer.json`, and the weights loaded: all finite, and fit for each other.

    ModelError when the directory breaks the rules of trust.
    """
    path = find_model(name)
    metadata = ModelMetadata.read(path)
    files = compare_files(path, metadata.files if metadata else None)
    wrong = [f"{file} is {state}" for file, state in files.items() if state not in ("ok", "not recorded")]
    if wrong:
        document = {"kind": "model", "path": str(path.resolve()), "verified": {"ok": False, "files": files}}
        more = f" and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""
        return Verified(document, ModelError(f"{name}: {wrong[0]}{more}; fit or copy the model again"))
    return _load(ModelDirectory(name, path, metadata), files)


def verify_file(path: Location) -> Verified:
    """Every page read with its checksum; of a scored Parquet file also rows and statuses against its lineage.

    DataError when not even the footer or header can be read.
    """
    document = inspect_file(path)
    try:
        problems, counts = _recount(path, document)
    except DataError as error:
        return Verified(document | {"verified": {"ok": False, "problems": [str(error)]}}, error)
    document["verified"] = {"ok": not problems, "problems": problems} | counts
    return Verified(document, DataError(f"{path.said}: {problems[0]}; score its input again") if problems else None)


def _load(directory: ModelDirectory, files: dict[str, str]) -> Verified:
    # torch and transformers take seconds to import: only once the cheap checks have passed.
    from scorer.classifier.loading import load

    document = describe_model(directory)
    try:
        load(directory)
    except ModelError as error:
        return Verified(document | {"verified": {"ok": False, "files": files, "weights": str(error)}}, error)
    return Verified(document | {"verified": {"ok": True, "files": files, "weights": "finite"}}, None)


def _recount(path: Location, document: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Read all of `path`: what contradicts its lineage, and the counts that were found."""
    lineage = Lineage.of_document(document["lineage"], where=path.said) if document["scored"] else None
    reader = Source.open(path).read()
    columns = _appended(lineage, reader.schema) if lineage is not None else None
    if lineage is not None and columns is None and not _is_in_folders(lineage):
        return ["the columns that its lineage tells of are not in it"], {}
    rows, unlike, statuses = 0, 0, Counter[str]()
    for window in reader.windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES):
        _validate(window, path)
        rows += window.num_rows
        if columns is not None:
            statuses.update(_names(window[columns[0]]))
            unlike += _contradictions(window, columns)
    reader.check_unchanged()
    counts = {"rows": rows, "statuses": dict(sorted(statuses.items()))}
    if lineage is None or columns is None:
        counted = lineage.counts.rows if lineage is not None and lineage.counts is not None else rows
        return [_OTHER_COUNTS.format(rows)] if counted != rows else [], {"rows": rows}
    return _problems(lineage, counts, unlike), counts


def _validate(window: pa.Table, path: Location) -> None:
    """Reading proved the pages' checksums; this proves that what they hold is what their types say."""
    try:
        window.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path.said}: holds values that its types do not allow; write the file again") from error


def _appended(lineage: Lineage, schema: pa.Schema) -> tuple[str, str, str] | None:
    """The names of status, score and confidence; None when one is not in `schema`, or the status is no text."""
    prefix = lineage.job.prefix
    names = (f"{prefix}score_status", f"{prefix}score", f"{prefix}confidence")
    return names if set(names) <= set(schema.names) and is_text(schema.field(names[0]).type) else None


def _is_in_folders(lineage: Lineage) -> bool:
    """Whether the names of folders say one of status, score and confidence."""
    prefix, names = lineage.job.prefix, lineage.job.options.get("partition_by") or ()
    return any(f"{prefix}{name}" in names for name in ("score_status", "score"))


def _names(column: pa.ChunkedArray) -> list[str]:
    """Statuses as text; whatever is none of ours is not repeated, since it may be anything."""
    return [name if name in STATUS_NAMES else "unknown" for name in column.cast(pa.string()).to_pylist()]


def _contradictions(window: pa.Table, columns: tuple[str, str, str]) -> int:
    """Rows whose status says that they have a score while they have none, or the other way round; and numbers with a
    confidence, which has none."""
    status, score, confidence = (window[name] for name in columns)
    scored = pc.fill_null(pc.is_in(status.cast(pa.string()), pa.array(SCORED_NAMES)), False)
    # No label is a floating-point number: such a score is that of a model with one output, and has no confidence.
    sure = confidence.is_null() if pa.types.is_floating(score.type) else pc.equal(scored, confidence.is_valid())
    sound = pc.and_(pc.equal(scored, score.is_valid()), sure)
    agreeing: int = pc.sum(sound).as_py() or 0
    return int(window.num_rows) - agreeing


def _problems(lineage: Lineage, counts: dict[str, Any], unlike: int) -> list[str]:
    problems = []
    if lineage.counts is None or to_document(lineage.counts) != counts:
        problems.append(_OTHER_COUNTS.format(counts["rows"]))
    if unlike:
        problems.append(f"{unlike} rows whose score and status contradict each other")
    return problems
