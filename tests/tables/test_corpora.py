"""The integration files of apache/arrow-testing and apache/parquet-testing: every one comes out unchanged, or is
refused with a reason that says what to do, before anything is written where its types tell.

Fuzzed files are among them; whatever they hold, nothing but a DataError comes out.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer.config import FileFormat
from tests.tables.passing import OUTPUTS, own_reading, pass_through

# Why a file that pyarrow reads is refused all the same.
REASONS = {
    "types": r"column .+: .+(which Parquet has no type for|there is no text|text would lose one); name an output of",
    "twice": r"FILE: the column name .+ stands more than once",
    "values": r"FILE: damaged Arrow data: column .+ has a value that its type does not allow",
    "far": r"column .+: a date or time in it is so far away that text cannot tell it; write Parquet or Arrow",
    "int96": r"FILE: column .+: some INT96 times are too far away for nanoseconds, and some too fine",
    "large": r"FILE: a row of row group \d+ has [\d,]+ MiB; 64 is the most",
    "encrypted": r"FILE: encrypted Parquet, and scorer takes no keys; decrypt it first",
    "counts": r"FILE: damaged: it holds other rows than its footer counts",
    "cut": r"FILE: (damaged Arrow data: the stream has no end|expected parquet, but the first bytes are not)",
}


@pytest.fixture(scope="module")
def corpora(realdata, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    with tarfile.open(realdata / "corpora.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def files(folder: Path) -> Iterator[tuple[Path, FileFormat]]:
    """The Arrow and Parquet files in `folder`."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.endswith((".gz", ".md", ".json", ".csv", ".bin", ".txt", ".py", ".yaml")):
            continue
        if "arrow-ipc" in str(path):
            yield path, "arrow"
        elif path.suffix in (".parquet", ".encrypted") or "arrow-testing/data/parquet" in str(path):
            yield path, "parquet"


def is_readable(path: Path, kind: FileFormat) -> bool:
    try:
        return not own_reading(path, kind).validate(full=True)
    except Exception:  # noqa: BLE001 - whatever pyarrow says of what it cannot read
        return False


def sweep(folder: Path, work: Path) -> Counter[tuple[str, str]]:
    """How many files passed and were refused, by output and reason; `damaged` are those that pyarrow refuses too."""
    found: Counter[tuple[str, str]] = Counter()
    unexpected = []
    for path, kind in files(folder):
        for out in OUTPUTS:
            refusal = pass_through(path, kind, out, work)
            reason = next((name for name, pattern in REASONS.items() if re.match(pattern, refusal)), "damaged")
            if str(work) in refusal or (refusal and reason == "damaged" and is_readable(path, kind)):
                unexpected.append(f"{path.name} to {out}: {refusal}")
            found[out, reason if refusal else "passed"] += 1
    assert not unexpected, "\n".join(unexpected)
    return found


def test_the_integration_files_of_arrow(corpora, tmp_path) -> None:
    found = sweep(corpora / "arrow-testing/data/arrow-ipc-stream/integration", tmp_path)
    everywhere = {"twice": 12, "values": 16}
    assert of_output(found, "arrow") == everywhere | {"passed": 154}
    assert of_output(found, "parquet") == everywhere | {"passed": 134, "types": 20}
    assert of_output(found, "csv") == of_output(found, "jsonl") == everywhere | {"passed": 144, "types": 8, "far": 2}


def test_the_files_of_parquet(corpora, tmp_path) -> None:
    found = sweep(corpora / "parquet-testing", tmp_path)
    everywhere = {"counts": 2, "int96": 2, "large": 1, "encrypted": 12, "damaged": 9}
    assert of_output(found, "arrow") == of_output(found, "parquet") == everywhere | {"passed": 207}
    assert of_output(found, "csv") == of_output(found, "jsonl") == everywhere | {"passed": 206, "far": 1}


@pytest.mark.slow
def test_fuzzed_files(corpora, tmp_path) -> None:
    found = sweep(corpora / "arrow-testing", tmp_path)
    assert {of_output(found, out).total() for out in OUTPUTS} == {sum(1 for _ in files(corpora / "arrow-testing"))}
    assert of_output(found, "arrow")["passed"] >= 154


def of_output(found: Counter[tuple[str, str]], out: FileFormat) -> Counter[str]:
    return Counter({reason: count for (name, reason), count in found.items() if name == out})
