"""The rows that a model left to people, as one file for them to work through.

    python jobs/queue_doubtful.py MANIFEST FOLDER

Reads the manifest of a `scorer run`, and of what its score steps wrote the rows whose `score_status` is `abstain`. They
become a file of FOLDER that is called as the manifest is, by the time of the run; the least sure come first. A row that
is in a file of FOLDER already does not come again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds

KEY = "id"


def doubtful(manifest: dict[str, Any]) -> Iterator[pa.Table]:
    """The rows from which the model abstains, of each target of the run."""
    for step in manifest["steps"]:
        if step["command"] == "score" and step["outcome"] == "done":
            # Of a step that is quiet there is no summary.
            parts = ds.dataset(step["arguments"][-1], exclude_invalid_files=True, ignore_prefixes=["_", "."])
            status = pc.field("score_status").cast(pa.string())
            yield parts.to_table(columns=[KEY, "text", "score", "confidence"], filter=status == "abstain")


def keys(rows: pa.Table) -> list[str]:
    """The key of each row as a CSV file has it, where 0007 is no number."""
    return pc.fill_null(rows[KEY].cast(pa.string()), "").to_pylist()


def known(folder: Path) -> set[str]:
    """The keys of the rows that were queued before."""
    as_it_is = pa.csv.ConvertOptions(include_columns=[KEY], column_types={KEY: pa.string()})
    several_lines = pa.csv.ParseOptions(newlines_in_values=True)
    files = (
        pa.csv.read_csv(path, parse_options=several_lines, convert_options=as_it_is)
        for path in folder.glob("[!.]*.csv")
    )
    return {key for table in files for key in keys(table)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    manifest = json.loads(asked.manifest.read_text(encoding="utf-8"))
    rows = pa.concat_tables(doubtful(manifest))
    before = known(asked.folder)
    rows = rows.filter(pa.array([key not in before for key in keys(rows)], pa.bool_()))
    if not rows.num_rows:
        print("nothing to look at")
        return
    target = asked.folder / f"{asked.manifest.stem}.csv"
    beside = target.with_name(f".{target.name}")
    pa.csv.write_csv(rows.sort_by("confidence"), beside)
    beside.replace(target)
    print(f"{rows.num_rows} rows to look at: {target}")


if __name__ == "__main__":
    main()
