"""How long texts are, and what a base model's tokenizer makes of a sample of them: whether it knows their language.

A vocabulary that knows a language needs about one token for four or five letters of an alphabet. One that does not
spells it letter by letter, or byte by byte, or gives up with the unknown token. Scripts of words of one or two signs
(Chinese, Japanese, Korean) take about a token a sign in the best of vocabularies, so there only more counts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.vocabulary import Vocabulary

SAMPLE_ROWS = 20_000
SAMPLE_CHARACTERS = 10_000
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_BARS = 24
_STEP = 16
# The suggestion covers the first share of the rows unless that costs over twice the tokens of the second.
_SHARES = (0.99, 0.95)
# all-MiniLM-L6-v2 needs 0.26 to 0.31 tokens a character for five English data sets, 0.41 to 0.55 for sentences in
# German, French, Finnish, Turkish and Polish, 0.82 to 1.13 in Russian, Greek, Arabic, Hindi, Japanese and Korean.
_MOST_UNKNOWN = 0.05
_SPELT_A_LETTER = 0.36
_MOST_A_LETTER = 0.6
_MOST_A_SIGN = 1.2
# A few seconds of a tokenizer's work.
_MOST_CHARACTERS = 5_000_000
_SEED = 0
_SIGNS = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_SPACE = re.compile(r"\s+")


class Sample:
    """At most `size` rows of texts, each row equally likely: algorithm R of Vitter, 1985. The same rows every time.

    texts    the beginnings of the texts, 10,000 characters at most, a tuple of one or two a row
    lengths  the characters that each whole row has
    seen     the rows that were offered
    """

    def __init__(self, size: int = SAMPLE_ROWS) -> None:
        self._size = size
        self._generator = np.random.default_rng(_SEED)
        self.texts: list[tuple[str, ...]] = []
        self.lengths: list[int] = []
        self.seen = 0

    def add(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Offer the next rows."""
        free = max(min(self._size - self.seen, len(rows)), 0)
        for row in rows[:free]:
            self.texts.append(_beginning(row))
            self.lengths.append(sum(map(len, row)))
        places = self._generator.integers(0, np.arange(self.seen + free, self.seen + len(rows)) + 1)
        for offset in np.flatnonzero(places < self._size).tolist():
            row, place = rows[free + offset], int(places[offset])
            self.texts[place], self.lengths[place] = _beginning(row), sum(map(len, row))
        self.seen += len(rows)

    @property
    def complete(self) -> bool:
        """Whether it holds every row."""
        return self.seen <= self._size


def _beginning(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text[:SAMPLE_CHARACTERS] for text in row)


