"""The evaluation job: a model and a labelled file in, what the model is worth and where it fails out.

Everything cheap (files, columns, labels, outputs) is checked before torch is imported. So a mistake on the command line
is answered at once, and some imports stand inside functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scorer.classifier.decision import Points
from scorer.config import WINDOW_ROWS, EvaluateConfig
from scorer.errors import Interrupted
from scorer.evaluation.evaluate_preparation import PreparedEvaluation, prepare_evaluation
from scorer.evaluation.requirements import Requirement, refuse_unmet, told
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.tables.formats.registry import format_of
from scorer.tables.rejects import kept_rejects
from scorer.tables.sink import Sink, lineage_metadata, table_file
from scorer.tables.unread import Unread
from scorer.version import __version__

if TYPE_CHECKING:
    from scorer.evaluation.evaluation_findings import EvaluationFindings
    from scorer.evaluation.kinds import Kind
    from scorer.evaluation.number_findings import NumberFindings
    from scorer.evaluation.predictions import Predicted

    Findings = EvaluationFindings | NumberFindings

TableFile = AbstractContextManager[Sink]


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """What an evaluation found.

    Of `read` rows, `left_out` had no text and `unscored` no finite logits; `rejected` malformed records are no rows.
    `labels` is how the labels were read (see `Examples.reading`). `temperature`, `exponent` and `odds_map` are the
    model's calibration (see `scorer.classifier.decision`), with folds the mean of their models' and no map. `warnings`
    say why the figures may mislead.
    """

    config: EvaluateConfig
    model: str
    warnings: tuple[str, ...]
    findings: Findings
    temperature: tuple[float, ...]
    exponent: float
    odds_map: Points | None
    engine: dict[str, Any]
    unread: Unread
    read: int
    rejected: int
    left_out: int
    unscored: int
    labels: dict[str, Any]
    seconds: float

    def refuse_unmet(self) -> None:
        """DataError when a metric is less or more than --min-metric and --max-metric ask for, or not of all rows."""
        metrics = self.findings.metrics.headline()
        refuse_unmet(Requirement.all_of(self.config), metrics, model=self.model, unscored=self.unscored)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only; no texts."""
        config = self.config
        return {
            "data": config.data.named,
            "unread_files": self.unread.as_dict(),
            "model": self.model,
            "rejected": self.rejected,
            "rows": {"read": self.read, "left_out": self.left_out, "unscored": self.unscored},
            "label_reading": self.labels,
            "folds": config.folds,
            "warnings": list(self.warnings),
            "temperature": list(self.temperature),
            "exponent": self.exponent,
            "odds_map": [list(point) for point in self.odds_map] if self.odds_map is not None else None,
            **self.findings.as_dict(show=config.show),
            "requirements": told(Requirement.all_of(config), self.findings.metrics.headline(), unscored=self.unscored),
            "report": str(config.report) if config.report is not None else None,
            "rows_file": str(config.rows) if config.rows is not None else None,
            "engine": self.engine,
            "seconds": round(self.seconds, 1),
        }


def evaluate(
    config: EvaluateConfig, console: Console, *, table_file: Callable[..., TableFile] = table_file
) -> EvaluationSummary:
    """Compare what a model says of `config.data` with its labels, and write the files that `config` asks for, rows into
    a `table_file`.

    Raises UsageError, DataError, InputMissing, OutputRefused, ConfigError, ModelError, DeviceError, StorageError or
    Interrupted (nothing is kept: an evaluation begins anew).
    """
    started = time.monotonic()
    requirements = Requirement.all_of(config)
    try:
        with StopSignals() as signals, kept_rejects(config.rejects, tell=console.warn) as rejects:
            with signals.at_once():
                prepared = prepare_evaluation(config, console, rejects)
                predicted = _predict(prepared, console)
                prepared = _warned(prepared, predicted, console)
                findings = _find(prepared, predicted)
                # A name that no metric has is told before a file is written.
                told(requirements, findings.metrics.headline(), unscored=_unscored(predicted))
            # Not at once: both files or none.
            _write(prepared, predicted, findings, table_file)
    except Interrupted as error:
        raise Interrupted(error.signal_number, "interrupted; nothing was written") from error
    return _conclude(prepared, predicted, findings, console, started=started)


