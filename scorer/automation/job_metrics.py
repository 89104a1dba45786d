"""The metrics of a job's last run, in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from scorer.automation.run_record import RunRecord
from scorer.runs.manifest import escaped

_LAST_SUCCESS: Final = "scorer_job_last_success_timestamp_seconds"


def job_metrics(record: RunRecord, *, before: str) -> str:
    """`record` as metrics, each labelled with the job. From `before`, what the file held, a run that failed keeps the
    time of the last success."""
    assert record.ended is not None, "the run goes on; this is a bug"
    label = f'job="{escaped(record.job)}"'
    success = record.ended if record.exit_code == 0 else _last_success(label, before)
    done = [step for step in record.steps if step.exit_code is not None]
    lines = [
        *_family("scorer_job_exit_code", "Exit code of the last run.", [(label, record.exit_code)]),
        *_family("scorer_job_last_run_timestamp_seconds", "When the last run ended.", [(label, record.ended)]),
        *_family(_LAST_SUCCESS, "When a run last ended well.", [(label, success)]),
        *_family(
            "scorer_job_duration_seconds", "How long the last run took.", [(label, record.ended - record.started)]
        ),
        *_family(
            "scorer_job_step_exit_code",
            "Exit code of a step that the last run did.",
            [(f'{label},step="{step.name}"', step.exit_code) for step in done],
        ),
        *_family(
            "scorer_job_step_duration_seconds",
            "How long that took.",
            [(f'{label},step="{step.name}"', step.seconds) for step in done],
        ),
    ]
    return "\n".join(lines) + "\n"


def _family(name: str, meaning: str, samples: Iterable[tuple[str, float | None]]) -> list[str]:
    lines = [f"{name}{{{labels}}} {value}" for labels, value in samples if value is not None]
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *lines] if lines else []


def _last_success(label: str, before: str) -> float | None:
    found = re.search(rf"^{_LAST_SUCCESS}{{{re.escape(label)}}} (\S+)$", before, re.MULTILINE)
    return float(found[1]) if found else None
