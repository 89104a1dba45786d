"""The files that an evaluation writes: the ranked rows and the page.

Owns the columns of the ranked rows and the atomic appearance of both. Does not know how figures were computed, nor what
is on the page.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from scorer.config import WINDOW_ROWS
from scorer.evaluation.findings import Findings
from scorer.examples.reading import Examples
from scorer.records.lineage import Lineage
from scorer.tables.formats.registry import format_of
from scorer.tables.lineage import lineage_metadata
from scorer.tables.table_file import table_file


def ranked_rows(findings: Findings, examples: Examples) -> pa.Table:
    """Every row of `findings`, suspects and then hardest first.

    row            int64, the row's number in its file, from 1
    text           string; of a pair also `text_pair`
    label, score   the given and the predicted label, in the labels' own type (a list of several)
    confidence     float32, of the prediction
    loss           float32, in nats
    suspect_rank   int64, from 1; null where nothing speaks against the label
    suspect_score  float32 from 0 to 1, how much the model is against the label
    suggested      what the label might be instead; null where `suspect_rank` is

    `examples` are those that were read, of which some may have had no score.
    """
    order, judged, errors = findings.order(), findings.judged, findings.errors
    places = np.searchsorted(examples.numbers(), findings.numbers[order]).tolist()
    kind = pa.list_(findings.labels.arrow_type) if findings.labels.multi else findings.labels.arrow_type
    rank = np.arange(1, len(order) + 1)
    unsuspected = ~errors.suspect[order]
    suggested = [
        None if missing else value
        for value, missing in zip(findings.labels_of(errors.suggested[order]), unsuspected, strict=True)
    ]
    texts = {
        name: pa.array([column[place] for place in places], pa.string())
        for name, column in zip(("text", "text_pair"), examples.texts, strict=False)
    }
    return pa.table(
        {
            "row": pa.array(findings.numbers[order]),
            **texts,
            "label": pa.array(findings.labels_of(judged.targets[order]), kind),
            "score": pa.array(findings.labels_of(judged.predicted[order]), kind),
            "confidence": pa.array(judged.confidence[order], pa.float32()),
            "loss": pa.array(judged.loss[order], pa.float32()),
            "suspect_rank": pa.array(rank, pa.int64(), mask=unsuspected),
            "suspect_score": pa.array(errors.score[order], pa.float32()),
            "suggested": pa.array(suggested, kind),
        }
    )


def write_rows(target: Path, table: pa.Table, *, lineage: Lineage) -> None:
    """Write `table` as `target`, in the format of its ending; the file appears whole or not at all."""
    format = format_of(target)
    assert format is not None, "preparation refuses other endings; this is a bug"
    with table_file(target, format=format, schema=table.schema, metadata=lineage_metadata(lineage)) as sink:
        for start in range(0, table.num_rows, WINDOW_ROWS):
            sink.write(table.slice(start, WINDOW_ROWS))
