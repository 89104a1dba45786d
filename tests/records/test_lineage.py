"""A lineage names its command; those of the first version, which marked it or not, are still read."""

from __future__ import annotations

import pytest

from scorer.errors import DataError
from scorer.records.lineage import Lineage

# As the first version wrote them.
SCORED = {
    "lineage_version": 1,
    "model": {
        "fingerprint": "m",
        "decision": {"abstain_below": None, "exponent": 1.0, "temperature": [1.5], "thresholds": None},
        "labels": ["1", "5"],
    },
    "input": {"fingerprint": "i"},
    "options": {
        "text_columns": ["text"],
        "max_length": 64,
        "long_text": {"strategy": "truncate", "stride": 0, "pooling": "mean"},
        "precision": "fp32",
        "backend": "packed",
        "device": "cpu",
        "limit": None,
        "prefix": "my_",
        "probabilities": False,
        "expected": False,
        "top_k": None,
        "token_count": False,
    },
    "versions": {"scorer": "0.1.0"},
    "counts": {"rows": 2, "statuses": {"ok": 2}},
    "drift": {
        "rows": 2,
        "psi": {"length": 0.5},
        "chance": {"length": 1.0},
        "truncated_share": 0.0,
        "truncated_share_change": 0.0,
    },
}
EVALUATED = {
    "evaluation": True,
    "model": {"fingerprint": "m"},
    "input": {"fingerprint": "i"},
    "folds": 3,
    "versions": {"scorer": "0.1.0"},
}
COMPARED = {
    "diff": True,
    "old": {"fingerprint": "a"},
    "new": {"fingerprint": "b"},
    "input": {"fingerprint": "i"},
    "versions": {"scorer": "0.1.0"},
}


@pytest.mark.parametrize(("document", "kind"), [(SCORED, "score"), (EVALUATED, "evaluate"), (COMPARED, "diff")])
def test_the_first_version_is_read(document, kind):
    lineage = Lineage.of_document(document, where="here")
    assert (lineage.kind, lineage.input) == (kind, "i")
    assert Lineage.of_document(lineage.as_document(), where="here") == lineage


def test_the_first_version_keeps_what_it_says():
    lineage = Lineage.of_document(SCORED, where="here")
    assert lineage.job.prefix == "my_"
    assert lineage.job.options["text_column"] == ["text"]
    assert lineage.job.models["model"].long_text == {"strategy": "truncate", "stride": 0, "pooling": "mean"}
    assert lineage.counts is not None
    assert (lineage.counts.rows, lineage.counts.statuses) == (2, {"ok": 2})
    assert lineage.drift is not None
    assert lineage.drift.unknown_share is None
    assert Lineage.of_document(EVALUATED, where="here").job.options == {"folds": 3}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "list, not an object"),
        ({}, "not a lineage that scorer wrote"),
        ({"counts": {"rows": 1, "statuses": {}}}, "not a lineage that scorer wrote"),
        ({"diff": 1}, "not a lineage that scorer wrote"),
        ({"kind": "score"}, "not a lineage that scorer wrote"),
        ({"lineage_version": 3, "kind": "score"}, "lineage of version 3; this scorer reads up to 2"),
        ({"lineage_version": "2", "kind": "score"}, "lineage of version '2'"),
        ({"lineage_version": 2, "kind": "adapt"}, "of no kind"),
        ({"lineage_version": 2, "kind": []}, "of no kind"),
        ({"lineage_version": 1}, "model: an object is expected"),
        (SCORED | {"input": "i"}, "input: an object with a fingerprint"),
        (SCORED | {"input": {"fingerprint": 1}}, "input: a whole number, where a text is expected"),
        (SCORED | {"more": 1}, "unknown key 'more'"),
        (SCORED | {"options": []}, "options: a list, where an object is expected"),
        (SCORED | {"counts": {"rows": "2", "statuses": {}}}, "counts: rows: a text"),
        (SCORED | {"model": {}}, "models: missing key 'fingerprint'"),
        (COMPARED | {"old": None}, "old: an object is expected"),
        (EVALUATED | {"diff": True}, "of two kinds at once"),
    ],
)
def test_what_scorer_did_not_write_is_a_data_error(document, message):
    with pytest.raises(DataError, match=r"^here: ") as raised:
        Lineage.of_document(document, where="here")
    assert message in str(raised.value)


def test_a_document_is_left_as_it_is():
    before = repr(SCORED)
    Lineage.of_document(SCORED, where="here")
    assert repr(SCORED) == before
