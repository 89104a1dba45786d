"""How a review of the sample is made: a feeling from -2 to 2 becomes clauses, clauses sentences, sentences a text.

Owns the grammar: praise and blame in degrees, negation, mixed feelings, sarcasm, typing mistakes. Knows the words only
by `phrases`, and nothing of files.

Every clause carries what it is worth. A review is worth the weighted mean of its clauses (more weight after "but" than
before), and its score is that worth rounded, after a person's mood of the day has been added: neighbouring scores
therefore overlap, as they do among real reviewers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import phrases

MOOD = 0.25  # standard deviation of what a person adds to the worth of their own words


@dataclass(frozen=True)
class Review:
    """One text, the kind of thing it is about, and its score from 1 to 5."""

    domain: str
    text: str
    score: int


@dataclass(frozen=True)
class Clause:
    """A statement without capital and full stop, its worth from -2 to 2, and its weight in the review."""

    text: str
    worth: float
    weight: float = 1.0


# Set phrases that say good or bad without an adjective of the aspect's own.
IDIOMS = (
    Clause("I cannot praise the {a} enough", 2.0),
    Clause("I would come back for the {a} alone", 1.8),
    Clause("I have nothing to say against the {a}", 0.8),
    Clause("no complaints about the {a}", 0.9),
    Clause("the {a} made up for a lot", 0.6),
    Clause("I am in two minds about the {a}", 0.0),
    Clause("the {a} could go either way", 0.0),
    Clause("I had hoped for more from the {a}", -0.9),
    Clause("the {a} did not live up to the promise", -1.1),
    Clause("the {a} let us down", -1.4),
    Clause("the less said about the {a} the better", -1.8),
    Clause("somebody should be ashamed of the {a}", -2.0),
)


@dataclass(frozen=True)
class Aspect:
    """Something to have an opinion on; `words` maps superb (2), good (1), so-so (0), poor (-1), awful (-2)."""

    noun: str
    verb: str
    words: dict[int, tuple[str, ...]]


@dataclass(frozen=True)
class Domain:
    """The vocabulary of one kind of thing."""

    aspects: tuple[Aspect, ...]
    openings: tuple[str, ...]
    events: tuple[Clause, ...]
    sarcasm: tuple[str, ...]
    verdicts: tuple[Clause, ...]


@cache
def domain(name: str) -> Domain:
    """The vocabulary `name` of `phrases`, read from its notation."""
    text = getattr(phrases, name.upper())
    lines = [line for line in text.strip().splitlines() if " | " in line]
    rest = " ".join(line for line in text.strip().splitlines() if " | " not in line)
    items = {mark: re.findall(rf"(?<!\S){mark} (.*?)(?= [@>!=] |$)", rest) for mark in "@>!="}
    return Domain(
        aspects=tuple(_aspect(line, present=name in phrases.PRESENT) for line in lines),
        openings=tuple(items["@"]),
        events=tuple(_valued(item) for item in items[">"]),
        sarcasm=tuple(items["!"]),
        verdicts=tuple(_valued(item) for item in items["="]),
    )


def _aspect(line: str, *, present: bool) -> Aspect:
    noun, *columns = (column.strip() for column in line.split("|"))
    verb = {(False, False): "was", (False, True): "were", (True, False): "is", (True, True): "are"}
    words = dict(zip((1, 2, -1, -2), (tuple(column.split(", ")) for column in columns[:4]), strict=True))
    return Aspect(noun.rstrip("+"), verb[present, noun.endswith("+")], {**words, 0: (columns[4],)})


def _valued(item: str) -> Clause:
    worth, text = item.split(" ", 1)
    return Clause(text, float(worth))


@cache
def _slots() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in phrases.SLOTS.strip().splitlines():
        name, words = line.split(" | ")
        found[name] = found.get(name, ()) + tuple(words.split(", "))
    return found


@dataclass
class _Topics:
    """What a review has not mentioned yet, so that nobody praises the soup twice in a breath."""

    words: Domain
    aspects: list[Aspect]
    events: list[Clause]


class Reviewer:
    """Writes reviews; the same random source gives the same reviews."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def review(self, feeling: float) -> Review:
        """A review by somebody who feels `feeling` (-2 to 2) about the thing."""
        name = self.source.choice(phrases.DOMAINS)
        texts, clauses = self._body(self._topics(domain(name)), feeling)
        worth = sum(clause.worth * clause.weight for clause in clauses) / sum(clause.weight for clause in clauses)
        mood = self.source.gauss(0.0, MOOD)
        return Review(name, self._typed(" ".join(texts)), 3 + max(-2, min(2, round(1.15 * worth + mood))))

    def rambling(self, sentences: int) -> Review:
        """A review of `sentences` sentences that cannot make up its mind."""
        name = self.source.choice(phrases.DOMAINS)
        words, texts = domain(name), list[str]()
        while len(texts) < sentences:
            texts += self._body(self._topics(words), self.source.uniform(-2, 2))[0]
        return Review(name, " ".join(texts), 3)

    def _topics(self, words: Domain) -> _Topics:
        return _Topics(words, self.source.sample(words.aspects, len(words.aspects)), list(words.events))

    def _body(self, topics: _Topics, feeling: float) -> tuple[list[str], list[Clause]]:
        words = topics.words
        opening = [self._filled(self.source.choice(words.openings))] if self.source.random() < 0.45 else []
        if feeling < -0.8 and self.source.random() < 0.15:
            sarcasm = Clause(self._filled(self.source.choice(words.sarcasm)), -1.8, 2.0)
            more = [self._clause(topics, feeling)] if self.source.random() < 0.5 else []
            return opening + [sarcasm.text] + [_sentence(clause.text) for clause in more], [sarcasm, *more]
        texts, clauses = self._sentences(topics, feeling)
        if self.source.random() < 0.3:
            verdict = self._nearest(words.verdicts, feeling)
            texts, clauses = [*texts, _sentence(self._filled(verdict.text))], [*clauses, verdict]
        return opening + texts, clauses

    def _sentences(self, topics: _Topics, feeling: float) -> tuple[list[str], list[Clause]]:
        """One or two sentences: a plain one, several in agreement, or a mixed one when the feeling is not extreme."""
        kind = self.source.random()
        if kind < 0.36 - 0.1 * abs(feeling):
            return self._mixed(topics, feeling)
        first = self._clause(topics, feeling)
        if kind < 0.5:
            return [_sentence(first.text)], [first]
        second = self._clause(topics, feeling)
        if kind < 0.8:
            return [_sentence(f"{first.text} and {second.text}")], [first, second]
        return [_sentence(first.text), _sentence(second.text)], [first, second]

    def _mixed(self, topics: _Topics, feeling: float) -> tuple[list[str], list[Clause]]:
        swing = self.source.uniform(1.2, 2.4) * (-1 if feeling > 0 else 1)
        aside = self._clause(topics, feeling + swing)
        point = self._clause(topics, feeling - 0.4 * swing)
        if aside.worth * point.worth >= 0:  # nothing to weigh against each other
            return [_sentence(aside.text), _sentence(point.text)], [aside, point]
        point = Clause(point.text, point.worth, 2.0)
        form = self.source.choice(
            (
                "{a}, but {p}",
                "although {a}, {p}",
                "{p}, even if {a}",
                "{a}; still, {p}",
                "{a}, yet {p}",
                "{p}, though {a}",
            )
        )
        return [_sentence(form.format(a=aside.text, p=point.text))], [aside, point]

    def _clause(self, topics: _Topics, feeling: float) -> Clause:
        """A statement worth about `feeling`: something that happened, or an opinion on an aspect."""
        wanted = feeling + self.source.gauss(0.0, 0.35)
        if self.source.random() < 0.3:
            event = self._nearest(topics.events, wanted)
            topics.events.remove(event)
            return Clause(self._filled(event.text), event.worth)
        aspect = topics.aspects.pop()
        opinion = self.source.choice((self._plain, self._plain, self._negated, self._idiom))
        return opinion(aspect, wanted)

    def _plain(self, aspect: Aspect, wanted: float) -> Clause:
        level = max(-2, min(2, round(wanted)))
        word, degree = self.source.choice(aspect.words[level]), ("", 1.0)
        if abs(level) == 2 and not word.startswith("a "):
            degree = self.source.choice((("", 1.0), ("absolutely ", 1.0), ("simply ", 1.0)))
        elif abs(level) == 1 and not word.startswith(("what ", "too ", "a ")):
            strong = abs(wanted) > 1.1
            mild = ("", 1.0), (("a bit ", 0.7) if level < 0 else ("quite ", 0.9)), ("rather ", 0.9)
            degree = self.source.choice((("very ", 1.4), ("really ", 1.3), ("extremely ", 1.6)) if strong else mild)
        thought = "I think" if aspect.verb in ("is", "are") else "we thought"
        subject = self.source.choice(("the {n} {v}", "the {n} {v}", "I found the {n}", f"{thought} the {{n}} {{v}}"))
        if level == 0:
            subject = "the {n} {v}"
        text = self._filled(f"{subject.format(n=aspect.noun, v=aspect.verb)} {degree[0]}{word}")
        return Clause(text, level * degree[1])

    def _negated(self, aspect: Aspect, wanted: float) -> Clause:
        """What it was not: no praise is mild blame, no blame mild praise."""
        if abs(wanted) > 1.5:
            return self._plain(aspect, wanted)
        worth, form = self.source.choice(
            (
                (-0.9, "{v} not {g}"),
                (-0.7, "{v} not exactly {g}"),
                (-1.3, "{v} not {g} at all"),
                (-0.6, "could be more {g}"),
            )
            if wanted < 0
            else (
                (0.5, "{v} not {b}"),
                (0.9, "{v} not {b} at all"),
                (0.9, "{v} never {b}"),
                (0.7, "{v} anything but {b}"),
            )
        )
        good, poor = (self.source.choice(aspect.words[level]) for level in (1, -1))
        if "more" in form and len(good.split()) > 1:
            form = "{v} not exactly {g}"
        return Clause(f"the {aspect.noun} {form.format(v=aspect.verb, g=good, b=poor)}", worth)

    def _idiom(self, aspect: Aspect, wanted: float) -> Clause:
        """A set phrase about the aspect."""
        return self._nearest(tuple(Clause(idiom.text.format(a=aspect.noun), idiom.worth) for idiom in IDIOMS), wanted)

    def _nearest(self, clauses: Sequence[Clause], wanted: float) -> Clause:
        """One of the clauses whose worth comes nearest to `wanted`."""
        distance = {clause.text: abs(clause.worth - wanted) + self.source.uniform(0.0, 0.3) for clause in clauses}
        return min(clauses, key=lambda clause: distance[clause.text])

    def _filled(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda slot: self.source.choice(_slots()[slot[1]]), text)

    def _typed(self, text: str) -> str:
        """The text as somebody types it: mostly right, now and then in haste or in anger."""
        for habit, share in ((_misspelt, 0.14), (_hasty, 0.06), (_loud, 0.07), (_joined, 0.2)):
            if self.source.random() < share:
                text = habit(text, self.source)
        return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _misspelt(text: str, source: random.Random) -> str:
    """One letter of a longer word doubled, dropped or swapped with the next."""
    words = [match.span() for match in re.finditer(r"[a-z]{5,}", text)]
    if not words:
        return text
    start, end = source.choice(words)
    place = source.randrange(start + 1, end - 1)
    one, two = text[place], text[place + 1]
    return text[:place] + source.choice((one + one + two, two, two + one)) + text[place + 2 :]


def _hasty(text: str, _: random.Random) -> str:
    return text.lower().rstrip(".")


def _loud(text: str, source: random.Random) -> str:
    if source.random() < 0.3:
        return text.upper()
    return text.rstrip(".") + source.choice(("!", "!!", "!!!"))


def _joined(text: str, _: random.Random) -> str:
    """Contractions, as most people write."""
    for full, short in phrases.CONTRACTIONS.items():
        text = text.replace(full, short)
    return text
