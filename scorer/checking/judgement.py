"""From counts to findings: what is too much, how severe it is, and what to do about it.

All limits stand here. They are shares of all rows unless they say otherwise.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scorer.checking.findings import Finding, Severity, Tally, severity_of
from scorer.checking.oddities import ODDITIES
from scorer.checking.repeats import Repeats
from scorer.checking.tokens import TokenCheck
from scorer.examples.label_form import REAL_NUMBERS, LabelForm
from scorer.examples.recognition import Doubt
from scorer.examples.targets import MOST_LABELS, too_many_labels, trouble_with
from scorer.metrics.regression import Numbers, Spread

# Rows a label, below which it is hardly learnt: of ten, one is held out for validation.
FEW_ROWS_A_LABEL = 10
FEW_ROWS = 100
# The most frequent label against the rarest.
IMBALANCED = 10.0
_REPEATED = 0.05
_CONFLICTING = 0.001
_LEAKING = 0.001
MUCH_TRUNCATED = 0.1
# Ratings from 1 to 5, or from 0 to 10.
_FEW_NUMBERS = 11
_WORTH_A_NOTE = 0.01
_ALIKE = "but for case, punctuation or white space"


@dataclass(frozen=True)
class Judge:
    """Makes the findings about one `file` of `rows` rows."""

    file: str
    rows: int

    def texts(self, null: Tally, empty: Tally, usable: int) -> Iterator[Finding]:
        """Rows that a fit leaves out."""
        if not self.rows:
            yield self._of(Tally(), "error", "no_rows", "no rows", "name a file with rows")
        elif null.count + empty.count == self.rows:
            advice = "name another column with --text-column"
            yield self._of(_joined(null, empty), "error", "no_texts", "every text is null or empty", advice)
        else:
            left_out = "fit leaves these rows out and score gives them no score"
            yield from self._rows(null, "warning", "null_texts", "rows have no text (null)", left_out)
            yield from self._rows(empty, "warning", "empty_texts", "rows have nothing to read in their text", left_out)
            if not usable:
                what, advice = "no row has both a text and a label", "name other columns, or fill the labels"
                yield self._of(Tally(), "error", "no_usable_rows", what, advice)

    def amount(self, usable: int) -> Iterator[Finding]:
        """Whether there is enough to learn from."""
        if 0 < usable < FEW_ROWS:
            what = f"{usable} usable rows are few to learn from and to measure with"
            yield self._counted("warning", "few_rows", what, "label more rows", usable, usable / self.rows)

    def doubt(self, doubt: Doubt) -> Iterator[Finding]:
        """Labels of which it cannot be told what they are."""
        yield Finding(
            code="label_form",
            severity="error",
            file=self.file,
            what=doubt.what,
            advice=doubt.advice,
            count=doubt.seen.count,
            share=doubt.seen.count / max(self.rows, 1),
            rows=tuple(doubt.seen.rows),
        )

    def form(self, form: LabelForm) -> Iterator[Finding]:
        """How labels are read that are not plain, and what of it is probably not meant."""
        for note in form.notes:
            yield self._counted("note", "label_form", note, "a fit reads them so, too", self.rows, 1.0)
        for warning in form.warnings:
            what, _, advice = warning.partition("; ")
            yield self._counted("warning", "label_form", what, advice, self.rows, 1.0)

    def set_aside(self, tally: Tally) -> Iterator[Finding]:
        """Rows whose label says that there is none."""
        what = "rows have a label that is one of --null-labels"
        yield from self._rows(tally, "note", "null_spellings", what, "fit leaves these rows out")

    def label_values(
        self, missing: Tally, fractional: Tally, unlabelled: Tally, *, skip: bool = False
    ) -> Iterator[Finding]:
        """Rows whose label is none; `skip` says that a fit will leave those without one out."""
        severity: Severity = "warning" if skip else "error"
        advice = "fit leaves these rows out" if skip else "fill them, or leave them out with --skip-unlabelled"
        yield from self._rows(missing, severity, "null_labels", "rows have no label (null or empty)", advice)
        yield from self._rows(
            fractional,
            "error",
            "fractional_labels",
            "rows have a label that is no whole number of 64 bits (of a float: of 53)",
            "round them, take them for names with --label-form name, or name another column with --label-column; "
            f"{REAL_NUMBERS}",
        )
        yield from self._rows(
            unlabelled,
            "note",
            "unlabelled_rows",
            "rows have an empty list of labels",
            "right where none of the labels applies; else label or drop them",
        )

    def label_counts(self, counts: Mapping[str, int], *, multi: bool, usable: int) -> Iterator[Finding]:
        """How the labels are distributed; `counts` are usable rows by label."""
        found = len(counts)
        if found < 2:
            what, advice = (
                f"{found} label in all rows",
                "at least 2 are needed; name another column with --label-column",
            )
            yield self._counted("error", "few_labels", what, advice, found, 1.0)
        elif too_many_labels(found, usable):
            what = f"{'over ' if found > MOST_LABELS else ''}{min(found, MOST_LABELS):,} labels in {usable:,} rows"
            advice = "that is no class label; name another column with --label-column"
            yield self._counted("error", "many_labels", what, advice, found, 1.0)
        else:
            yield from self._similar(counts)
            yield from self._rare(counts)
            yield from self._imbalance(counts, multi=multi)

    def numbers(self, values: Numbers) -> Iterator[Finding]:
        """How real numbers lie that are labels; `values` has one for each row, NaN where there is none to learn."""
        spread = Spread.of(values)
        if spread is None:
            return
        if (trouble := trouble_with(values[np.isfinite(values)])) is not None:
            yield self._counted("error", "unfit_numbers", *trouble, spread.rows, 1.0)
            return
        what = "rows have a number that lies far out (3 interquartile ranges beyond the quartiles)"
        advice = "look whether they are mistakes: squared errors heed them most; else learn the logarithms"
        yield from self._rows(Tally.of(spread.outliers), "warning", "outliers", what, advice)
        if spread.distinct <= _FEW_NUMBERS and (values[np.isfinite(values)] % 1 == 0).all():
            what = f"{spread.distinct} different numbers, all of them whole"
            advice = "without --regression they are labels, each with a confidence"
            yield self._counted("note", "few_numbers", what, advice, spread.distinct, 1.0)

    def _similar(self, counts: Mapping[str, int]) -> Iterator[Finding]:
        spelt: dict[str, list[str]] = {}
        for name in counts:
            spelt.setdefault(_as_read(name), []).append(name)
        similar = [name for _, names in sorted(spelt.items()) if len(names) > 1 for name in sorted(names)]
        if similar:
            differ = "differ only in case, white space or characters that nobody sees"
            what = f"{len(similar)} of {len(counts)} labels {differ}: {_named(similar, counts)}"
            advice = "spell each label in one way, or they are learnt as different ones"
            share = len(similar) / len(counts)
            yield self._counted("warning", "similar_labels", what, advice, len(similar), share)

    def _rare(self, counts: Mapping[str, int]) -> Iterator[Finding]:
        rare = sorted((name for name in counts if counts[name] < FEW_ROWS_A_LABEL), key=counts.__getitem__)
        if rare:
            what = (
                f"{len(rare)} of {len(counts)} labels have fewer than {FEW_ROWS_A_LABEL} rows: {_named(rare, counts)}"
            )
            single = sum(counts[name] == 1 for name in rare)
            alone = f"; {single} with a single row can be learnt or validated, not both" if single else ""
            advice = f"label more rows of them, or merge them with others{alone}"
            yield self._counted("warning", "rare_labels", what, advice, len(rare), len(rare) / len(counts))

    def _imbalance(self, counts: Mapping[str, int], *, multi: bool) -> Iterator[Finding]:
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        ratio = counts[most] / max(counts[least], 1)
        if ratio >= IMBALANCED:
            what = f"the most frequent label {_short(most)} has {ratio:,.0f} times the rows of {_short(least)}"
            advice = (
                "judge by macro F1, not by accuracy; label more of the rare ones, or fit with --class-weight balanced"
            )
            # Where a row may have several labels, rare ones are the rule.
            severity: Severity = "note" if multi else "warning"
            yield self._counted(severity, "imbalance", what, advice, counts[least], counts[least] / max(self.rows, 1))

    def repeats(self, found: Repeats) -> Iterator[Finding]:
        """Rows whose text stands in another row: as it is, or but for case, punctuation and white space."""
        advice = "keep one of each unless they are meant to weigh more"
        yield from self._shared(found.again, _REPEATED, "duplicates", "rows repeat an earlier text", advice)
        what = f"rows repeat an earlier text {_ALIKE}"
        yield from self._shared(found.near_again, _REPEATED, "near_duplicates", what, advice)
        advice = "decide on one label for each text"
        what = f"rows have a text that also stands under another label ({_texts(found.texts)})"
        yield from self._shared(found.conflict, _CONFLICTING, "conflicting_labels", what, advice)
        what = f"rows have a text that {_ALIKE} also stands under another label ({_texts(found.near_texts)})"
        yield from self._shared(found.near_conflict, _CONFLICTING, "near_conflicting_labels", what, advice)

    def overlap(self, exact: Tally, near: Tally, train: str) -> Iterator[Finding]:
        """Validation rows whose text is a training text."""
        advice = "take them out of one of the files: they make the metrics flatter the model"
        yield from self._rows(exact, "warning", "overlap", f"rows have a text that is also in {train}", advice)
        what = f"rows have a text that {_ALIKE} is also in {train}"
        yield from self._shared(near, _LEAKING, "near_overlap", what, advice)

    def foreign_labels(self, rows: Tally, labels: int, train: str) -> Iterator[Finding]:
        """Rows of the validation file with one of `labels` labels that the training file lacks."""
        what = f"rows have one of {labels} labels that {train} lacks"
        advice = "drop those rows or add such rows to the training file"
        yield from self._rows(rows, "error", "unknown_labels", what, advice)

    def other_kind(self, here: str, there: str, train: str) -> Iterator[Finding]:
        """A label column that holds something else than that of the training file."""
        what = f"the label column holds {here}, that of {train} {there}"
        yield self._counted("error", "other_labels", what, "make both files alike", self.rows, 1.0)

    def oddities(self, tallies: Mapping[str, Tally]) -> Iterator[Finding]:
        """Texts that look as if something had gone wrong on their way."""
        for oddity in ODDITIES:
            what = f"rows hold {oddity.what}"
            yield from self._shared(tallies[oddity.code], oddity.warning, oddity.code, what, oddity.advice)

    def tokens(self, check: TokenCheck) -> Iterator[Finding]:
        """Texts that are cut off, and a language that the base model does not know."""
        severity = severity_of(check.truncated, warning=MUCH_TRUNCATED, note=_WORTH_A_NOTE)
        if severity:
            what = (
                f"{_percent(check.truncated)} of the rows are longer than --max-length {check.max_length} and cut off"
            )
            yield self._shares(severity, "truncated", what, _longer(check), check.truncated)
        yield from self.language(check)
        if check.strange:
            return
        if check.spelt:
            what = f"{check.a_character:.2f} tokens a character: {check.base_model} spells the words in small pieces"
            advice = "compare with a base model that was trained on this language, with --base-model"
            yield self._shares("note", "small_pieces", what, advice, 1.0)
        if check.unknown_rows > _WORTH_A_NOTE:
            what = f"{_percent(check.unknown_rows)} of the rows hold words or signs unknown to {check.base_model}"
            advice = "look whether they matter (emoji, names); other base models may know them"
            yield self._shares("note", "unknown_tokens", what, advice, check.unknown_rows)

    def language(self, check: TokenCheck) -> Iterator[Finding]:
        """A language that the base model does not know."""
        if check.strange:
            what = (
                f"{_percent(check.unknown)} unknown tokens and {check.a_character:.2f} tokens a character: "
                f"{check.base_model} does not know the language"
            )
            advice = "choose a multilingual base model, or one of this language, with --base-model"
            yield self._shares("warning", "foreign_language", what, advice, check.unknown_rows)

    def _shares(self, severity: Severity, code: str, what: str, advice: str, share: float) -> Finding:
        """About a share of the usable rows that was estimated from a sample."""
        return self._counted(severity, code, what, advice, round(share * self.rows), share)

    def _rows(self, tally: Tally, severity: Severity, code: str, what: str, advice: str) -> Iterator[Finding]:
        if tally.count:
            yield self._of(tally, severity, code, f"{tally.count:,} of {tally.seen:,} {what}", advice)

    def _shared(self, tally: Tally, warning: float, code: str, what: str, advice: str) -> Iterator[Finding]:
        severity = severity_of(tally.share, warning=warning)
        if severity:
            yield from self._rows(tally, severity, code, what, advice)

    def _of(self, tally: Tally, severity: Severity, code: str, what: str, advice: str) -> Finding:
        return Finding(
            code=code,
            severity=severity,
            file=self.file,
            what=what,
            advice=advice,
            count=tally.count,
            share=tally.share,
            rows=tally.rows,
        )

    def _counted(self, severity: Severity, code: str, what: str, advice: str, count: int, share: float) -> Finding:
        return Finding(code=code, severity=severity, file=self.file, what=what, advice=advice, count=count, share=share)


def _longer(check: TokenCheck) -> str:
    """What to do about texts that are cut off."""
    whole = "read single texts whole with --long-text window"
    if check.longer is None:
        return whole
    still = check.truncated_at(check.longer)
    if still < MUCH_TRUNCATED:
        return f"try --max-length {check.longer}"
    return f"{_percent(still)} would be at --max-length {check.longer} too; {whole}"


def _texts(count: int) -> str:
    return f"{count:,} such text{'s' if count > 1 else ''}"


def _joined(*tallies: Tally) -> Tally:
    whole = Tally()
    whole.seen, whole.count = tallies[0].seen, sum(tally.count for tally in tallies)
    whole.rows = tuple(sorted(row for tally in tallies for row in tally.rows)[:5])
    return whole


def _as_read(name: str) -> str:
    """What a person takes two labels for the same by."""
    seen = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())


def _named(names: list[str], counts: Mapping[str, int], most: int = 5) -> str:
    shown = ", ".join(f"{_short(name)} {counts[name]}" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _short(name: str, most: int = 40) -> str:
    return repr(name if len(name) <= most else name[: most - 3] + "...")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2f} %"
