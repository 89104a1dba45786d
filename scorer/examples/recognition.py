"""What form a label column has: told where it is certain, and a doubt, with the flag to give, where it is not.

Pure: a survey of all rows in, a form or a doubt out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.errors import DataError
from scorer.examples.class_labels import ClassLabels
from scorer.examples.example_columns import is_list
from scorer.examples.label_form import REAL_NUMBERS, LabelForm, LabelOptions, Notation
from scorer.examples.label_texts import (
    NEVER_A_NAME,
    NOT_AVAILABLE,
    Value,
    described,
    each,
    find_separator,
    is_broken_list,
    is_object,
    is_whole,
    kind_of,
    number_of,
    read_bare_list,
    read_list,
    read_vector,
)
from scorer.examples.survey import Seen, Survey
from scorer.tables.source import Source
from scorer.tables.texts import is_text

_LISTS = "--label-form list reads lists"
_NAMES = "--label-form name takes each value as one name, as it stands"
_RARE = 0.05
_MOST_SHOWN = 3
_SHORT = 20
# Texts that are so long in the middle are sentences, and no labels.
_SENTENCE = 60


@dataclass(frozen=True)
class Doubt:
    """Why it cannot be told what the labels of a file are: for people, without a value that may be a text."""

    what: str
    advice: str
    seen: Seen

    def error(self, where: str) -> DataError:
        """What a job raises that needs to know."""
        return DataError(f"{where}: labels: {self.what}{self.seen.numbered}; {self.advice}")


def recognise(survey: Survey, options: LabelOptions) -> LabelForm | Doubt:
    """The form of the surveyed columns, of which `options` says what is known."""
    if options.numbers:
        return _reals(survey, options)
    if len(survey.kinds) > 1:
        return _columns(survey, options)
    if is_text(survey.kind):
        return _Texts(survey, options).form()
    if options.form == "name" and not is_list(survey.kind):
        return _form("names", survey, options)
    if is_list(survey.kind):
        return _lists(survey, options)
    if options.separator is not None and pa.types.is_integer(survey.kind):
        return _form("separated", survey, options)
    return _form("plain", survey, options)


def recognise_file(
    source: Source, schema: pa.Schema, columns: Sequence[str], options: LabelOptions, *, where: str, limit: int | None
) -> LabelForm | Doubt:
    """The form of the label `columns` of a file, of which all rows are read if the types do not tell it.

    ConfigError for a type that is none of labels.
    """
    classes = class_labels(source, schema, columns, options, where=where)
    kinds = {name: classes.schema(schema).field(name).type for name in columns}
    options.check_types(kinds, where=where)
    survey = Survey(kinds, aside=options.aside, numbers=options.numbers, where=where)
    if Survey.needed(kinds, numbers=options.numbers):
        for window in source.read().windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES, limit=limit):
            survey.add(classes.named(window))
    form = recognise(survey, options)
    return form if isinstance(form, Doubt) else replace(form, classes=classes)


def class_labels(
    source: Source, schema: pa.Schema, columns: Sequence[str], options: LabelOptions, *, where: str
) -> ClassLabels:
    """The names of the labels in the `columns`, where the file has numbers in their place and `options` want names."""
    return ClassLabels.of(schema, source.files, () if options.numbers else columns, known=options.known, where=where)


def _form(notation: Notation, survey: Survey, options: LabelOptions, *notes: str, **fields: object) -> LabelForm:
    kept = {"separator": options.separator} if notation == "separated" else {}
    return LabelForm(notation, tuple(survey.kinds), aside=options.aside, notes=notes, **kept, **fields)  # type: ignore[arg-type]


def _reals(survey: Survey, options: LabelOptions) -> LabelForm | Doubt:
    strays = survey.strays
    if not strays.count:
        return _form("reals", survey, options)
    what = (
        f"{strays.count:,} of {survey.rows:,} rows have a label that is no finite number, the first is {survey.stray}"
    )
    return Doubt(what, "correct them, or leave those rows out with --null-labels nan,N/A,...", strays)


def _columns(survey: Survey, options: LabelOptions) -> LabelForm | Doubt:
    names = tuple(survey.kinds)
    odd = {name: seen for name, seen in survey.odd.items() if seen.count}
    if odd:
        name, seen = next(iter(odd.items()))
        more = f", and so do {len(odd) - 1} more of the columns" if len(odd) > 1 else ""
        what = f"{seen.count:,} of {survey.rows:,} values of column {name!r} are none of 0, 1, false and true{more}"
        advice = "several --label-column are columns of 0 and 1; name one, or leave such rows out with --null-labels"
        return Doubt(what, advice, seen)
    what = f"the names of {len(names)} columns of 0 and 1 are the labels"
    return _binary("columns", survey, options, what, ones=survey.ones, others=survey.others)


def _binary(
    notation: Notation, survey: Survey, options: LabelOptions, what: str, *, ones: Seen, others: Seen
) -> LabelForm | Doubt:
    """Labels that are 0 and 1: one a row where no row has none or several, or where it is known that there is one."""
    single = bool(ones.count and not others.count) if options.multi is None else not options.multi
    if single and others.count:
        lacking = f"{others.count:,} of {survey.rows:,} rows have no label, or several, where a row has exactly one"
        return Doubt(f"{lacking} in the file that was fitted", "leave those rows out", others)
    note = f"{what}, of which a row has {'exactly one' if single else 'any number'}"
    return _form(notation, survey, options, note, single=single, names=options.names)


def _lists(survey: Survey, options: LabelOptions) -> LabelForm | Doubt:
    """Arrow lists. Numbers in them are labels, unless they look like a vector."""
    if options.names:
        ones = (survey.ones, survey.others)
        return _named_vectors(survey, options, survey.lengths, ones, binary=survey.binary)
    places = max(survey.lengths, default=0)
    looks = survey.binary or survey.repeating.count or pa.types.is_floating(survey.kind.value_type)
    if options.form != "list" and len(survey.lengths) == 1 and places > 1 and looks:
        return _vectors(survey, places, binary=survey.binary)
    return _form("plain", survey, options)


def _vectors(survey: Survey, places: int, *, binary: bool) -> Doubt:
    seen = Seen(survey.rows, [])
    if binary:
        what = f"the rows have vectors of {places} places with 0 and 1, and nothing says what the places are called"
        names = ",".join("ABCDEFGH"[: min(places, 4)]) + (",..." if places > 4 else "")
        return Doubt(
            what, f"name the places with --label-names {names}, or, where 0 and 1 are the labels, {_LISTS}", seen
        )
    what = f"the rows have vectors of {places} numbers, which are no labels"
    return Doubt(
        what, f"put the label, or a list of labels, into one column; where the numbers are labels, {_LISTS}", seen
    )


def _named_vectors(
    survey: Survey, options: LabelOptions, lengths: dict[int, Seen], ones: tuple[Seen, Seen], *, binary: bool
) -> LabelForm | Doubt:
    """Vectors whose places have names; `lengths` are the rows with so many places, `ones` those with exactly one 1 and
    the others."""
    places = len(options.names)
    other = Seen.together(seen for length, seen in lengths.items() if length != places)
    if other.count:
        what = f"{other.count:,} of {survey.rows:,} rows have no vector of {places} places, which --label-names names"
        return Doubt(what, "name as many as there are", other)
    if not binary:
        what = f"the vectors of {places} places hold other numbers than 0 and 1"
        return Doubt(what, "probabilities are no labels; put 1 where a label applies, else 0", Seen())
    what = f"the {places} names are those of the places of vectors of 0 and 1"
    return _binary("vector", survey, options, what, ones=ones[0], others=ones[1])


class _Texts:
    """The recognition of a column of texts."""

    def __init__(self, survey: Survey, options: LabelOptions) -> None:
        self._survey = survey
        self._options = options
        self._seen = {text: seen for text, seen in survey.texts.items() if text.strip() not in options.aside}
        self._rows = sum(seen.count for seen in self._seen.values())

    def form(self) -> LabelForm | Doubt:
        options = self._options
        if options.form == "name":
            return self._of("names")
        if options.names:
            return self._named_vectors()
        if not self._seen:
            return self._of("separated" if options.separator is not None else "plain")
        if options.form == "list":
            return self._listed({text: read_bare_list(text) for text in self._seen})
        if not self._survey.complete:
            return self._of("separated" if options.separator is not None else "plain")
        lists = {text: read_list(text) for text in self._seen}
        if options.separator is not None:
            if not any(lists.values()):
                return self._of("separated")
            advice = "leave --label-separator out"
            return self._doubt((text for text in lists if lists[text]), "have a list in brackets", advice)
        if options.multi is not True and options.known.issuperset(text.strip() for text in self._seen):
            return self._of("plain")
        return self._lists(lists) or self._objects() or self._booleans() or self._numbers() or self._names()

    def _of(self, notation: Notation, *notes: str, **fields: object) -> LabelForm:
        return _form(notation, self._survey, self._options, *notes, **fields)

    def _doubt(self, texts: Iterable[str], what: str, advice: str) -> Doubt:
        seen = Seen.together(self._seen[text] for text in texts)
        return Doubt(f"{seen.count:,} of {self._survey.rows:,} rows {what}", advice, seen)

    def _lists(self, lists: dict[str, list[Value] | None]) -> LabelForm | Doubt | None:
        found = [text for text, items in lists.items() if items is not None]
        broken = [text for text in lists if is_broken_list(text)]
        if broken:
            what = "have something in brackets that looks like a list and cannot be read as one"
            return self._doubt(broken, what, f"write lists as JSON does; {_NAMES}")
        if len(found) == len(lists):
            return self._all_lists({text: items for text, items in lists.items() if items is not None})
        if any(lists[text] for text in found):
            what = "have a list in brackets, the others have none"
            return self._doubt(found, what, f"{_LISTS}, and what is no list is one label; {_NAMES}")
        return self._bare_lists()

    def _all_lists(self, lists: dict[str, list[Value]]) -> LabelForm | Doubt:
        lengths = {len(items) for items in lists.values()}
        kind = kind_of(each(lists.values()))
        if kind in ("int", "float", "bool") and len(lengths) == 1 and max(lengths) > 1:
            numbers = [read_vector(text) for text in lists]
            binary = all(vector is not None and set(vector) <= {0.0, 1.0} for vector in numbers)
            return _vectors(self._survey, max(lengths), binary=binary)
        return self._listed(dict(lists))

    def _listed(self, lists: dict[str, list[Value] | None]) -> LabelForm | Doubt:
        """Lists are read; what is none counts as one label."""
        items: list[list[Value]] = [found if found is not None else [text.strip()] for text, found in lists.items()]
        kind = kind_of(each(items))
        if kind == "float":
            with_fractions = (text for text, found in lists.items() if kind_of(found or []) == "float")
            return self._doubt(with_fractions, "have a list with a number that is no whole one", "make them names")
        note = f"texts in brackets are read as lists: {'numbers' if kind == 'int' else 'names'}, any number a row"
        return self._of("list", note, items="int" if kind == "int" else "string")

    def _bare_lists(self) -> Doubt | None:
        """`[toxic, insult]`: names in square brackets, of which some stand in brackets by themselves or in another
        list, too."""
        bare = {text: found for text in self._seen if (found := read_bare_list(text)) is not None}
        several = {text: ",".join(map(str, items)) for text, items in bare.items()}
        if not bare or (len(bare) < len(self._seen) and find_separator(list(several.values())) is None):
            return None
        if not any(len(items) > 1 for items in bare.values()):
            return None
        return self._doubt(bare, "have names in brackets, which may be a list", f"{_LISTS}; {_NAMES}")

    def _objects(self) -> Doubt | None:
        found = [text for text in self._seen if is_object(text)]
        if not found:
            return None
        advice = f"make a list of names, or a column for each key; {_NAMES}"
        return self._doubt(found, "have an object with keys and values", advice)

    def _named_vectors(self) -> LabelForm | Doubt:
        vectors = {text: read_vector(text) for text in self._seen}
        lengths: dict[int, list[Seen]] = {}
        for text, vector in vectors.items():
            lengths.setdefault(len(vector or ()), []).append(self._seen[text])
        binary = all(set(vector or ()) <= {0.0, 1.0} for vector in vectors.values())
        together = {length: Seen.together(seen) for length, seen in lengths.items()}
        one, other = (
            Seen.together(self._seen[text] for text, vector in vectors.items() if (sum(vector or ()) == 1) is exactly)
            for exactly in (True, False)
        )
        return _named_vectors(self._survey, self._options, together, (one, other), binary=binary)

    def _numbers(self) -> LabelForm | Doubt | None:
        """Numbers that are spelt as texts, alone or with something else among them."""
        vectors = [read_vector(text) for text in self._seen]
        lengths = {len(vector) if vector else 0 for vector in vectors}
        if len(lengths) == 1 and max(lengths) > 1:
            binary = all(set(vector or ()) <= {0.0, 1.0} for vector in vectors)
            if binary or max(lengths) > 2:
                return _vectors(self._survey, max(lengths), binary=binary)
        numbers = {text: number for text in self._seen if (number := number_of(text)) is not None}
        if not numbers:
            return None
        others = [text for text in self._seen if text not in numbers]
        return self._strays(numbers, others) if others else self._only_numbers(numbers)

    def _booleans(self) -> Doubt | None:
        """Booleans that are spelt as texts, for there is something else among them."""
        spelt = [text for text in self._seen if text.strip().lower() in ("true", "false")]
        others = [text for text in self._seen if text not in spelt]
        if not spelt or not others:
            return None
        if {number_of(text) for text in others} <= {0.0, 1.0}:
            what = "have true or false as their label, the others 0 or 1"
            return self._doubt(spelt, what, f"spell them alike; {_NAMES}")
        if all(text.strip().lower() in NOT_AVAILABLE for text in others):
            what = f"have a label that is neither true nor false ({self._named(others)})"
            return self._doubt(others, what, self._set_aside(others))
        return None

    def _set_aside(self, texts: list[str]) -> str:
        shown = ",".join(sorted({text.strip() for text in texts})[:_MOST_SHOWN])
        more = ",..." if len(texts) > _MOST_SHOWN else ""
        safe = all("," not in text and len(text) <= _SHORT for text in texts)
        flag = f"--null-labels {_quoted(shown + more)}" if safe else "--null-labels"
        return f"leave those rows out with {flag}; {_NAMES}"

    def _strays(self, numbers: dict[str, float], others: list[str]) -> Doubt | None:
        if len(set(numbers.values())) < 2:
            return None
        none = [text for text in others if text.strip().lower() in NOT_AVAILABLE]
        share = sum(self._seen[text].count for text in numbers) / self._rows
        rest = [text for text in others if text not in none]
        # A name with a digit, such as 10+ among 1 to 9, may be one of the numbers' own kind; a rare one is a slip.
        rare = [text for text in rest if self._seen[text].count < _RARE * self._rows]
        slips = rest if not any(character.isdigit() for text in rest for character in text) else rare
        if rest and (share < 0.5 or len(slips) < len(rest)):
            return None
        what = f"have a label that is no number ({self._named(others)}), the others have numbers"
        return self._doubt(others, what, self._set_aside(others))

    def _named(self, texts: list[str]) -> str:
        """The shortest of `texts`, so that no text of a row is shown."""
        short = sorted({text.strip() for text in texts if len(text) <= _SHORT}, key=lambda text: (len(text), text))
        shown = [f"{text!r} {self._seen_of(text)}" for text in short[:_MOST_SHOWN]]
        more = len(texts) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more and shown else f"{more} kinds" if more else "")

    def _seen_of(self, stripped: str) -> int:
        return sum(seen.count for text, seen in self._seen.items() if text.strip() == stripped)

    def _only_numbers(self, numbers: dict[str, float]) -> LabelForm | Doubt:
        fractions = [text for text, number in numbers.items() if not number.is_integer()]
        if fractions:
            what = "have a label that is no whole number"
            advice = f"round them, or name another column with --label-column; {REAL_NUMBERS}; {_NAMES}"
            return self._doubt(fractions, what, advice)
        if all(map(is_whole, numbers)):
            if len(self._seen) < len(self._survey.texts) or self._survey.blank:
                return self._of("numbers", "the labels are read as whole numbers, as nothing else is left")
            if any("." in text for text in numbers):
                return self._of("numbers", "the labels are read as whole numbers, though some are written as 1.0")
        return self._of("plain", "the labels are numbers written as texts: they are names, without an order")

    def _names(self) -> LabelForm | Doubt:
        distinct = list(self._seen)
        sentences = len(distinct) > 20 and float(np.median([len(text) for text in distinct])) > _SENTENCE
        found = None if sentences else find_separator(distinct)
        if found is not None and not self._options.known.issuperset(text.strip() for text in found[1]):
            separator, several = found
            what = f"have a label that looks like several with {described(separator)} between them"
            advice = f"--label-separator {described(separator)} reads them as several; {_NAMES}"
            return self._doubt(several, what, advice)
        nothing = [text for text in distinct if text.strip().lower() in NEVER_A_NAME]
        if nothing and not self._options.known.issuperset(text.strip() for text in nothing):
            seen = Seen.together(self._seen[text] for text in nothing)
            shown = ",".join(sorted({text.strip() for text in nothing}))
            warning = (
                f"{seen.count:,} of {self._survey.rows:,} rows have a label that says that there is none"
                f"{seen.numbered}; it is learnt like any other, unless --null-labels {_quoted(shown)} leaves them out"
            )
            return self._of("plain", warnings=(warning,))
        return self._of("plain")


def _quoted(text: str) -> str:
    """`text` as a shell takes it."""
    return f"'{text}'" if any(character in text for character in " <>#?*&|;$") else text
