"""The score job on real files: nothing lost, nothing changed, nothing half written, nothing done twice."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.errors import Busy, ConfigError, DataError, InputMissing, ModelError, OutputRefused, UsageError
from scorer.scoring.preparation import CheckedJob
from scorer.stores.workspace import Workspace
from tests.scoring.files import read, write
from tests.scoring.oracle import Oracle, assert_answers, mixed_texts

ROWS = 50
ADDED = ["score", "confidence", "score_status"]


@pytest.fixture(scope="module")
def model(tiny_model) -> Path:
    return tiny_model("bert")


@pytest.fixture(scope="module")
def oracle(model) -> Oracle:
    return Oracle(model)


@pytest.fixture(scope="module")
def texts() -> list[str | None]:
    return mixed_texts(ROWS, seed=5)


@pytest.fixture(scope="module")
def expected(oracle, texts):
    return oracle.rows(texts)


@pytest.fixture
def source(tmp_path, texts) -> Path:
    return write(tmp_path / "in.parquet", pa.table({"id": range(ROWS), "text": pa.array(texts, pa.string())}))


@pytest.fixture
def score(model):
    def score(source, target, **options):
        return scorer.score(source, target, **{"model": str(model), "precision": "fp32", "window_rows": 16} | options)

    return score


def left_behind(folder: Path, *expected: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)


def as_field(value) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl", "arrow"])
@pytest.mark.parametrize("into", ["parquet", "csv", "tsv", "jsonl", "arrow"])
def test_every_format_into_every_format(tmp_path, score, texts, expected, kind, into):
    table = pa.table({"id": [f"{n:04d}" for n in range(ROWS)], "Text": pa.array(texts, pa.string()), "n": range(ROWS)})
    source = write(tmp_path / f"in.{kind}", table)
    before = read(source)
    target = tmp_path / f"out.{into}"
    summary = score(source, target)

    assert (summary.rows, summary.output, summary.finished_before) == (ROWS, str(target), False)
    found = read(target)
    assert list(found[0]) == ["id", "Text", "n", *ADDED]
    as_text = {"csv", "tsv"} & {kind, into}
    for row, old in zip(found, before, strict=True):
        for name in ("id", "Text", "n"):
            assert (as_field(row[name]) == as_field(old[name])) if as_text else (row[name] == old[name])
    if into in ("csv", "tsv"):
        for row in found:
            row |= {
                "score": row["score"] or None,
                "confidence": float(row["confidence"]) if row["confidence"] else None,
            }
    assert_answers(found, expected)
    left_behind(tmp_path, f"in.{kind}", f"out.{into}")


def test_every_kind_of_column_comes_out_as_it_went_in(tmp_path, score, oracle):
    n = 7
    zone = pa.timestamp("us", tz="Europe/Berlin")
    now = datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.UTC)
    columns = {
        "id": pa.array([f"{i:03d}" for i in range(n)]),
        "when": pa.array([now, None] + [now] * (n - 2), zone),
        "price": pa.array([decimal.Decimal("12.30"), None] * 3 + [decimal.Decimal("0.01")], pa.decimal128(12, 2)),
        "wide": pa.array([decimal.Decimal(10) ** 50] * n, pa.decimal256(60, 2)),
        "shop": pa.array(["a", "b", None, "a", "a", "b", "c"]).dictionary_encode(),
        "count": pa.array([None, 2**62, -1, 0, 1, 2, 3], pa.int64()),
        "small": pa.array(range(n), pa.uint8()),
        "tags": pa.array([["x", None], [], None, ["y"], ["z"] * 3, [], []], pa.list_(pa.string())),
        "nested": pa.array([{"a": 1, "b": [{"c": None}]}] * (n - 1) + [None]),
        "flag": pa.array([True, None, False, True, True, False, None]),
        "bytes": pa.array([b"\x00\xff", None, b""] + [b"x"] * (n - 3), pa.binary()),
        "half": pa.array([1.5, float("nan"), None, float("inf"), -0.0, 2.0, 3.0], pa.float32()),
        "day": pa.array([datetime.date(1969, 12, 31)] * n, pa.date32()),
        "nothing": pa.nulls(n),
        "review": pa.array(["good room", None, "", "bad soup", "x", "good room", "😀"], pa.string()),
        "map": pa.array([[("k", 1)], None, []] + [[("a", None)]] * (n - 3), pa.map_(pa.string(), pa.int32())),
        "duration": pa.array([datetime.timedelta(seconds=i) for i in range(n)], pa.duration("ms")),
        "view": pa.array(["v" * 20] * n, pa.string_view()),
        'weird name, "quoted"\n': pa.array(range(n), pa.int16()),
        "": pa.array(range(n), pa.int8()),
        "first": pa.array(range(n), pa.int8()),
        "key": pa.array(range(n), pa.int8()),
        "__index_level_0__": pa.array(range(n), pa.int64()),
    }
    fields = [
        pa.field(name, column.type, metadata={"unit": "é"} if name == "count" else None)
        for name, column in columns.items()
    ]
    fields[0] = fields[0].with_nullable(False)
    table = pa.table(list(columns.values()), pa.schema(fields, metadata={"owner": "me", "pandas": "{}"}))
    pq.write_table(table, tmp_path / "in.parquet")
    before = pq.read_table(tmp_path / "in.parquet")

    score(tmp_path / "in.parquet", tmp_path / "out.parquet", text_column=("review",), window_rows=3)
    after = pq.read_table(tmp_path / "out.parquet")
    kept = after.select(range(before.num_columns))
    assert kept.schema.equals(before.schema.with_metadata(kept.schema.metadata), check_metadata=True)
    assert {k: v for k, v in after.schema.metadata.items() if k in before.schema.metadata} == before.schema.metadata
    for name in before.column_names:
        assert repr(kept[name].to_pylist()) == repr(before[name].to_pylist()), name
    assert_answers(after.select(ADDED).to_pylist(), oracle.rows(before["review"].to_pylist()))


def test_the_summary_and_the_lineage_count_every_row(tmp_path, source, score, expected):
    target = tmp_path / "out.parquet"
    summary = score(source, target)
    statuses = [row["status"] for row in expected]
    counted = {name: statuses.count(name) for name in sorted(set(statuses))}
    assert summary.statuses == counted
    lineage = json.loads(pq.read_metadata(target).metadata[b"scorer"])
    assert lineage["counts"] == {"rows": ROWS, "statuses": counted}
    assert lineage["options"]["text_column"] == ["text"]
    assert summary.engine["precision"] == lineage["options"]["precision"] == "fp32"


def test_the_same_job_again_leaves_the_file_alone(tmp_path, source, score):
    target = tmp_path / "out.parquet"
    score(source, target)
    before = target.stat()
    assert score(source, target).finished_before
    assert score(source, target, force=True).finished_before
    after = target.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    left_behind(tmp_path, "in.parquet", "out.parquet")


def test_the_same_job_again_tells_what_it_wrote_and_is_held_to_its_limits(tmp_path, source, score):
    target = tmp_path / "out.parquet"
    first = score(source, target)
    again = score(source, target)
    assert (again.rows, again.statuses) == (first.rows, first.statuses)
    assert (again.tokens, again.stream_seconds) == (0, 0.0)
    with pytest.raises(DataError, match=r"--max-flagged is 0; .*out\.parquet stands from an earlier run"):
        score(source, target, max_flagged="0")
    with pytest.raises(DataError, match="--min-rows asks for 1000"):
        score(source, target, min_rows=1000)
    assert target.exists()


def test_the_same_job_elsewhere_gives_the_same_bytes(tmp_path, source, score):
    for name in ("one", "two"):
        score(source, tmp_path / f"{name}.parquet", probabilities=True, top_k=2, expected=True, token_count=True)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


@pytest.mark.parametrize(
    "options", [{"prefix": "x_"}, {"limit": 3}, {"probabilities": True}, {"max_length": 16}, {"precision": "bf16"}]
)
def test_another_job_is_not_overwritten_unless_forced(tmp_path, source, score, options):
    target = tmp_path / "out.parquet"
    score(source, target)
    before = target.read_bytes()
    with pytest.raises(OutputRefused, match="another job wrote it; --force replaces it"):
        score(source, target, **options)
    assert target.read_bytes() == before
    left_behind(tmp_path, "in.parquet", "out.parquet")
    assert not score(source, target, force=True, **options).finished_before
    assert target.read_bytes() != before


def test_a_changed_input_is_another_job(tmp_path, source, score, texts):
    target = tmp_path / "out.parquet"
    score(source, target)
    write(source, pa.table({"id": range(1, ROWS + 1), "text": pa.array(texts, pa.string())}))
    with pytest.raises(OutputRefused):
        score(source, target)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.arrow"])
@pytest.mark.parametrize("content", [b"", b"somebody's notes", b"PAR1" * 9])
def test_a_strangers_file_is_refused_and_kept(tmp_path, source, score, name, content):
    target = tmp_path / name
    target.write_bytes(content)
    with pytest.raises(OutputRefused, match=rf"{name}: exists, and scorer cannot tell what wrote it"):
        score(source, target)
    assert target.read_bytes() == content
    left_behind(tmp_path, "in.parquet", name)
    score(source, target, force=True)
    assert len(read(target)) == ROWS


def test_a_parquet_file_without_lineage_is_a_strangers(tmp_path, source, score):
    target = write(tmp_path / "out.parquet", pa.table({"a": [1]}))
    with pytest.raises(OutputRefused, match="cannot tell what wrote it"):
        score(source, target)
    left_behind(tmp_path, "in.parquet", "out.parquet")


@pytest.mark.parametrize("limit", [1, 16, 17, ROWS, ROWS + 9])
def test_limit(tmp_path, source, score, expected, limit):
    summary = score(source, tmp_path / "out.parquet", limit=limit)
    assert summary.rows == min(limit, ROWS)
    assert_answers(read(tmp_path / "out.parquet"), expected[:limit])


def test_python_says_of_other_places_what_the_commands_say(score, source, tmp_path):
    with pytest.raises(InputMissing, match=r"^abfs://b/in.csv: inputs are local .* \(az storage blob download\)"):
        score("abfs://b/in.csv", tmp_path / "out.parquet")
    with pytest.raises(OutputRefused, match=r"^https://host/out.csv: outputs are local"):
        score(source, "https://host/out.csv")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(("name", "refused"), [("s3://bucket/cache", "outputs are local"), ("file", "a file")])
def test_a_cache_is_a_folder_of_this_machine(tmp_path, monkeypatch, source, score, name, refused):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(OutputRefused, match=refused):
        score(source, tmp_path / "out.parquet", cache=Path(name))
    left_behind(tmp_path, "file", "in.parquet")


def test_a_cache_serves_the_next_run(tmp_path, source, score, expected):
    cache = tmp_path / "deep" / "cache"
    first = score(source, tmp_path / "one.parquet", cache=cache)
    second = score(source, tmp_path / "two.parquet", cache=cache)
    scored = sum(row["label"] is not None for row in expected)
    assert 0 < first.reused_rows < scored, "only equal texts of one file"
    assert second.reused_rows == scored
    assert second.computed_tokens == 0
    assert second.tokens == first.tokens
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    third = score(source, tmp_path / "three.parquet", cache=cache, max_length=32)
    assert third.computed_tokens > 0, "another maximum length is another input"
    fourth = score(source, tmp_path / "four.parquet", cache=cache, probabilities=True, prefix="p_")
    assert fourth.computed_tokens == 0


def test_a_cache_that_is_damaged(tmp_path, source, score):
    from scorer.errors import StorageError

    score(source, tmp_path / "one.parquet", cache=tmp_path / "cache")
    (segment,) = (tmp_path / "cache").glob("*.segments/*-*")
    segment.write_bytes(b"damaged" * 1000)
    with pytest.raises(StorageError, match="remove it to start afresh"):
        score(source, tmp_path / "two.parquet", cache=tmp_path / "cache")
    assert not (tmp_path / "two.parquet").exists()


def test_a_cache_that_is_a_file(tmp_path, source, score):
    (tmp_path / "cache").write_text("")
    with pytest.raises((FileExistsError, OutputRefused)):
        score(source, tmp_path / "out.parquet", cache=tmp_path / "cache")
    assert not (tmp_path / "out.parquet").exists()


def test_without_reuse_every_row_is_computed(tmp_path, source, score, expected):
    summary = score(source, tmp_path / "out.parquet", reuse=False)
    assert summary.reused_rows == 0
    assert summary.computed_tokens == summary.tokens == sum(row["tokens"] or 0 for row in expected)
    assert_answers(read(tmp_path / "out.parquet"), expected)
    left_behind(tmp_path, "in.parquet", "out.parquet")


class _Standard:
    """Stands for sys.stdin and sys.stdout where a job wants their bytes."""

    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("output_format", [None, "csv", "jsonl", "arrow"])
def test_from_a_stream_into_a_stream(tmp_path, source, score, expected, monkeypatch, output_format):
    monkeypatch.setattr(sys, "stdin", _Standard(source.read_bytes()))
    out = _Standard()
    monkeypatch.setattr(sys, "stdout", out)
    summary = score("-", "-", output_format=output_format)
    assert summary.rows == ROWS
    path = tmp_path / f"got.{output_format or 'parquet'}"
    if output_format == "arrow":
        rows = pa.ipc.open_stream(out.buffer.getvalue()).read_all().to_pylist()
    else:
        path.write_bytes(out.buffer.getvalue())
        rows = read(path)
    assert [row["score_status"] for row in rows] == [row["status"] for row in expected]


def test_a_folder_and_a_glob_are_read_in_the_order_of_their_names(tmp_path, score, oracle):
    texts = [f"good room {n}" for n in range(9)]
    (tmp_path / "parts").mkdir()
    for name, part in (("b", texts[3:6]), ("a", texts[:3]), ("c", texts[6:])):
        write(tmp_path / "parts" / f"{name}.csv", pa.table({"text": part}))
    for source in ("parts", "parts/*.csv"):
        score(tmp_path / source, tmp_path / "out.parquet", force=True)
        found = read(tmp_path / "out.parquet")
        assert [row["text"] for row in found] == texts
        assert_answers(found, oracle.rows(texts))


@pytest.mark.parametrize("given", ["parts", "parts/*.parquet", "parts/**/*.parquet", "parts/in.parquet"])
@pytest.mark.parametrize("out", ["in.parquet", "out.parquet", "deeper/out.parquet"])
def test_an_output_that_would_be_input(tmp_path, source, score, given, out):
    (tmp_path / "parts" / "deeper").mkdir(parents=True)
    shutil.copy(source, tmp_path / "parts" / "in.parquet")
    before = source.read_bytes()
    everything = given in ("parts", "parts/**/*.parquet")
    becomes_input = out == "in.parquet" or everything or (given == "parts/*.parquet" and "/" not in out)
    if becomes_input:
        with pytest.raises(UsageError):
            score(tmp_path / given, tmp_path / "parts" / out, force=True)
        assert (tmp_path / "parts" / "in.parquet").read_bytes() == before
        left_behind(tmp_path / "parts", "in.parquet", "deeper")
    else:
        assert score(tmp_path / given, tmp_path / "parts" / out).rows == ROWS


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow"])
def test_no_rows(tmp_path, score, kind):
    source = tmp_path / f"in.{kind}"
    if kind == "csv":
        source.write_text("id,text\n")
    else:
        write(source, pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}))
    summary = score(source, tmp_path / "out.parquet", probabilities=True)
    assert summary.rows == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.num_rows == 0
    assert found.column_names == ["id", "text", *ADDED, "probabilities"]


@pytest.mark.parametrize(
    ("table", "options", "error", "match"),
    [
        ({"texts": ["a"]}, {"text_column": ("text",)}, UsageError, "no column 'text'; did you mean 'texts'"),
        ({"texts": ["a"], "n": [1]}, {}, UsageError, "which column holds the text"),
        ({"text": ["a"], "review": ["b"]}, {}, UsageError, "which column holds the text"),
        ({"text": [1]}, {}, ConfigError, "column 'text' is int64, not text"),
        ({"text": [["a"]]}, {}, ConfigError, "column 'text' is list<"),
        ({"text": ["a"], "score": [1]}, {}, UsageError, "a column 'score' already"),
        ({"text": ["a"], "p_score": [1]}, {"prefix": "p_"}, UsageError, "a column 'p_score' already"),
        ({"text": ["a"]}, {"text_column": ("a", "b", "c")}, UsageError, "3 columns; one, or two for a pair"),
        ({"text": ["a"]}, {"max_length": 129}, ConfigError, "has 128 positions"),
        ({"text": ["a"]}, {"model": "nowhere/at/all"}, ModelError, "no such model directory"),
        ({"text": ["a"]}, {"input_format": "csv"}, DataError, "in.parquet"),
    ],
)
def test_what_cannot_be_scored_leaves_nothing(tmp_path, score, table, options, error, match):
    source = write(tmp_path / "in.parquet", pa.table(table))
    with pytest.raises(error, match=match) as raised:
        score(source, tmp_path / "out.parquet", **options)
    assert "\n" not in str(raised.value)
    left_behind(tmp_path, "in.parquet")


def test_a_prefix_keeps_an_old_score_apart(tmp_path, score, oracle):
    source = write(tmp_path / "in.parquet", pa.table({"text": ["good room"], "score": [9]}))
    score(source, tmp_path / "out.parquet", prefix="new_")
    found = read(tmp_path / "out.parquet")
    assert found[0]["score"] == 9
    assert_answers(found, oracle.rows(["good room"]), prefix="new_")


def test_json_lines_may_show_a_clash_late(tmp_path, score):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "good room"}\n' * 60_000 + '{"text": "x", "score": 1}\n')
    assert source.stat().st_size > 1 << 20, "what is read of a file before its columns are known"
    with pytest.raises(UsageError, match="a column 'score' already"):
        score(source, tmp_path / "out.parquet")
    left_behind(tmp_path, "in.jsonl")


@pytest.mark.parametrize("output_format", ["parquet", "arrow"])
def test_only_text_is_compressed_as_a_whole(tmp_path, source, score, output_format):
    with pytest.raises(UsageError, match=f"no {output_format} is compressed as a whole; leave out .gz"):
        score(source, tmp_path / "out.gz", output_format=output_format)
    left_behind(tmp_path, "in.parquet")


@pytest.mark.parametrize(
    ("target", "error", "match"),
    [
        ("dangling", OutputRefused, "a symlink to nothing"),
        ("fifo", OutputRefused, "fifo"),
        ("absent/out.parquet", OutputRefused, "its folder does not exist"),
        ("in.parquet", UsageError, "is the input itself"),
        ("link-to-in.parquet", UsageError, "is the input itself"),
        ("out.ods", UsageError, "no format has this ending"),
        ("out.parquet.gz", UsageError, "no format has this ending"),
        (".csv", UsageError, "no format has this ending"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, source, score, target, error, match):
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "link-to-in.parquet").symlink_to("in.parquet")
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=match):
        score(source, tmp_path / target, force=True)
    assert sorted(tmp_path.iterdir()) == before


def test_inputs_that_are_not_there(tmp_path, score):
    for name, match in (("absent.csv", "no such file"), ("*.csv", "no file matches"), (".", "no data file")):
        with pytest.raises(InputMissing, match=match):
            score(tmp_path / name, tmp_path / "out.parquet")
    left_behind(tmp_path)


def test_a_record_that_is_malformed_late_publishes_nothing(tmp_path, score):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n" + "1,good room\n" * 100 + "1,good,room\n")
    with pytest.raises(DataError):
        score(source, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_an_output_that_another_run_is_writing(tmp_path, source, score):
    other = Workspace(tmp_path / "out.parquet")
    with pytest.raises(Busy, match=f"process {os.getpid()} is writing this output"):
        score(source, tmp_path / "out.parquet")
    other.release()
    assert score(source, tmp_path / "out.parquet").rows == ROWS


def test_a_target_through_a_link_to_a_folder_and_odd_names(tmp_path, source, score, model, expected):
    (tmp_path / "real folder").mkdir()
    (tmp_path / "link").symlink_to("real folder")
    odd = Path(shutil.copytree(model, tmp_path / "my model: größe"))
    moved = source.rename(tmp_path / "in put [1]*.parquet")
    score(moved, tmp_path / "link" / "out put.parquet", model=str(odd))
    assert_answers(read(tmp_path / "real folder" / "out put.parquet"), expected)
    left_behind(tmp_path / "real folder", "out put.parquet")


def test_a_row_of_ten_megabytes(tmp_path, score):
    huge = "good room " * 1_000_000
    source = write(tmp_path / "in.parquet", pa.table({"text": ["x", huge, "y"]}))
    score(source, tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["score_status"].to_pylist() == ["ok", "truncated", "ok"]
    assert found["text"][1].as_py() == huge


def fitted(model: Path, directory: Path, **changes) -> Path:
    """`model` as if `scorer fit` had written it."""
    shutil.copytree(model, directory)
    fields = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "max_length": 24}
    fields |= {"decision": Decision((2.0,))}
    ModelMetadata(**fields | {"labels": LabelSet.from_values([1, 2, 3, 4, 5])} | changes).write(directory)
    return directory


def test_a_fitted_model_brings_its_length_temperature_and_label_type(tmp_path, source, score, model, texts):
    directory = fitted(model, tmp_path / "fitted")
    score(source, tmp_path / "out.parquet", model=str(directory))
    expected = Oracle(model, max_length=24, temperature=2.0).rows(texts)
    assert "truncated" in {row["status"] for row in expected}
    assert_answers(read(tmp_path / "out.parquet"), expected)
    assert pq.read_schema(tmp_path / "out.parquet").field("score").type == pa.int64()


def test_another_calibration_of_a_model_computes_nothing_and_turns_no_label(tmp_path, source, score, model):
    """The map of the log-odds: its confidences, probabilities and likeliest labels are one, and logits are reused."""
    plain, cache = fitted(model, tmp_path / "plain"), tmp_path / "cache"
    score(source, tmp_path / "plain.parquet", model=str(plain), probabilities=True, top_k=2, cache=cache)
    bent = Decision((2.0,), odds_map=((-3.0, -5.0), (0.0, -1.0), (4.0, 4.5)))
    mapped = fitted(model, tmp_path / "mapped", decision=bent)
    summary = score(source, tmp_path / "mapped.parquet", model=str(mapped), probabilities=True, top_k=2, cache=cache)
    assert summary.computed_tokens == 0
    before, after = read(tmp_path / "plain.parquet"), read(tmp_path / "mapped.parquet")
    assert [row["score"] for row in after] == [row["score"] for row in before]
    assert [row["confidence"] for row in after] != [row["confidence"] for row in before]
    for row in after:
        if row["confidence"] is not None:
            shares = list(row["probabilities"].values())
            assert sum(shares) == pytest.approx(1.0, abs=1e-6)
            assert row["confidence"] == max(shares) == row["top_k"][0]["probability"]
            assert row["top_k"][0]["label"] == row["score"]


def test_a_fitted_model_of_pairs_finds_both_columns(tmp_path, score, model, oracle):
    directory = fitted(model, tmp_path / "pairs", text_columns=("title", "body"), max_length=128, decision=Decision())
    titles, bodies = ["good room", "bad soup", None, " "], ["bad soup", "good room", "x", ""]
    source = write(tmp_path / "in.parquet", pa.table({"body": bodies, "text": ["t"] * 4, "title": titles}))
    score(source, tmp_path / "out.parquet", model=str(directory))
    assert_answers(read(tmp_path / "out.parquet"), oracle.rows(titles, bodies))
    with pytest.raises(UsageError, match="'title' and 'body'"):
        score(
            write(tmp_path / "other.parquet", pa.table({"text": ["a"]})), tmp_path / "o.parquet", model=str(directory)
        )


def test_a_model_of_named_labels(tmp_path, score, tiny_model):
    names = ("sehr gut", "1", "größe", "d", "e")
    model = tiny_model("bert", labels=names)
    source = write(tmp_path / "in.parquet", pa.table({"text": ["good room", "bad soup"]}))
    score(source, tmp_path / "out.parquet", model=str(model), probabilities=True)
    assert_answers(read(tmp_path / "out.parquet"), Oracle(model).rows(["good room", "bad soup"]))
    assert [field.name for field in pq.read_schema(tmp_path / "out.parquet").field("probabilities").type] == list(names)
    with pytest.raises(UsageError, match="--expected"):
        score(source, tmp_path / "o.parquet", model=str(model), expected=True)
    left_behind(tmp_path, "in.parquet", "out.parquet")


@pytest.mark.parametrize("architecture", ["roberta", "deberta-v2", "modernbert", "albert"])
def test_other_architectures(tmp_path, score, tiny_model, texts, architecture):
    model = tiny_model(architecture)
    source = write(tmp_path / "in.parquet", pa.table({"text": pa.array(texts, pa.string())}))
    score(source, tmp_path / "out.parquet", model=str(model))
    assert_answers(read(tmp_path / "out.parquet"), Oracle(model).rows(texts))


def test_a_busy_output_is_told_before_the_rows_are_looked_at(tmp_path, score):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,good\n2\n")
    target = tmp_path / "out.parquet"
    holder = Workspace(target)
    try:
        with pytest.raises(Busy):
            score(source, target)
    finally:
        holder.release()
    with pytest.raises(DataError, match="record 2"):
        score(source, target)
    assert list(tmp_path.iterdir()) == [source]


def test_a_model_that_takes_the_place_of_another_meanwhile_is_not_used(tmp_path, source, tiny_model, monkeypatch):
    """models/latest is looked at once: a fit may finish while a long file is scanned."""
    first, second = tiny_model("bert"), tiny_model("roberta")
    latest = tmp_path / "latest"
    latest.symlink_to(first)
    read = CheckedJob.read

    def slowly(self):
        latest.unlink()
        latest.symlink_to(second)
        return read(self)

    expected = scorer.score(source, tmp_path / "first.parquet", model=str(first))
    monkeypatch.setattr(CheckedJob, "read", slowly)
    summary = scorer.score(source, tmp_path / "out.parquet", model=str(latest))
    assert summary.statuses == expected.statuses
    one, other = (pq.read_table(tmp_path / name) for name in ("first.parquet", "out.parquet"))
    assert one["confidence"].equals(other["confidence"])


def test_json_lines_keep_their_lines_and_tables_their_odd_values_as_json(tmp_path, score, capsys):
    odd = [
        '{"text": "good room", "o": {"b": 1, "a": 1e400}, "n": 18446744073709551615}',
        '{"o": {"c": [1, "x"]}, "text": "bad food"}',
        '{"text": null, "n": 5, "more": 0.1000}',
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(odd), encoding="utf-8")
    assert score(source, tmp_path / "out.jsonl").rows == 3
    assert "warning" not in capsys.readouterr().err
    for before, after in zip(odd, (tmp_path / "out.jsonl").read_text().splitlines(), strict=True):
        assert after.startswith(before.removesuffix("}") + ',"score":')
    for into in ("parquet", "csv"):
        score(source, tmp_path / f"out.{into}")
        assert capsys.readouterr().err.count("'o': no type holds every value exactly") == 1
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["o"].combine_chunks().storage.to_pylist() == ['{"b": 1, "a": 1e400}', '{"c": [1, "x"]}', None]
    assert table["n"].to_pylist() == [18446744073709551615, None, 5]
    score(tmp_path / "out.parquet", tmp_path / "again.jsonl", prefix="second_")
    again = [json.loads(line, parse_float=str) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert [row["o"] for row in again] == [{"b": 1, "a": "1e400"}, {"c": [1, "x"]}, None]


def test_partitions_come_through_and_what_is_not_read_is_told(tmp_path, score, capsys):
    for day in ("01", "02"):
        (tmp_path / "hive" / f"day={day}").mkdir(parents=True)
        write(tmp_path / "hive" / f"day={day}" / "x.csv", pa.table({"text": ["good room", "bad food"]}))
    (tmp_path / "hive" / "b.json").write_text("{}")
    summary = score(tmp_path / "hive", tmp_path / "out.parquet")
    assert summary.unread_files == {"count": 1, "first": ["b.json"]}
    assert capsys.readouterr().err.count("1 entry is not read") == 1
    assert [row["day"] for row in read(tmp_path / "out.parquet")] == ["01", "01", "02", "02"]
    score(tmp_path / "hive", tmp_path / "out.jsonl")
    assert [row["day"] for row in read(tmp_path / "out.jsonl")] == ["01", "01", "02", "02"]
