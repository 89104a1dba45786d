"""The appended columns: their names, types, nulls and values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.config import FrameConfig
from scorer.errors import UsageError
from scorer.scoring.answers import Answers, refuse_clash
from scorer.scoring.status import ARROW_TYPE, Status
from scorer.scoring.windows import record_dtype

STARS = LabelSet.from_values([1, 2, 5])
NAMES = LabelSet.from_values(["bad", "fine", "good"])
LOGITS = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 3.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]], np.float32)
STATUS = np.array([Status.NULL, Status.OK, Status.TRUNCATED, Status.NONFINITE, Status.EMPTY, Status.OK], np.int8)
SCORABLE = np.array([1, 2, 3, 5])


def of_records(answers: Answers, records: np.ndarray) -> dict[str, np.ndarray]:
    """What `append` is given of `records`."""
    return {"probability": answers.decision.probabilities(records["logits"]), "tokens": records["tokens"]}


def answered(labels: LabelSet = STARS, *, temperature: float = 1.0, **options) -> pa.Table:
    records = np.zeros(4, record_dtype(3))
    records["logits"] = LOGITS
    records["tokens"] = [7, 128, 3, 4]
    table = pa.table({"text": list("abcdef"), "id": pa.array(range(6), pa.int16())})
    answers = Answers.of(FrameConfig(**options), labels=labels, decision=Decision((temperature,)))
    result = answers.append(table, status=STATUS, scorable=SCORABLE, **of_records(answers, records))
    assert result.schema == answers.schema(table.schema)
    result.validate(full=True)
    assert result.select(["text", "id"]) == table
    return result.drop_columns(["text", "id"])


def softmax(row: np.ndarray, temperature: float = 1.0) -> list[float]:
    weights = np.exp(row.astype(np.float64) / temperature)
    return (weights / weights.sum()).tolist()


def test_without_options_there_are_three_columns():
    table = answered()
    assert table.schema.names == ["score", "confidence", "score_status"]
    assert table.schema.types == [pa.int64(), pa.float32(), ARROW_TYPE]
    assert table["score"].to_pylist() == [None, 2, 1, None, None, 1]
    assert table["score_status"].to_pylist() == ["null", "ok", "truncated", "nonfinite", "empty", "ok"]
    certain = [
        None if row is None else max(softmax(row)) for row in (None, LOGITS[0], LOGITS[1], None, None, LOGITS[3])
    ]
    assert table["confidence"].to_pylist() == pytest.approx(certain, abs=1e-6)


def test_the_temperature_changes_the_confidence_and_not_the_score():
    warm = answered(temperature=3.0)
    assert warm["score"] == answered()["score"]
    assert warm["confidence"][1].as_py() == pytest.approx(max(softmax(LOGITS[0], 3.0)), abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "kind", "values"),
    [
        (NAMES, pa.string(), [None, "fine", "bad", None, None, "bad"]),
        (LabelSet(("false", "true"), "bool"), pa.bool_(), None),
    ],
)
def test_the_score_has_the_type_of_the_labels(labels, kind, values):
    assert Answers.of(FrameConfig(), labels=labels, decision=Decision()).fields[0].type == kind
    if values:
        assert answered(labels)["score"].to_pylist() == values


def test_probabilities_are_a_struct_that_sums_to_one_and_is_null_without_a_score():
    table = answered(NAMES, probabilities=True)
    column = table["probabilities"]
    assert column.type == pa.struct([(name, pa.float32()) for name in NAMES.names])
    assert [row is None for row in column.to_pylist()] == [True, False, False, True, True, False]
    for row, logits in zip((1, 2, 5), (LOGITS[0], LOGITS[1], LOGITS[3]), strict=True):
        assert list(column[row].as_py().values()) == pytest.approx(softmax(logits), abs=1e-6)
        assert sum(column[row].as_py().values()) == pytest.approx(1.0, abs=1e-6)


def test_expected_is_the_mean_of_numeric_labels():
    column = answered(expected=True)["expected"]
    assert column.type == pa.float32()
    slow = [
        sum(p * v for p, v in zip(softmax(row), (1, 2, 5), strict=True)) for row in (LOGITS[0], LOGITS[1], LOGITS[3])
    ]
    assert column.to_pylist() == pytest.approx([None, slow[0], slow[1], None, None, slow[2]], abs=1e-5)
    with pytest.raises(UsageError, match="--expected: this model's labels are names"):
        answered(NAMES, expected=True)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_lists_the_likeliest_labels(k):
    column = answered(NAMES, top_k=k)["top_k"].to_pylist()
    assert [row is None for row in column] == [True, False, False, True, True, False]
    for row, logits in zip((1, 2, 5), (LOGITS[0], LOGITS[1], LOGITS[3]), strict=True):
        chances = softmax(logits)
        slow = sorted(range(3), key=lambda index: (-chances[index], index))[:k]
        assert [entry["label"] for entry in column[row]] == [NAMES.names[index] for index in slow]
        assert [entry["probability"] for entry in column[row]] == pytest.approx([chances[i] for i in slow], abs=1e-6)


def test_top_k_beyond_the_labels():
    with pytest.raises(UsageError, match="--top-k 4: this model has 3 labels"):
        answered(top_k=4)


def test_token_count_is_what_the_model_saw():
    table = answered(token_count=True)
    assert table["token_count"].type == pa.int32()
    assert table["token_count"].to_pylist() == [None, 7, 128, None, None, 4]


def test_the_prefix_stands_before_every_name():
    table = answered(prefix="p_", probabilities=True, expected=True, top_k=1, token_count=True)
    names = ["score", "confidence", "score_status", "probabilities", "expected", "top_k", "token_count"]
    assert table.schema.names == ["p_" + name for name in names]


def test_no_rows():
    answers = Answers.of(FrameConfig(probabilities=True, top_k=2), labels=STARS, decision=Decision())
    table = pa.table({"text": pa.array([], pa.string())})
    result = answers.append(
        table,
        status=np.zeros(0, np.int8),
        scorable=np.zeros(0, np.int64),
        **of_records(answers, np.zeros(0, record_dtype(3))),
    )
    assert result.schema == answers.schema(table.schema)
    assert result.num_rows == 0


@pytest.mark.parametrize(
    ("names", "options", "clash"),
    [
        (["text", "score"], {}, "score"),
        (["confidence"], {}, "confidence"),
        (["score_status"], {}, "score_status"),
        (["score"], {"prefix": "new_"}, None),
        (["new_score"], {"prefix": "new_"}, "new_score"),
        (["probabilities", "expected", "top_k", "token_count"], {}, None),
        (["top_k"], {"top_k": 1}, "top_k"),
        (["expected"], {"expected": True}, "expected"),
        (["token_count"], {"token_count": True}, "token_count"),
        (["Score", "SCORE"], {}, None),
    ],
)
def test_a_column_that_exists_already(names, options, clash):
    if clash is None:
        refuse_clash(names, FrameConfig(**options))
    else:
        with pytest.raises(UsageError, match=f"a column '{clash}' already; --prefix"):
            refuse_clash(names, FrameConfig(**options))


SEVERAL = LabelSet.from_values(["bad", "fine", "good"], multi=True)


def test_several_labels_are_lists_of_those_above_their_thresholds():
    table = pa.table({"id": pa.array(range(6), pa.int16())})
    records = np.zeros(4, record_dtype(3))
    records["logits"] = LOGITS
    temperature, thresholds = (1.0, 2.0, 1.0), (0.6, 0.5, 0.6)
    answers = Answers.of(FrameConfig(probabilities=True), labels=SEVERAL, decision=Decision(temperature, thresholds))
    found = answers.append(table, status=STATUS, scorable=SCORABLE, **of_records(answers, records))
    found.validate(full=True)
    assert found.schema == answers.schema(table.schema)
    assert (found.schema.field("score").type, found.schema.field("confidence").type) == (
        pa.list_(pa.string()),
        pa.list_(pa.float32()),
    )
    chances = 1 / (1 + np.exp(-LOGITS / temperature))
    for row, logits_row in ((1, 0), (2, 1), (5, 3)):
        given = [label for label in range(3) if chances[logits_row, label] >= thresholds[label]]
        assert found["score"][row].as_py() == [SEVERAL.names[label] for label in given]
        assert found["confidence"][row].as_py() == pytest.approx(chances[logits_row, given], abs=1e-6)
        assert list(found["probabilities"][row].as_py().values()) == pytest.approx(chances[logits_row], abs=1e-6)
    assert [found["score"][row].as_py() for row in (0, 3, 4)] == [None] * 3
    assert [found["confidence"][row].as_py() for row in (0, 3, 4)] == [None] * 3


def test_a_row_may_have_no_label_at_all():
    records = np.zeros(1, record_dtype(3))
    records["logits"] = -5.0
    answers = Answers.of(FrameConfig(), labels=SEVERAL, decision=Decision.uncalibrated(SEVERAL))
    table = answers.append(
        pa.table({"id": [1]}),
        status=np.zeros(1, np.int8),
        scorable=np.zeros(1, np.int64),
        **of_records(answers, records),
    )
    assert (table["score"].to_pylist(), table["confidence"].to_pylist()) == ([[]], [[]])


def test_several_labels_have_no_mean():
    with pytest.raises(UsageError, match="any number of labels"):
        Answers.of(FrameConfig(expected=True), labels=SEVERAL, decision=Decision.uncalibrated(SEVERAL))


def test_unsure_rows_abstain_whether_truncated_or_not_and_others_stay_what_they_are():
    records = np.zeros(5, record_dtype(3))
    records["logits"] = [[9, 0, 0], [1, 0, 0], [1, 0, 0], [9, 0, 0], [0, 0, 0]]
    before = np.array([Status.OK, Status.OK, Status.TRUNCATED, Status.TRUNCATED, Status.NONFINITE], np.int8)
    answers = Answers.of(FrameConfig(), labels=NAMES, decision=Decision(abstain_below=0.7))
    after = answers.judge(before, of_records(answers, records)["probability"])
    assert after.dtype == np.int8
    assert after.tolist() == [Status.OK, Status.ABSTAIN, Status.ABSTAIN, Status.TRUNCATED, Status.NONFINITE]
    table = answers.append(
        pa.table({"id": range(5)}), status=after, scorable=np.arange(5), **of_records(answers, records)
    )
    assert table["score"].to_pylist() == ["bad"] * 4 + [None]
    assert table["confidence"].null_count == 1
