"""Texts to rows of tokens: the ids of all training texts lie in a file, those that are held out in memory.

The file is mapped into memory, so that the texts may be larger than it. What is written depends on the texts, the
tokenizer and the seed alone; a run that goes on writes it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from scorer.adapting.corpus import Corpus, HeldOut
from scorer.adapting.marks import Marks
from scorer.adapting.masking import Masking
from scorer.adapting.rows import MEASURING, TRAINING, Blocks, DocumentParts
from scorer.config import AdaptConfig
from scorer.errors import DataError
from scorer.runs.console import Counter
from scorer.runs.signals import StopSignals
from scorer.stores.folder import Folder
from scorer.stores.number_file import NumberFile

# No tokenizer is given more of one text at once: without any word break it would take it seconds.
_LONGEST_PIECE = 100_000
# The tokenizer needs a hundred bytes a token.
_CHARACTERS_AT_ONCE = 500_000
# So many blocks say what a text's next token costs within a few percent.
_BLOCKS_HELD_OUT = 256
# The end of a sentence: its mark, what closes with it, and a space; no space is needed after a full-width one.
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])(?![”’」』）。！？])|[\r\n\u2028\u2029]+")


Rows = Blocks | DocumentParts


@dataclass(frozen=True)
class Packed:
    """The rows to learn from and to measure on, and of how many texts and tokens they are made; `left_out` texts are
    in the file that is measured on, too, and documents `without_parts` have one sentence, or are too short for two."""

    train: Rows
    valid: Rows
    texts: int
    valid_texts: int
    left_out: int
    without_parts: int
    tokens: int
    unknown_share: float


@dataclass
class _Side:
    """What becomes of the texts of one side: their tokens, and where the parts of documents lie."""

    tokens: NumberFile | _TokenList
    parts: list[NDArray[np.int64]] = field(default_factory=list)
    texts: int = 0
    without_parts: int = 0

    def rows(self, marks: Marks, config: AdaptConfig, *, stream: int) -> Rows:
        masking, tokens = Masking(marks, config.seed, stream), self.tokens.all()
        if not config.nsp:
            return Blocks(tokens, masking, config.max_length)
        parts = np.concatenate(self.parts) if self.parts else np.zeros((0, 4), np.int64)
        return DocumentParts(tokens, parts, masking, config.max_length)


def pack(
    corpus: Corpus,
    valid: Corpus | None,
    *,
    tokenizer: Tokenizer,
    marks: Marks,
    unknown: int | None,
    config: AdaptConfig,
    folder: Folder,
    counter: Counter,
    signals: StopSignals,
) -> Packed:
    """The rows of the texts of `corpus`; those of `valid` are measured on where there are some, else a share of
    `corpus`. The file of tokens is made in `folder`. `unknown` is the id of what the tokenizer cannot spell.

    Raises DataError where the texts are too few, Interrupted, and OSError.
    """
    enough = _BLOCKS_HELD_OUT * config.max_length
    with folder.numbers("tokens", np.uint32) as file:
        train, held_out = _Side(file), _Side(_TokenList())
        packer = _Packer(tokenizer, marks, unknown, config)
        choice = HeldOut(config.held_out if valid is None else 0.0, seed=config.seed, enough=enough)
        named, left_out = HeldOut(1.0, seed=config.seed, enough=enough), 0
        for texts in valid.windows() if valid is not None else ():
            signals.check()
            packer.add(texts, None, held_out, named)
            if held_out.tokens.size >= enough:
                break
        choice.know(named)
        for texts in corpus.windows():
            signals.check()
            left_out += packer.add(texts, train, None if valid is not None else held_out, choice)
            counter.update(len(texts))
    rows, rows_held_out = train.rows(marks, config, stream=TRAINING), held_out.rows(marks, config, stream=MEASURING)
    _refuse_few(train, rows, f"{config.data}: the texts to learn from", config)
    _refuse_few(held_out, rows_held_out, f"{config.valid or config.data}: the texts to measure on", config)
    single = train.without_parts + held_out.without_parts
    share = packer.unknown / (train.tokens.size + held_out.tokens.size)
    return Packed(rows, rows_held_out, train.texts, held_out.texts, left_out, single, train.tokens.size, share)


def _refuse_few(side: _Side, rows: Rows, what: str, config: AdaptConfig) -> None:
    if not len(rows):
        need = "one document of two sentences" if config.nsp else f"a block of {config.max_length}"
        raise DataError(
            f"{what} have {side.tokens.size:,} tokens, less than {need}; add texts, or give another --max-length, "
            "--valid-fraction or --valid"
        )
    if not rows.says_something():
        raise DataError(
            f"{what}: the vocabulary spells nothing of them, every token stands for what it lacks; "
            f"{_other_vocabulary(config)}"
        )
    if isinstance(rows, DocumentParts) and len(np.unique(rows.parts[:, 3])) < 2:
        raise DataError(f"{what} have one document of several sentences; --nsp needs two at least")


def _other_vocabulary(config: AdaptConfig) -> str:
    lacking = "" if config.extend_vocabulary else "give it their characters with --extend-vocabulary, "
    return f"{lacking}choose another --base-model, or make one of the texts with --from-scratch"


class _Packer:
    def __init__(self, tokenizer: Tokenizer, marks: Marks, unknown: int | None, config: AdaptConfig) -> None:
        self._tokenizer, self._marks, self._unknown = tokenizer, marks, unknown
        self._nsp, self._length = config.nsp, config.max_length
        self._generator = np.random.default_rng([config.seed, 0])
        self._documents = 0
        self.unknown = 0

    def add(self, texts: list[str], others: _Side | None, chosen: _Side | None, choice: HeldOut) -> int:
        """Put the tokens of each of the next `texts` to the side `chosen` if it is of the `choice`, and else to the
        `others`. How many belong to a side that is None, and were put nowhere."""
        nowhere = 0
        for some in _together(texts):
            cut = [_sentences(text) if self._nsp else _pieces(text) for text in some]
            spelt = self._spell([piece for pieces in cut for piece in pieces])
            ends = np.cumsum([len(pieces) for pieces in cut])
            of_text = [spelt[end - len(pieces) : end] for end, pieces in zip(ends.tolist(), cut, strict=True)]
            lengths = np.array([sum(map(len, ids)) for ids in of_text], np.int64)
            for ids, out in zip(of_text, choice.choose(some, lengths), strict=True):
                side = chosen if out else others
                nowhere += side is None
                if side is not None:
                    self._put(ids, side)
        return nowhere

    def _spell(self, pieces: Sequence[str]) -> list[NDArray[np.uint32]]:
        found = []
        for encoding in self._tokenizer.encode_batch_fast(pieces, add_special_tokens=False):
            ids = np.array(encoding.ids, np.uint32)
            self.unknown += int((ids == self._unknown).sum()) if self._unknown is not None else 0
            found.append(ids)
        return found

    def _put(self, ids: list[NDArray[np.uint32]], side: _Side) -> None:
        side.texts += 1
        if self._nsp:
            room = self._length - self._marks.around - 1
            begin, self._documents = side.tokens.size, self._documents + 1
            bounds = part_bounds([len(sentence) for sentence in ids], room=room, generator=self._generator)
            side.without_parts += not bounds
            side.parts.append(np.array([(*bound, self._documents) for bound in bounds], np.int64).reshape(-1, 4))
            side.parts[-1][:, :3] += begin
            side.tokens.append(np.concatenate([*ids, np.zeros(0, np.uint32)]))
        else:
            side.tokens.append(np.concatenate([*ids, np.array([self._marks.between], np.uint32)]))


def part_bounds(lengths: Sequence[int], *, room: int, generator: np.random.Generator) -> list[tuple[int, int, int]]:
    """Where the two parts of each row begin, meet and end, in tokens of a document whose sentences have so many.

    A row takes sentences as long as there is `room`, and its parts meet between two of them that are drawn (Devlin et
    al. 2019, appendix A.2). Of a sentence with more tokens than half the room, each such half counts as one.
    """
    half = max(room // 2, 1)
    ends = np.cumsum([min(half, length - begin) for length in lengths for begin in range(0, length, half)])
    edges, found, first = [0, *ends.tolist()], [], 0
    while first < len(edges) - 1:
        last = int(np.searchsorted(edges, edges[first] + room, side="right")) - 1
        if last - first >= 2:
            middle = int(generator.integers(first + 1, last))
            found.append((edges[first], edges[middle], edges[last]))
        first = max(last, first + 1)
    return found


def _together(texts: list[str]) -> Iterator[list[str]]:
    """The `texts` in order, so many at a time that they have about half a million characters."""
    some: list[str] = []
    size = 0
    for text in texts:
        if some and size + len(text) > _CHARACTERS_AT_ONCE:
            yield some
            some, size = [], 0
        some.append(text)
        size += len(text)
    if some:
        yield some


def _pieces(text: str) -> list[str]:
    return [text[begin : begin + _LONGEST_PIECE] for begin in range(0, len(text), _LONGEST_PIECE)]


def _sentences(text: str) -> list[str]:
    return [piece for sentence in _SENTENCE.split(text) if sentence.strip() for piece in _pieces(sentence)]


class _TokenList:
    """What a file of numbers does, in memory."""

    def __init__(self) -> None:
        self._kept: list[NDArray[np.uint32]] = []
        self.size = 0

    def append(self, ids: NDArray[np.uint32]) -> None:
        self._kept.append(ids)
        self.size += len(ids)

    def all(self) -> NDArray[np.uint32]:
        return np.concatenate([*self._kept, np.zeros(0, np.uint32)])
