"""The check job: a labelled file in, findings out.

It does not stop at what it finds. The command prints what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scorer.checking.findings import Finding, by_severity, count_by_severity
from scorer.checking.judgement import Judge
from scorer.checking.repeats import find_overlap, find_repeats
from scorer.checking.scan import Scan, scan_file
from scorer.checking.tokens import Lengths, TokenCheck, check_tokens
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import CheckConfig
from scorer.errors import ConfigError, Interrupted
from scorer.examples.example_columns import refuse_answers
from scorer.examples.label_form import LabelOptions
from scorer.examples.splits import Splits
from scorer.examples.targets import too_many_labels
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.stores.checks import Inputs, check_files
from scorer.stores.location import name_of
from scorer.tables.dialect import Dialect
from scorer.tables.reader import tell_blank_lines
from scorer.tables.rejects import Rejects, kept_rejects
from scorer.tables.source import Source


@dataclass(frozen=True)
class FileCheck:
    """What was found out about one file."""

    scan: Scan
    tokens: TokenCheck | None
    findings: tuple[Finding, ...]

    @property
    def characters(self) -> Lengths | None:
        """The distribution of the usable rows' lengths in characters."""
        return Lengths.of(self.scan.characters[self.scan.keys.usable])

    @property
    def named_labels(self) -> dict[str, int]:
        """Usable rows of each label; empty when there are so many that they are perhaps texts, which are not shown, and
        where labels are real numbers."""
        many = too_many_labels(self.scan.labels.distinct, self.scan.usable)
        return {} if many else self.scan.labels.counts()

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        scan, characters, spread = self.scan, self.characters, self.scan.labels.spread
        return {
            "file": scan.file,
            "blank_lines": scan.blank_lines,
            "rejected": scan.rejected,
            "unread_files": scan.unread.as_dict(),
            "rows": scan.rows,
            "usable_rows": scan.usable,
            "text_columns": list(scan.columns.texts),
            "label_column": scan.columns.label,
            "labels": {
                "multi": scan.labels.multi,
                "distinct": scan.labels.distinct,
                "rows": self.named_labels,
                "numbers": spread.as_dict() if spread is not None else None,
                "form": None if scan.doubt else scan.form.notation,
                "notes": [*scan.form.notes, *scan.form.warnings],
            },
            "characters": characters.as_dict() if characters else None,
            "tokens": self.tokens.as_dict() if self.tokens else None,
        }