@dataclass(frozen=True)
class Lengths:
    """The distribution of n lengths.

    percentiles  length by percentage of rows that are no longer (method "lower": a length that occurs)
    histogram    rows of each bar; `edges` are its n + 1 limits, a bar holds lengths from the lower one on and below the
                 upper one; the last bar takes in all that is longer
    """

    rows: int
    shortest: int
    mean: float
    longest: int
    percentiles: dict[int, int]
    edges: tuple[int, ...]
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> Lengths | None:
        """The distribution of `lengths` (n,); None when there are none."""
        if not len(lengths):
            return None
        found = np.percentile(lengths, _PERCENTILES, method="lower").astype(int).tolist()
        # A few endless texts would press all others into the first bar.
        end = min(int(lengths.max()), 2 * found[-1]) + 1
        width = max(-(-end // _BARS), 1)
        edges = tuple(range(0, end + width, width))
        bars = np.bincount(np.minimum(lengths // width, len(edges) - 2), minlength=len(edges) - 1)
        return cls(
            rows=len(lengths),
            shortest=int(lengths.min()),
            mean=round(float(lengths.mean()), 2),
            longest=int(lengths.max()),
            percentiles=dict(zip(_PERCENTILES, found, strict=True)),
            edges=edges,
            histogram=tuple(bars.tolist()),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        percentiles = {f"p{share}": length for share, length in self.percentiles.items()}
        return {
            **dataclasses.asdict(self),
            "percentiles": percentiles,
            "edges": list(self.edges),
            "histogram": list(self.histogram),
        }


def suggested_max_length(lengths: NDArray[np.integer], positions: int | None) -> int:
    """The least multiple of 16 that cuts off nothing of 99 % of the rows, or of 95 % when 99 % cost over twice as much.

    `lengths` (n,) are tokens with the special ones; at most the model's `positions`.
    """
    most, fewer = (_covering(lengths, share) for share in _SHARES)
    return _rounded(most if most <= 2 * fewer else fewer, positions)


def longest_max_length(lengths: NDArray[np.integer], positions: int | None) -> int:
    """The least multiple of 16 that cuts off nothing of 99 % of the rows, whatever it costs; at most `positions`."""
    return _rounded(_covering(lengths, _SHARES[0]), positions)


def _covering(lengths: NDArray[np.integer], share: float) -> int:
    """The least of the `lengths` that a `share` of them does not exceed."""
    return int(np.quantile(lengths, share, method="inverted_cdf"))


def _rounded(length: int, positions: int | None) -> int:
    rounded = -(-length // _STEP) * _STEP
    return rounded if positions is None else min(rounded, positions)


@dataclass(frozen=True)
class TokenCheck:
    """What the tokenizer of `base_model` makes of `rows` sampled rows of `of_rows`.

    lengths       tokens of each sampled row (rows,), with the special ones, as a fit counts them that extends the
                  vocabulary; estimated beyond 10,000 characters
    unknown       share of unknown tokens among all but the special ones
    unknown_rows  share of rows with one
    a_character   tokens for each character that is no white space
    a_word        tokens for each run of characters between white space
    signs         share of characters that are Chinese, Japanese or Korean
    truncated     share of rows longer than `max_length`
    suggested     a better --max-length
    """

    base_model: str
    rows: int
    of_rows: int
    max_length: int
    positions: int | None
    lengths: NDArray[np.int64]
    unknown: float
    unknown_rows: float
    a_character: float
    a_word: float
    signs: float
    truncated: float
    suggested: int

    @property
    def strange(self) -> bool:
        """Whether the vocabulary does not know the language of the texts."""
        most = _MOST_A_SIGN if self.signs > 0.5 else _MOST_A_LETTER
        return self.unknown >= _MOST_UNKNOWN or self.a_character >= most

    @property
    def spelt(self) -> bool:
        """Whether it knows the script but hardly the words."""
        return self.signs <= 0.5 and self.a_character >= _SPELT_A_LETTER and not self.strange

    @property
    def longer(self) -> int | None:
        """A --max-length beyond `max_length`: the suggested one, else the one that is enough for 99 % of the rows; None
        where the model has no more positions."""
        lengths = (self.suggested, longest_max_length(self.lengths, self.positions))
        return next((length for length in lengths if length > self.max_length), None)

    def truncated_at(self, length: int) -> float:
        """Share of rows longer than `length`."""
        return float((self.lengths > length).mean())

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        found = Lengths.of(self.lengths)
        return {
            "base_model": self.base_model,
            "rows": self.rows,
            "of_rows": self.of_rows,
            "lengths": found.as_dict() if found else None,
            "max_length": self.max_length,
            "positions": self.positions,
            "truncated_share": round(self.truncated, 6),
            "suggested_max_length": self.suggested,
            "unknown_share": round(self.unknown, 6),
            "unknown_rows_share": round(self.unknown_rows, 6),
            "tokens_a_character": round(self.a_character, 4),
            "tokens_a_word": round(self.a_word, 4),
            "knows_the_language": not self.strange,
        }


def check_tokens(
    sample: Sample, vocabulary: Vocabulary, *, max_length: int, most_characters: int = _MOST_CHARACTERS
) -> TokenCheck | None:
    """Count the tokens of as many sampled rows as have `most_characters`; None when there are none."""
    if not sample.texts:
        return None
    texts, stretch = _affordable(sample, most_characters)
    counts, extended = vocabulary.count(texts), vocabulary.extended(texts)
    learned = counts if extended is vocabulary else extended.count(texts)
    special = vocabulary.tokenizer.num_special_tokens_to_add(len(texts[0]) > 1)
    own = np.maximum(counts.lengths - special, 0)
    joined = [" ".join(row) for row in texts]
    characters = sum(len(_SPACE.sub("", text)) for text in joined)
    words = sum(len(text.split()) for text in joined)
    lengths = special + np.ceil(np.maximum(learned.lengths - special, 0) * stretch).astype(np.int64)
    return TokenCheck(
        base_model=vocabulary.name,
        rows=len(texts),
        of_rows=sample.seen,
        max_length=max_length,
        positions=vocabulary.positions,
        lengths=lengths,
        unknown=float(counts.unknown.sum() / max(own.sum(), 1)),
        unknown_rows=float((counts.unknown > 0).mean()),
        a_character=float(own.sum() / max(characters, 1)),
        a_word=float(own.sum() / max(words, 1)),
        signs=sum(len(_SIGNS.findall(text)) for text in joined) / max(characters, 1),
        truncated=float((lengths > max_length).mean()),
        suggested=suggested_max_length(lengths, vocabulary.positions),
    )


def _affordable(sample: Sample, most_characters: int) -> tuple[list[tuple[str, ...]], NDArray[np.float64]]:
    """As many sampled rows as `most_characters` allow, drawn at random; how many times as long each is in the file."""
    kept = np.array([sum(map(len, row)) for row in sample.texts], np.int64)
    order = np.random.default_rng(_SEED).permutation(len(kept))
    within = np.cumsum(kept[order]) <= most_characters
    within[0] = True
    chosen = np.sort(order[within])
    stretch = np.array(sample.lengths, np.float64)[chosen] / np.maximum(kept[chosen], 1)
    return [sample.texts[row] for row in chosen.tolist()], stretch
