"""Tables as files and back, through pyarrow and Python's csv and json alone: an independent reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]


def write(path: Path, table: pa.Table) -> Path:
    """`table` in the format of `path`'s ending; nulls are empty unquoted fields, texts are quoted."""
    match path.suffix:
        case ".parquet":
            pq.write_table(table, path)
        case ".arrow":
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
        case ".csv" | ".tsv":
            delimiter = "," if path.suffix == ".csv" else "\t"
            lines = [delimiter.join(table.column_names)]
            lines += [delimiter.join(map(_field, row.values())) for row in table.to_pylist()]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


def _field(value: Any) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def read(path: Path) -> Rows:
    """The rows of `path`; from CSV and TSV everything is text."""
    match path.suffix:
        case ".parquet":
            return pq.read_table(path).to_pylist()
        case ".arrow":
            with pa.memory_map(str(path)) as source:
                return pa.ipc.open_file(source).read_all().to_pylist()
        case ".jsonl":
            return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        case _:
            delimiter = "," if path.suffix == ".csv" else "\t"
            with path.open(encoding="utf-8", newline="") as stream:
                return list(csv.DictReader(stream, delimiter=delimiter))
