"""Devices that fail and files that explode, at full length: `make torture`.

Each bomb is scored by a process of its own; what it needs is compared with the same command on a file of three rows,
which holds the interpreter, the libraries and the model.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines.test_faults import run_with_faults
from tests.scoring.files import write

pytestmark = pytest.mark.torture

ROOT = Path(__file__).parents[2]
LIMIT_MIB = 1_536
GIB = 2**30
# The process's own peak: ru_maxrss would be at least that of whoever started it.
MEASURED = """
import sys
from pathlib import Path
from scorer.cli.main import _exit_code
code = _exit_code()
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def test_ten_thousand_rows_with_injected_faults(tmp_path, tiny_model):
    print(run_with_faults(tmp_path, tiny_model("bert"), 10_000))  # noqa: T201  the figures are wanted


def score(folder: Path, model: Path, source: Path, *options: object) -> tuple[int, str, int, float]:
    """Exit code, last words before it, peak memory in MiB and seconds of a run that keeps none of its files."""
    target = folder / "out.parquet"
    target.unlink(missing_ok=True)
    command = ["score", source, target, "-m", model, "--text-column", "text", *options]
    begun = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    *words, peak = ran.stderr.strip().splitlines()
    return ran.returncode, words[-1] if words else ran.stdout, int(peak), time.monotonic() - begun


def one_value(size: int, path: Path) -> Path:
    """A column of one text of `size` letters, of which the file keeps a few hundred bytes."""
    values = pa.py_buffer(np.full(size, ord("x"), np.uint8))
    offsets = pa.py_buffer(np.array([0, size], np.int64))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, values])
    pq.write_table(pa.table({"text": array}), path, compression="brotli", use_dictionary=False, write_statistics=False)
    return path


def many_values(size: int, count: int, path: Path) -> Path:
    """A column of `count` texts of `size` letters, all the same: one entry of a dictionary, and a run of its number."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["x" * size]))
    table = pa.table({"text": texts})
    pq.write_table(table, path, compression="brotli", store_schema=False, write_statistics=False, row_group_size=count)
    return path


def in_another_column(size: int, count: int, path: Path) -> Path:
    """The same in a column that is only passed on, beside short texts."""
    others = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["x" * size]))
    table = pa.table({"text": ["good room"] * count, "other": others})
    pq.write_table(table, path, compression="brotli", store_schema=False, write_statistics=False, row_group_size=count)
    return path


def gzip_of(head: bytes, block: bytes, size: int, path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(head)
        for _ in range(size // len(block)):
            stream.write(block)
    return path


BOMBS = {
    "parquet: one text of 1 GiB": (lambda folder: one_value(GIB, folder / "a.parquet"), ()),
    "parquet: 100,000 texts of 20 kB": (lambda folder: many_values(20_000, 100_000, folder / "b.parquet"), ()),
    "parquet: 3,000 texts of 1 MB": (lambda folder: many_values(1_000_000, 3_000, folder / "c.parquet"), ()),
    "parquet: 100 texts of 50 MB": (lambda folder: many_values(50_000_000, 100, folder / "d.parquet"), ()),
    "parquet: 3,000 values of 1 MB in another column": (
        lambda folder: in_another_column(1_000_000, 3_000, folder / "e.parquet"),
        (),
    ),
    "parquet: the first rows of 50,000,000": (
        lambda folder: many_values(9, 50_000_000, folder / "f.parquet"),
        ("--limit", 2000),
    ),
    "csv.gz: one field of 2 GiB": (
        lambda folder: gzip_of(b'id,text\n1,"', b"x" * 2**20, 2 * GIB, folder / "g.csv.gz"),
        (),
    ),
    "csv.gz: one line of fields, 2 GiB": (
        lambda folder: gzip_of(b"id,text\n1,", b"x," * 2**19, 2 * GIB, folder / "h.csv.gz"),
        (),
    ),
    "csv.gz: a header of 2 GiB": (lambda folder: gzip_of(b"id,", b"x" * 2**20, 2 * GIB, folder / "i.csv.gz"), ()),
    "csv.gz: rows, 1 GiB": (
        lambda folder: gzip_of(b"id,text\n", b"123456789,good room\n" * 50_000, GIB, folder / "j.csv.gz"),
        ("--limit", 2000),
    ),
    "jsonl.gz: one line of 2 GiB": (
        lambda folder: gzip_of(b'{"text": "', b"x" * 2**20, 2 * GIB, folder / "k.jsonl.gz"),
        (),
    ),
    "csv: a text of 10 MB": (lambda folder: text_file("good room " * 1_000_000, folder / "l.csv"), ()),
    "csv: a text of 10 MB without white space": (lambda folder: text_file("x" * 10_000_000, folder / "m.csv"), ()),
}


def text_file(text: str, path: Path) -> Path:
    return write(path, pa.table({"text": ["good room", text, "bad soup"]}))


@pytest.fixture(scope="module")
def baseline(tiny_model, tmp_path_factory) -> int:
    folder = tmp_path_factory.mktemp("baseline")
    source = write(folder / "in.parquet", pa.table({"text": ["good room", None, "bad soup"]}))
    code, words, peak, _ = score(folder, tiny_model("bert"), source)
    assert code == 0, words
    return peak


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_scored_or_refused_in_bounded_memory_and_time(name, tmp_path, tiny_model, baseline):
    make, options = BOMBS[name]
    source = make(tmp_path)
    code, words, peak, seconds = score(tmp_path, tiny_model("bert"), source, *options)
    figures = {"bytes": source.stat().st_size, "code": code, "beyond the model, MiB": peak - baseline}
    print(name, json.dumps(figures), f"{seconds:.0f} s", words[:160])  # noqa: T201  the figures are wanted
    assert code in (0, 65), words
    assert peak - baseline < LIMIT_MIB
    assert seconds < 300