def _predict(prepared: PreparedEvaluation, console: Console) -> Predicted:
    from scorer.evaluation.predictions import predict, predict_by_folds

    if prepared.config.folds is not None:
        from scorer.training.fitting import fit_and_write

        return predict_by_folds(prepared, prepared.config.folds, console, fit=fit_and_write)
    return predict(prepared.config, prepared.directory, prepared.examples, console)


def _unscored(predicted: Predicted) -> int:
    """How many rows the model failed on. Rows without a text are not among those it was given."""
    return int((~predicted.predictions.scored).sum())


def _warned(prepared: PreparedEvaluation, predicted: Predicted, console: Console) -> PreparedEvaluation:
    """`prepared` with one more warning, which is told, where the model failed on rows."""
    if not (unscored := _unscored(predicted)):
        return prepared
    warning = (
        f"{prepared.config.data}: {unscored:,} of {len(prepared.examples):,} rows got no score, since the model gave "
        "no finite number; they are in none of the figures; try --precision fp32"
    )
    console.warn(warning)
    return replace(prepared, warnings=(*prepared.warnings, warning))


def _kind(prepared: PreparedEvaluation) -> Kind:
    from scorer.evaluation.kinds import kind_of

    return kind_of(prepared.labels)


def _find(prepared: PreparedEvaluation, predicted: Predicted) -> Findings:
    found: Findings = _kind(prepared).compare(
        prepared.examples,
        prepared.targets,
        predicted.predictions,
        labels=prepared.labels,
        columns=dict.fromkeys(prepared.config.slice),
    )
    return found


def _conclude(
    prepared: PreparedEvaluation,
    predicted: Predicted,
    findings: Findings,
    console: Console,
    *,
    started: float,
) -> EvaluationSummary:
    config, examples = prepared.config, prepared.examples
    for line in _kind(prepared).narrate(findings, show=config.show):
        console.say(line)
    return EvaluationSummary(
        config=config,
        model=str(prepared.directory.path),
        warnings=prepared.warnings,
        findings=findings,
        temperature=predicted.temperature,
        exponent=predicted.exponent,
        odds_map=predicted.odds_map,
        engine=predicted.engine,
        unread=examples.unread,
        read=examples.rows,
        rejected=examples.rejected,
        left_out=examples.dropped,
        unscored=_unscored(predicted),
        labels=examples.reading(),
        seconds=time.monotonic() - started,
    )


def _write(
    prepared: PreparedEvaluation,
    predicted: Predicted,
    findings: Findings,
    table_file: Callable[..., TableFile],
) -> None:
    from scorer.stores.atomic import write_whole

    config = prepared.config
    job = JobSpec(
        kind="evaluate",
        models={"model": ModelRecord(fingerprint=prepared.directory.fingerprint)},
        options={"folds": config.folds},
        versions={"scorer": __version__},
    )
    lineage = Lineage(job=job, input=prepared.examples.fingerprint)
    if config.rows is not None:
        rows, format = _kind(prepared).ranked_rows(findings, prepared.examples), format_of(config.rows)
        assert format is not None, "preparation refuses other endings; this is a bug"
        metadata = lineage_metadata(lineage)
        with table_file(config.rows, format=format, schema=rows.schema, metadata=metadata) as sink:
            for start in range(0, rows.num_rows, WINDOW_ROWS):
                sink.write(rows.slice(start, WINDOW_ROWS))
    if config.report is not None:
        write_whole(config.report, _kind(prepared).page(prepared, predicted, findings).html())
