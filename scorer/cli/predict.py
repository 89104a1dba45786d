"""`scorer predict`: one JSON line a text, from the arguments or the lines of standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from scorer.cli.command import Command
from scorer.cli.options import config_options
from scorer.config import PredictConfig
from scorer.errors import DataError, UsageError

if TYPE_CHECKING:
    from scorer.scoring.frames import FrameScorer

_READ_BYTES = 1 << 16


_EXAMPLES: Final = (
    'scorer predict "Lovely room, but the night was loud."',
    "scorer predict -m models/reviews --top-k 3 < texts.txt",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("text", nargs=-1)
@config_options(PredictConfig, without=("text_column",), summary=False)
def predict(text: tuple[str, ...], **settings: Any) -> None:
    """Score each TEXT, or each line of standard input when there is none, and print one line of JSON for it.

    For a model that was fitted on text pairs, a TEXT is both texts with a tab between them; for one that others fitted,
    it is with --pairs.
    """
    config = PredictConfig(**settings)
    for number, argument in enumerate(text, 1):
        _refuse_not_utf8(argument, number)
    from scorer.scoring.frames import FrameScorer

    scorer = FrameScorer(config)
    if config.pairs and len(scorer.fitted_columns) == 1:
        raise UsageError("--pairs: this model was fitted on single texts; leave it out")
    for texts in [list(text)] if text else _lines():
        _print(scorer, texts, pairs=config.pairs or len(scorer.fitted_columns) == 2)


def _print(scorer: FrameScorer, texts: list[str], *, pairs: bool) -> None:
    import json

    if pairs:
        firsts, tabs, seconds = zip(*(text.partition("\t") for text in texts), strict=True)
        if not all(tabs):
            raise UsageError("pairs are scored: write both texts with a tab between them")
        answers = scorer.score_texts(firsts, seconds)
    else:
        answers = scorer.score_texts(texts)
    for text, answer in zip(texts, answers, strict=True):
        click.echo(json.dumps({"text": text} | answer, ensure_ascii=False))


def _refuse_not_utf8(argument: str, number: int) -> None:
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"TEXT {number}: not UTF-8 (character {error.start} of it); re-encode it") from error


def _lines() -> Iterator[list[str]]:
    """The lines of standard input, as many at once as have arrived."""
    rest = b""
    while data := os.read(sys.stdin.fileno(), _READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            yield [_decoded(line) for line in lines]
    if rest:
        yield [_decoded(rest)]


def _decoded(line: bytes) -> str:
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input: a line is not UTF-8 (byte {error.start} of it); re-encode it") from error
