"""The files that hold the manifest of a score job: `--report` and `--textfile`, written however the job ends.

Where and when they are written is decided here; `runs.manifest` makes what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scorer.config import ScoreConfig
from scorer.errors import ScorerError
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.stores.atomic import read_if_there, write_whole
from scorer.stores.checks import Inputs, check_files
from scorer.stores.location import Location


@contextmanager
def kept_manifest(config: ScoreConfig, console: Console, *, arguments: Sequence[str]) -> Iterator[Manifest]:
    """A manifest for the job in the `with` block, written when the block ends, with the error that ended it if one did.

    A ScorerError when it can't be written after a job that succeeded; after one that failed, a warning.
    """
    _check(config)
    manifest = Manifest(arguments=arguments)
    try:
        yield manifest
    except BaseException as error:
        manifest.end(error)
        try:
            _write(config, manifest)
        except (ScorerError, OSError) as second:
            console.warn(f"the run could not be recorded: {second}")
        raise
    manifest.end(None)
    _write(config, manifest)


def _check(config: ScoreConfig) -> None:
    check_files(
        {"--rejects": config.rejects, "--report": config.report, "--textfile": config.textfile},
        Inputs([config.source], models=[config.model]),
        force=True,
        besides=[Location.of_output(config.target)],
    )


def _write(config: ScoreConfig, manifest: Manifest) -> None:
    if config.report is not None:
        write_whole(config.report, manifest.as_json())
    if config.textfile is not None:
        before = read_if_there(config.textfile)
        write_whole(config.textfile, manifest.as_metrics(output=config.target, before=before))
