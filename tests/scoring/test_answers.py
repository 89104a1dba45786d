"""The appended columns: their names, types, nulls and values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.labels import LabelSet
from scorer.config import FrameConfig
from scorer.errors import UsageError
from scorer.scoring.answers import (
    SCORED_NAMES,
    STATUS_NAMES,
    STATUS_TYPE,
    Answers,
    Status,
    count_statuses,
    is_scored,
    status_column,
)
from scorer.scoring.columns import AnswerColumns, refuse_clash
from scorer.scoring.windows import score_dtype

STARS = LabelSet.from_values([1, 2, 5])
NAMES = LabelSet.from_values(["bad", "fine", "good"])
LOGITS = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 3.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]], np.float32)
STATUS = np.array([Status.NULL, Status.OK, Status.OK, Status.OK, Status.EMPTY, Status.OK], np.int8)
SCORABLE = np.array([1, 2, 3, 5])


OUTCOMES = np.array([Outcome.SCORED, Outcome.SCORED, Outcome.NONFINITE, Outcome.SCORED], np.int8)


def answers_to(logits, decision: Decision, *, outcomes=OUTCOMES, status=STATUS, scorable=SCORABLE, **fields) -> Answers:
    """The answers to rows with `logits` (s, 3) that came out as `outcomes` (s,)."""
    scores = np.zeros(len(logits), score_dtype(3))
    for name, values in {"logits": logits, "outcome": outcomes, **fields}.items():
        scores[name] = values
    return Answers.of_scores(scores, status=status, scorable=scorable, decision=decision)


def answered(labels: LabelSet = STARS, *, temperature: float = 1.0, **options) -> pa.Table:
    table = pa.table({"text": list("abcdef"), "id": pa.array(range(6), pa.int16())})
    tokens, truncated = [7, 128, 3, 4], [False, True, False, False]
    answers = answers_to(LOGITS, Decision((temperature,)), tokens=tokens, truncated=truncated)
    columns = AnswerColumns.of(FrameConfig(**options), labels=labels)
    result = columns.append(table, answers)
    assert result.schema == columns.schema(table.schema)
    result.validate(full=True)
    assert result.select(["text", "id"]) == table
    return result.drop_columns(["text", "id"])


def softmax(row: np.ndarray, temperature: float = 1.0) -> list[float]:
    weights = np.exp(row.astype(np.float64) / temperature)
    return (weights / weights.sum()).tolist()


def test_without_options_there_are_three_columns():
    table = answered()
    assert table.schema.names == ["score", "confidence", "score_status"]
    assert table.schema.types == [pa.int64(), pa.float32(), STATUS_TYPE]
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
    assert AnswerColumns.of(FrameConfig(), labels=labels).fields[0].type == kind
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
    columns = AnswerColumns.of(FrameConfig(probabilities=True, top_k=2), labels=STARS)
    table = pa.table({"text": pa.array([], pa.string())})
    none = np.zeros(0, np.int64)
    result = columns.append(
        table, answers_to(np.zeros((0, 3)), Decision(), outcomes=none, status=none.astype(np.int8), scorable=none)
    )
    assert result.schema == columns.schema(table.schema)
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
    temperature, thresholds = (1.0, 2.0, 1.0), (0.6, 0.5, 0.6)
    columns = AnswerColumns.of(FrameConfig(probabilities=True), labels=SEVERAL)
    found = columns.append(table, answers_to(LOGITS, Decision(temperature, thresholds)))
    found.validate(full=True)
    assert found.schema == columns.schema(table.schema)
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
    answers = answers_to(
        np.full((1, 3), -5.0),
        Decision.uncalibrated(SEVERAL),
        outcomes=[Outcome.SCORED],
        status=np.zeros(1, np.int8),
        scorable=np.zeros(1, np.int64),
    )
    table = AnswerColumns.of(FrameConfig(), labels=SEVERAL).append(pa.table({"id": [1]}), answers)
    assert (table["score"].to_pylist(), table["confidence"].to_pylist()) == ([[]], [[]])


def test_several_labels_have_no_mean():
    with pytest.raises(UsageError, match="any number of labels"):
        AnswerColumns.of(FrameConfig(expected=True), labels=SEVERAL)


def test_unsure_rows_abstain_whether_truncated_or_not_and_others_stay_what_they_are():
    answers = answers_to(
        [[9, 0, 0], [1, 0, 0], [1, 0, 0], [9, 0, 0], [0, 0, 0]],
        Decision(abstain_below=0.7),
        outcomes=[Outcome.SCORED] * 4 + [Outcome.NONFINITE],
        truncated=[False, False, True, True, False],
        status=np.zeros(5, np.int8),
        scorable=np.arange(5),
    )
    assert answers.status.dtype == np.int8
    assert answers.status.tolist() == [
        Status.OK,
        Status.ABSTAIN,
        Status.ABSTAIN,
        Status.TRUNCATED,
        Status.NONFINITE,
    ]
    assert answers.abstained.tolist() == [False, True, True, False, False]
    table = AnswerColumns.of(FrameConfig(), labels=NAMES).append(pa.table({"id": range(5)}), answers)
    assert table["score"].to_pylist() == ["bad"] * 4 + [None]
    assert table["confidence"].null_count == 1


def test_answers_stand_among_the_labels_of_two_models():
    """The probability of a label that only the other model has is 0, and so is every one of a row without a score."""
    answers = answers_to(LOGITS, Decision(), tokens=[7, 128, 3, 4])
    placed = answers.among(["good", "new", "bad", "fine"], own=["bad", "fine", "good"])
    for row in np.flatnonzero(answers.scored):
        assert placed.probability[row, [2, 3, 0]].tolist() == answers.probability[row].tolist()
        assert (placed.label[row], placed.confidence[row]) == (
            [2, 3, 0][answers.label[row]],
            answers.confidence[row],
        )
    assert not placed.probability[:, 1].any()
    assert not placed.probability[~answers.scored].any()
    assert not placed.chosen[~answers.scored].any()
    some = placed.take(np.array([5, 1]))
    assert (some.label.tolist(), some.tokens.tolist(), len(some)) == ([2, 3], [4, 7], 2)


def test_the_status_column_and_its_counts():
    codes = np.array([0, 3, 0, 5, 1], np.int8)
    column = status_column(codes)
    assert column.type == STATUS_TYPE
    assert column.to_pylist() == ["ok", "empty", "ok", "oom", "truncated"]
    assert column.dictionary.to_pylist() == list(STATUS_NAMES)
    assert count_statuses(codes) == {"ok": 2, "truncated": 1, "empty": 1, "oom": 1}
    assert is_scored(codes).tolist() == [True, False, True, False, True]
    assert is_scored(np.array([Status.ABSTAIN], np.int8)).tolist() == [True]
    assert {"ok", "truncated", "abstain"} == set(SCORED_NAMES)
    assert [Status(code).name.lower() for code in range(6)] == ["ok", "truncated", "null", "empty", "nonfinite", "oom"]
    assert count_statuses(np.zeros(0, np.int8)) == {}
