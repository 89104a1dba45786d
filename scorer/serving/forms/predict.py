"""Our own form: what `scorer predict` prints of a text, without the text.

{"text": "..."}                    ->  {"score": 4, "confidence": 0.9, "score_status": "ok"}
{"texts": ["...", "..."]}          ->  {"predictions": [{...}, {...}]}
{"text": "...", "pair": "..."}     a pair of texts; "texts" and "pairs" for several
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scorer.serving.asked import COLUMN_KEYS, Asked, TextLimits, read_columns, read_text, read_texts, refuse_unknown
from scorer.serving.forms.form import Answered
from scorer.serving.refusals import Refused, wrong

KEYS = ("text", "texts", "pair", "pairs", "model", *COLUMN_KEYS)


class PredictForm:
    """See above."""

    from_rows = True

    def read(self, document: Mapping[str, Any], limits: TextLimits) -> Asked:
        refuse_unknown(document, KEYS)
        if ("text" in document) == ("texts" in document):
            raise wrong("give either text, a string, or texts, a list of strings")
        single = "text" in document
        second = "pair" if single else "pairs"
        if (other := "pairs" if single else "pair") in document:
            raise wrong(f"{other}: beside {'text' if single else 'texts'} it is {second}")
        return Asked(
            texts=_read(document, "text" if single else "texts", limits),
            seconds=_read(document, second, limits) if second in document else None,
            single=single,
            columns=read_columns(document),
        )

    def write(self, document: Mapping[str, Any], answered: Answered) -> dict[str, Any]:  # noqa: ARG002  asked says it
        rows = answered.rows
        assert rows is not None, "answers without rows; this is a bug"
        return rows[0] if answered.asked.single else {"predictions": rows}

    def refusal(self, refused: Refused) -> dict[str, Any]:
        return {"error": refused.reason}


def _read(document: Mapping[str, Any], key: str, limits: TextLimits) -> list[str | None]:
    value = document[key]
    return read_texts(value, key, limits) if key.endswith("s") else [read_text(value, key, limits)]
