"""The registry of formats: what each must keep, and the exercise of adding one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from scorer.config import FileFormat
from scorer.errors import DataError, UsageError
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import endings, format_named, formats, sniff
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

ROOT = Path(__file__).parents[2]
TABLE = pa.table({"text": ["good room", None, ""], "n": [1, 2, 3]})

# The one new file of the exercise ...
PSV = '''
"""Fields between pipes."""

from scorer.tables.formats.csv import Delimited


class _Psv(Delimited):
    name = "psv"
    endings = (".psv",)
    delimiter = "|"

    def evidence(self, first_bytes):
        return 2 if b"|" in first_bytes.split(b"\\\\n")[0] else 0


FORMAT = _Psv()
'''
# ... the line of the registry, before and after ...
LINE = 'FileFormat = Literal["parquet", "csv", "tsv", "jsonl", "arrow", "json", "lines", "excel"]'
NEW_LINE = LINE.replace('"excel"]', '"excel", "psv"]')
# ... and what then works.
USE = """
from pathlib import Path
import pyarrow as pa
from scorer.config import ScoreConfig
from scorer.tables.formats.registry import format_of, sniff
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

table = pa.table({"text": ["a|b", None, ""], "n": [1, 2, 3]})
for name in ("a.psv", "b.psv.gz"):
    sink = open_sink(Path(name), format=format_of(name), schema=table.schema)
    sink.write(table)
    sink.close({})
    source = Source.open(name)
    assert source.format == "psv"
    assert next(source.read(["text"]).windows(max_rows=9, max_bytes=99)).equals(table)
assert Path("a.psv").read_text() == 'text|n\\n"a|b"|1\\n|2\\n""|3\\n'
assert sniff(Path("a.psv").read_bytes()) == "psv"
assert Source.open(".").names == ("text", "n")
assert ScoreConfig(source="a", target="b", output_format="psv").output_format == "psv"
"""


@pytest.mark.parametrize("name", [format.name for format in formats() if format.written])
def test_what_a_format_writes_it_knows_and_reads(tmp_path: Path, name: FileFormat) -> None:
    format = format_named(name)
    path = tmp_path / f"a{format.endings[0]}"
    sink = open_sink(path, format=name, schema=TABLE.schema)
    sink.write(TABLE)
    sink.close({})
    assert sniff(path.read_bytes()[:4096]) == name
    source = Source.open(str(path))
    assert (source.format, source.names) == (name, ("text", "n"))
    assert pa.concat_tables(source.read(["text"]).windows(max_rows=9, max_bytes=99)).to_pydict() == TABLE.to_pydict()


def test_endings_are_of_one_format_each() -> None:
    every = [ending for format in formats() for ending in format.endings]
    assert len(set(every)) == len(every)
    assert endings() == (".parquet", ".csv", ".tsv", ".jsonl", ".arrow", ".json", ".xlsx")


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for attempt in (
        lambda: format_named("xlsx"),  # type: ignore[arg-type]
        lambda: Source.open(str(tmp_path / "a.csv"), dialect=Dialect(format="registry")),  # type: ignore[arg-type]
        lambda: open_sink(tmp_path / "b", format="format", schema=TABLE.schema),  # type: ignore[arg-type]
    ):
        with pytest.raises((UsageError, DataError), match="no format that we know; one of parquet, csv"):
            attempt()


def test_a_new_format_is_one_file_and_the_line_of_the_registry(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scorer", tmp_path / "scorer", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scorer/tables/formats/psv.py").write_text(PSV.replace("\\\\n", "\\n"))
    choices = tmp_path / "scorer/config/choices.py"
    assert choices.read_text().count(LINE) == 1
    choices.write_text(choices.read_text().replace(LINE, NEW_LINE))
    (tmp_path / "use").mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path / "use", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
