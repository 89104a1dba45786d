"""The logits of texts in memory, as a Scorer gives them: of labelled rows that are evaluated, and of a teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.config import WINDOW_ROWS
from scorer.runs.console import Console
from scorer.scoring.pipeline import Pipeline
from scorer.scoring.scorer import Scorer
from scorer.scoring.windows import ClassifiedWindow, Window, window_rows


def scores_of(
    scorer: Scorer,
    texts: Sequence[Sequence[str]],
    console: Console,
    *,
    check: Callable[[], object] = lambda: None,
) -> NDArray[np.void]:
    """The score (n,) of `score_dtype` of each text, or pair of texts where `texts` are two columns (n,). None of them
    is empty. `check` is called with each batch; it may raise to stop."""
    parts: list[NDArray[np.void]] = []
    rows = len(texts[0])
    with console.progress("scoring", rows, "rows") as counter:

        def keep(classified: ClassifiedWindow) -> None:
            assert len(classified.scorable) == classified.window.table.num_rows, "examples have texts; this is a bug"
            parts.append(classified.scores)
            counter.update(len(classified.scores))

        def after_batch(_share: float) -> None:
            classified.check()
            check()

        encoded = Pipeline.of(_windows(texts, labels=len(scorer.labels))).then("encode", scorer.encode)
        classified = encoded.then("classify", partial(scorer.classify, after_batch=after_batch))
        classified.into("keep", keep)
    return np.concatenate(parts)


def _windows(texts: Sequence[Sequence[str]], *, labels: int) -> Iterator[Window]:
    names = ("text", "text_pair")[: len(texts)]
    rows = window_rows(WINDOW_ROWS, labels=labels)
    for number, start in enumerate(range(0, len(texts[0]), rows)):
        columns = (pa.array(column[start : start + rows], pa.large_string()) for column in texts)
        yield Window(number, pa.table(dict(zip(names, columns, strict=True))), names)
