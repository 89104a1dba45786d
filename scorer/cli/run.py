"""`scorer run`: parse, call the job, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from scorer.cli.command import Command, asks_for_json, print_document, print_summary
from scorer.cli.options import config_options
from scorer.config import RunConfig


def _read_job(context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    """Make what the job file says of the whole job the defaults, below flags and the environment."""
    from scorer.automation.job_file import read_job

    said = dict(read_job(path).said)
    if said.get("folder") is not None:
        said["folder"] = str(path.parent / said["folder"])
    context.default_map = said
    return path.absolute()


_EXAMPLES: Final = (
    "scorer run jobs/nightly.toml",
    "scorer run jobs/nightly.toml --from 2026-03-01 --to 2026-03-10   # a backfill",
    "scorer run jobs/nightly.toml --status",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("job", type=click.Path(path_type=Path), is_eager=True, callback=_read_job)
@config_options(RunConfig, file=False)
def run(job: Path, **settings: Any) -> None:
    """Do the steps of the job file JOB (TOML or JSON) for a day, each when what it needs has ended well.

    A step is check, fit, evaluate, diff, score or gate, with the same keys as the command's flags; {date} in a path is
    the day. A run that was stopped goes on where it was. The exit code is that of the first step that failed.
    """
    config = RunConfig(job=job, **settings)
    from datetime import date

    from scorer.automation.run_job import go_to_folder, preview, run_job, runs_of
    from scorer.runs.console import Console

    if config.check or config.status:
        go_to_folder(config)
    if config.check:
        print_document(preview(config, today=date.today()))
        return
    if config.status:
        from scorer.automation.run_folder import RunFolder
        from scorer.automation.status import status_of, status_table

        status = status_of(job.stem, RunFolder(runs_of(config)))
        if sys.stdout.isatty() and not asks_for_json():
            click.echo("\n".join(status_table(status)))
        else:
            print_document(status)
        return
    summary = run_job(config, Console(quiet=config.quiet), today=date.today())
    print_summary(summary.as_dict(), quiet=config.quiet)
    summary.refuse_failure()