@dataclass(frozen=True)
class CheckResult:
    """What was found in DATA and, where there is one, in the validation file; findings with the most severe first."""

    data: FileCheck
    valid: FileCheck | None

    @property
    def findings(self) -> list[Finding]:
        return by_severity([*self.data.findings, *(self.valid.findings if self.valid else ())])

    @property
    def refused(self) -> bool:
        """Whether there is an error, with which a fit would refuse the files."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def sound(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return all(finding.severity == "note" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            **self.data.as_dict(),
            "valid": self.valid.as_dict() if self.valid else None,
            **count_by_severity(self.findings),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def check_data(config: CheckConfig, console: Console) -> CheckResult:
    """Look for what is wrong with the file, and with the validation file, that `config` names.

    Raises InputMissing, UsageError (columns, separator), ConfigError and ModelError (base model), DataError for a file
    that cannot be parsed, and Interrupted.
    """
    try:
        with StopSignals() as signals, signals.at_once():
            inputs = Inputs([*config.data.places, config.valid], models=[config.base_model])
            check_files({"--rejects": config.rejects}, inputs, force=True)
            with kept_rejects(config.rejects, tell=console.warn) as rejects:
                return _check(config, console, rejects)
    except Interrupted as error:
        raise Interrupted(error.signal_number, "interrupted; nothing was written") from error


def _check(config: CheckConfig, console: Console, rejects: Rejects | None) -> CheckResult:
    options, dialect = LabelOptions.of(config), Dialect.of(config)
    source = Source.open(Splits.of(config.data).train, dialect=dialect, rejects=rejects)
    if not config.label_column:
        refuse_answers(str(config.data), opened=source)
    vocabulary = Vocabulary.of_base_model(config.base_model)
    if vocabulary.positions is not None and config.max_length > vocabulary.positions:
        raise ConfigError(
            f"--max-length {config.max_length}: {vocabulary.name} has {vocabulary.positions} positions; "
            f"try --max-length {vocabulary.positions}"
        )
    with console.progress("reading", None, "rows") as progress:
        data = scan_file(
            str(config.data),
            text_columns=config.text_column,
            label_columns=config.label_column,
            options=options,
            rejects=rejects,
            opened=source,
            limit=config.limit,
            progress=progress,
        )
        valid = None
        if config.valid is not None:
            valid = scan_file(
                str(config.valid),
                text_columns=data.columns.texts,
                label_columns=data.columns.labels,
                options=replace(options, known=frozenset(data.labels.counts()), multi=data.labels.multi),
                dialect=dialect,
                rejects=rejects,
                limit=None,
                progress=progress,
                known_labels=data.labels.counts().keys(),
            )
    for scan in (data, valid):
        if scan is not None:
            for warning in (*scan.unread.warnings(), *tell_blank_lines(scan.file, scan.blank_lines)):
                console.warn(warning)
    checked = _check_file(data, vocabulary, config)
    return CheckResult(checked, _check_valid(valid, data, vocabulary, config) if valid else None)


def _check_file(scan: Scan, vocabulary: Vocabulary, config: CheckConfig) -> FileCheck:
    tokens = check_tokens(scan.sample, vocabulary, max_length=config.max_length)
    judge = Judge(scan.file, scan.rows)
    findings = [*_file_findings(judge, scan, skip=config.skip_unlabelled), *_count_findings(judge, scan)]
    return FileCheck(scan, tokens, (*findings, *(judge.tokens(tokens) if tokens else ())))


def _check_valid(scan: Scan, train: Scan, vocabulary: Vocabulary, config: CheckConfig) -> FileCheck:
    """The validation file needs no enough of anything; but it must not hold what the training file holds."""
    tokens = check_tokens(scan.sample, vocabulary, max_length=config.max_length)
    judge = Judge(scan.file, scan.rows)
    name = name_of(train.file)
    findings = [
        *_file_findings(judge, scan, skip=config.skip_unlabelled),
        *judge.overlap(*find_overlap(scan.keys, train.keys), name),
        *judge.foreign_labels(scan.labels.foreign, scan.labels.foreign_labels, name),
        *_other_kind(judge, scan, train, name),
    ]
    return FileCheck(scan, tokens, tuple(findings))


def _other_kind(judge: Judge, scan: Scan, train: Scan, name: str) -> Iterator[Finding]:
    if scan.rows and not scan.labels.suits(train.labels):
        yield from judge.other_kind(scan.labels.described, train.labels.described, name)


def _file_findings(judge: Judge, scan: Scan, *, skip: bool) -> Iterator[Finding]:
    """What any labelled file may suffer from."""
    labels, usable = scan.labels, scan.usable
    yield from judge.texts(scan.null_texts, scan.empty_texts, usable)
    if scan.doubt is not None:
        yield from judge.doubt(scan.doubt)
    yield from judge.form(scan.form)
    yield from judge.set_aside(labels.set_aside)
    yield from judge.label_values(labels.missing, labels.fractional, labels.unlabelled, skip=skip)
    yield from judge.repeats(find_repeats(scan.keys))
    yield from judge.oddities(scan.oddities)


def _count_findings(judge: Judge, scan: Scan) -> Iterator[Finding]:
    usable = scan.usable
    # Nobody knows how many labels of which name there are as long as it is in doubt what they are.
    if usable and scan.doubt is None:
        yield from judge.amount(usable)
        yield from scan.labels.judged(judge, usable=usable)
