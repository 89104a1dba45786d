"""What a base model's tokenizer makes of the texts: their length in tokens, and whether it knows their language.

Owns the signs of a language that a vocabulary does not know. Does not know files: a sample comes in.

A vocabulary that knows a language needs about one token for four or five letters of an alphabet. One that does not
spells it letter by letter, or byte by byte, or gives up with the unknown token. Scripts of words of one or two signs
(Chinese, Japanese, Korean) take about a token a sign in the best of vocabularies, so there only more counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.checking.lengths import Lengths, longest_max_length, suggested_max_length
from scorer.checking.sample import Sample
from scorer.classifier.vocabulary import Vocabulary

# all-MiniLM-L6-v2 needs 0.26 to 0.31 tokens a character for five English data sets, 0.41 to 0.55 for sentences in
# German, French, Finnish, Turkish and Polish, 0.82 to 1.13 in Russian, Greek, Arabic, Hindi, Japanese and Korean.
_MOST_UNKNOWN = 0.05
_SPELT_A_LETTER = 0.36
_MOST_A_LETTER = 0.6
_MOST_A_SIGN = 1.2
# A few seconds of a tokenizer's work.
MOST_CHARACTERS = 5_000_000
_SEED = 0
_SIGNS = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_SPACE = re.compile(r"\s+")


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


def check_tokens(sample: Sample, vocabulary: Vocabulary, *, max_length: int) -> TokenCheck | None:
    """Count the tokens of the sampled rows; None when there are none."""
    if not sample.texts:
        return None
    texts, stretch = _affordable(sample)
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


def _affordable(sample: Sample) -> tuple[list[tuple[str, ...]], NDArray[np.float64]]:
    """As many sampled rows as `MOST_CHARACTERS` allow, drawn at random; how many times as long each is in the file."""
    kept = np.array([sum(map(len, row)) for row in sample.texts], np.int64)
    order = np.random.default_rng(_SEED).permutation(len(kept))
    within = np.cumsum(kept[order]) <= MOST_CHARACTERS
    within[0] = True
    chosen = np.sort(order[within])
    stretch = np.array(sample.lengths, np.float64)[chosen] / np.maximum(kept[chosen], 1)
    return [sample.texts[row] for row in chosen.tolist()], stretch
