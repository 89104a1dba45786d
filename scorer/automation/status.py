"""What is known of the last runs of a job: as JSON types, and as a table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scorer.automation.run_folder import RunFolder

_SHOWN: Final = 20
_HEAD: Final = ("date", "started", "exit", "seconds", "steps")


def status_of(job: str, folder: RunFolder) -> dict[str, Any]:
    """Who runs the job now, and its last runs, newest first: without the summaries of their steps, but each with the
    path of its manifest. A run without an end that nobody runs was killed."""
    running = folder.holder
    runs = [_run(path) for path in reversed(folder.manifests()[-_SHOWN:])]
    for number, run in enumerate(runs):
        if run["ended"] is None:
            run["reason"] = "running" if running and number == 0 else "killed"
    return {"job": job, "running": running, "runs": runs}


def status_table(status: Mapping[str, Any]) -> list[str]:
    """The same as lines for a terminal."""
    rows = [_HEAD, *(_row(run) for run in status["runs"])]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
    now = f"running: process {status['running']}" if status["running"] else "not running"
    return [f"{status['job']}: {now}", *(lines if status["runs"] else ["no run yet"])]


def _run(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        steps = [{key: step[key] for key in ("name", "outcome", "exit_code", "seconds")} for step in found["steps"]]
        return {key: found[key] for key in _KEYS} | {"steps": steps, "manifest": str(path)}
    except (ValueError, KeyError, TypeError):
        return dict.fromkeys(_KEYS) | {"steps": [], "manifest": str(path), "reason": "not a manifest", "ended": ""}


_KEYS: Final = ("date", "started", "ended", "exit_code", "reason")


def _row(run: Mapping[str, Any]) -> tuple[str, ...]:
    steps: Sequence[Mapping[str, Any]] = run["steps"]
    shown = ", ".join(f"{step['name']} {step['outcome']}" for step in steps)
    seconds = f"{sum(step['seconds'] for step in steps):.0f}"
    code = "-" if run["exit_code"] is None else str(run["exit_code"])
    why = f" ({run['reason']})" if run["reason"] else ""
    return str(run["date"]), str(run["started"])[:16].replace("T", " "), code, seconds, shown + why
