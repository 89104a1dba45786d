"""The score job: a file in, the same file with scores out, complete or not at all.

Owns the order of things: every cheap check first, then the model, then the stream, then the publication. The parts are
elsewhere: tables read and write, stages score, runs remember.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import FileFormat, ScoreConfig
from scorer.errors import UsageError
from scorer.runs.console import Console
from scorer.runs.score_store import ScoreStore
from scorer.runs.signals import StopSignals
from scorer.scoring import local
from scorer.scoring.answers import Answers, refuse_clash
from scorer.scoring.output import FileOutput, Output, StreamOutput
from scorer.scoring.summary import ScoreSummary, Tally, summarize
from scorer.scoring.windows import ScoredWindow, Window, record_dtype
from scorer.tables.columns import find_text_columns
from scorer.tables.formats import format_of
from scorer.tables.publish import check_free_space, check_target
from scorer.tables.reader import Reader
from scorer.tables.source import Source

if TYPE_CHECKING:
    from scorer.classifier.classifier import Classifier

STREAM = "-"
_WINDOW_TEXT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class _Plan:
    """A job whose input, columns, model directory and output were found good before anything heavy was loaded."""

    config: ScoreConfig
    source: Source
    reader: Reader
    text_columns: tuple[str, ...]
    directory: ModelDirectory
    output_format: FileFormat


def score(config: ScoreConfig, console: Console) -> ScoreSummary:
    """Score `config.source` into `config.target`.

    Whatever goes wrong is raised as a ScorerError; then the target is as it was before, and the same call goes on from
    the scores that were committed.
    """
    tally = Tally()
    with StopSignals() as signals, ExitStack() as stack:
        plan = _check(config)
        output = stack.enter_context(closing(_open_output(plan)))
        classifier = _load(plan)
        answers = Answers.of(config, labels=classifier.labels, temperature=classifier.temperature)
        job = _describe(plan, classifier)
        if output.is_done(job):
            console.detail(f"{config.target} is complete already")
            return ScoreSummary(output=config.target, finished_before=True)
        engine = asdict(classifier.engine)
        console.detail("  ".join(f"{name} {value}" for name, value in engine.items()))
        clock = _stream(plan, classifier, answers, output, job, tally, console, signals)
        plan.reader.check_unchanged()
        tally.check()
        output.publish(job | {"counts": tally.counts})
    return summarize(tally, output=config.target, engine=engine, busy=clock.shares())


def _check(config: ScoreConfig) -> _Plan:
    """The checks that need neither the weights nor the rows, cheapest first."""
    output_format = _output_format(config)
    source = Source.open(config.source, input_format=config.input_format)
    if config.target != STREAM:
        _refuse_own_input(config)
        check_target(Path(config.target), source.files, force=True)
    refuse_clash(source.names, config)
    directory = open_model(config.model)
    fitted = directory.metadata.text_columns if directory.metadata else ()
    text_columns = find_text_columns(source.names, config.text_column, fitted, where=config.source)
    reader = source.read(text_columns)
    # The names that a source knows at once are those of the first lines; JSON lines may bring more.
    refuse_clash(reader.schema.names, config)
    if config.target != STREAM:
        check_free_space(Path(config.target), sum(path.stat().st_size for path in source.files))
    return _Plan(config, source, reader, text_columns, directory, output_format)


def _refuse_own_input(config: ScoreConfig) -> None:
    """UsageError when the output would be among the input the next time: in its folder, or matched by its pattern."""
    source, target = Path(config.source), Path(config.target)
    if source.is_dir():
        within = target.resolve().is_relative_to(source.resolve())
    else:
        within = not source.exists() and target.absolute().match(str(source.absolute()))
    if within:
        raise UsageError(f"{target}: would be part of the input {source}; name an output outside of it")


def _output_format(config: ScoreConfig) -> FileFormat:
    """Parquet, unless the option or the ending says otherwise; an ending that says nothing is likely a mistake."""
    if config.output_format is not None:
        return config.output_format
    found = None if config.target == STREAM else format_of(config.target)
    if found is None and Path(config.target).suffix:
        raise UsageError(f"{config.target}: no format has this ending; name one with --output-format")
    return found or "parquet"


def _open_output(plan: _Plan) -> Output:
    if plan.config.target == STREAM:
        return StreamOutput(plan.output_format)
    return FileOutput(Path(plan.config.target), plan.output_format, force=plan.config.force)


def _load(plan: _Plan) -> Classifier:
    # torch and transformers take seconds to import: only after every check has passed.
    from scorer.classifier.classifier import Classifier

    config = plan.config
    return Classifier(
        plan.directory,
        device=config.device,
        precision=config.precision,
        max_length=config.max_length,
        backend=config.backend,
        batch_tokens=config.batch_tokens,
    )


def _describe(plan: _Plan, classifier: Classifier) -> dict[str, Any]:
    from scorer.scoring.lineage import describe_job

    fingerprint = plan.source.fingerprint()
    return describe_job(plan.config, classifier, text_columns=plan.text_columns, input_fingerprint=fingerprint)


def _stream(
    plan: _Plan,
    classifier: Classifier,
    answers: Answers,
    output: Output,
    job: dict[str, Any],
    tally: Tally,
    console: Console,
    signals: StopSignals,
) -> local.BusyClock:
    """Send every window through the stages into the output, and count."""
    from scorer.scoring.classify import Classify
    from scorer.scoring.encode import Encode
    from scorer.scoring.lineage import logit_fingerprint

    config = plan.config
    fingerprint = logit_fingerprint(classifier)
    width = record_dtype(len(classifier.labels)).itemsize
    with ExitStack() as stack:
        # Two connections to one file: encoding and the device work at the same time.
        path = _store_path(config, output, fingerprint) if config.reuse else None
        stores = [stack.enter_context(closing(ScoreStore(path, width=width))) if path else None for _ in range(2)]
        run = _run_number(stores[0], output.unfinished_run(job))
        encode = Encode(
            classifier.encode,
            text_columns=plan.text_columns,
            labels=len(classifier.labels),
            fingerprint=fingerprint,
            store=stores[0],
            run=run,
        )
        classify = Classify(classifier, answers=answers, store=stores[1], run=run, between_batches=signals.check)
        sink = output.begin(job, run, answers.schema(plan.reader.schema))
        with console.progress("score", _expected_rows(plan), "rows") as bar:

            def write(window: ScoredWindow) -> None:
                signals.check()
                sink.write(window.table)
                tally.add(window)
                bar.update(window.table.num_rows)

            return local.run(_windows(plan, tally), encode=encode, classify=classify, write=write)


def _windows(plan: _Plan, tally: Tally) -> Iterator[Window]:
    tables = plan.reader.windows(
        max_rows=plan.config.window_rows, max_bytes=_WINDOW_TEXT_BYTES, limit=plan.config.limit
    )
    for number, table in enumerate(tables):
        tally.rows_read += table.num_rows
        yield Window(number, table)


def _expected_rows(plan: _Plan) -> int | None:
    known = [rows for rows in (plan.reader.rows, plan.config.limit) if rows is not None]
    return min(known) if plan.reader.rows is not None else None


def _store_path(config: ScoreConfig, output: Output, fingerprint: str) -> Path:
    if config.cache is None:
        return output.directory / f"scores.{fingerprint}.sqlite"
    config.cache.mkdir(parents=True, exist_ok=True)
    return config.cache / f"scores.{fingerprint}.sqlite"


def _run_number(store: ScoreStore | None, unfinished: int | None) -> int:
    """The unfinished run's number where the store still knows it, else a new one."""
    if store is None:
        return 0
    return unfinished if unfinished is not None and store.has_run(unfinished) else store.new_run()
