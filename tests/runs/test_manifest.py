"""The manifest's two documents, read back by other means than those that wrote them; and the peak of memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scorer.errors import DataError, StorageError
from scorer.runs.manifest import Manifest, peak_memory_mib


def ended(error=None, **facts):
    manifest = Manifest(arguments=("scorer", "score", "in", "out"), facts=facts, started=1_000.0)
    manifest.end(error)
    return manifest


def metrics(text):
    """Metric lines as a dictionary, after what the format asks of every one of them."""
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            assert f"# TYPE {key.partition('{')[0]} gauge" in text
            values[key] = float(value)
    return values


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (None, 0, None),
        (DataError("in.csv: record 3: 2 fields"), 65, "in.csv: record 3: 2 fields"),
        (StorageError("disk"), 74, "disk"),
        (OSError(28, "No space left on device"), 74, "OSError"),
        (MemoryError("secret text"), 69, "MemoryError"),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt"),
        (ValueError("secret text"), 70, "ValueError"),
    ],
)
def test_how_a_run_ended(error, code, reason):
    document = json.loads(ended(error, rows=3).as_json())
    assert (document["exit_code"], document["reason"], document["rows"]) == (code, reason, 3)
    assert document["arguments"] == ["scorer", "score", "in", "out"]
    assert document["started"] == "1970-01-01T00:16:40.000+00:00"
    assert "secret" not in json.dumps(document)


def test_two_runs_have_two_names():
    assert Manifest(arguments=()).run_id != Manifest(arguments=()).run_id


def test_metrics_of_a_run_that_succeeded():
    run = ended(rows_read=5, tokens=40, statuses={"ok": 4, "null": 1}, back_offs=0)
    values = metrics(run.as_metrics(output='a\\b"c\nd', before=""))
    label = r'output="a\\b\"c\nd"'
    assert values[f"scorer_exit_code{{{label}}}"] == 0
    assert values[f"scorer_rows_read{{{label}}}"] == 5
    assert values[f'scorer_rows{{{label},status="null"}}'] == 1
    assert values[f"scorer_last_success_timestamp_seconds{{{label}}}"] == run.ended


def test_a_failure_keeps_the_time_of_the_last_success():
    good = ended()
    first = good.as_metrics(output="out", before="")
    second = ended(DataError("no")).as_metrics(output="out", before=first)
    third = ended(DataError("no")).as_metrics(output="out", before=second)
    key = 'scorer_last_success_timestamp_seconds{output="out"}'
    assert metrics(third)[key] == good.ended
    assert metrics(third)['scorer_exit_code{output="out"}'] == 65
    assert key not in metrics(ended(DataError("no")).as_metrics(output="other", before=first))


SCRIPT = """
from scorer.runs.manifest import peak_memory_mib
before = peak_memory_mib()
block = bytearray(300 << 20)
del block
print(before, peak_memory_mib())
"""


def test_peak_memory_is_that_of_the_process_itself_and_outlives_what_took_it():
    here = bytearray(500 << 20)
    assert peak_memory_mib() >= 500
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert len(here) == 500 << 20
    assert before < 200
    assert 300 <= after < before + 350
