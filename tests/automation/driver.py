"""`scorer run` with other programs for its steps, for tests that stop or kill it.

python -m tests.automation.driver JOB DAY PROGRAM ...
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from scorer.automation.job_file import read_job
from scorer.automation.run_job import run_job
from scorer.config import RunConfig
from scorer.errors import ScorerError
from scorer.runs.console import Console

if __name__ == "__main__":
    job, day, *program = sys.argv[1:]
    try:
        said = read_job(Path(job)).said
        if said.get("folder") is not None:  # as the command has it
            said["folder"] = Path(job).parent / said["folder"]
        config = RunConfig(**{**said, "job": Path(job), "date": day})
        run_job(config, Console(), today=date(2026, 1, 1), program=program).refuse_failure()
    except ScorerError as error:
        print(f"scorer: error: {error}", file=sys.stderr)  # noqa: T201  as the command says it
        sys.exit(error.exit_code)
