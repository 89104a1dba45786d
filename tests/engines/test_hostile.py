"""Hostile and degenerate tables through the whole job: every type passes, odd texts are told, no text is repeated."""

from __future__ import annotations

import datetime
import decimal
import json
import logging
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.config import ScoreConfig
from scorer.engines.score_job import score as score_job
from scorer.errors import ScorerError
from scorer.runs.console import Console
from scorer.runs.score_segments import MAGIC
from tests.scoring.files import read, write
from tests.scoring.oracle import Oracle, assert_answers

DAY = datetime.date(1969, 12, 31)
NOON = datetime.datetime(2024, 5, 1, 12, 30, 0, 5000)
LONG = decimal.Decimal(10) ** 50

# Three values of each type, one of them missing.
EVERY_TYPE: dict[str, tuple[pa.DataType, list[Any]]] = {
    "null": (pa.null(), [None] * 3),
    "bool": (pa.bool_(), [True, None, False]),
    **{f"int{n}": (getattr(pa, f"int{n}")(), [-(2 ** (n - 1)), None, 2 ** (n - 1) - 1]) for n in (8, 16, 32, 64)},
    **{f"uint{n}": (getattr(pa, f"uint{n}")(), [0, None, 2**n - 1]) for n in (8, 16, 32, 64)},
    "float16": (pa.float16(), [0.5, None, float("-inf")]),
    "float32": (pa.float32(), [0.1, None, float("nan")]),
    "float64": (pa.float64(), [5e-324, None, -0.0]),
    "decimal32": (pa.decimal32(9, 2), [decimal.Decimal("1.50"), None, decimal.Decimal("-0.01")]),
    "decimal64": (pa.decimal64(18, 2), [decimal.Decimal("1.50"), None, decimal.Decimal("-0.01")]),
    "decimal128": (pa.decimal128(38, 4), [decimal.Decimal("1.5000"), None, decimal.Decimal("-0.0001")]),
    "decimal256": (pa.decimal256(60, 2), [LONG, None, -LONG]),
    "date32": (pa.date32(), [DAY, None, DAY]),
    "date64": (pa.date64(), [DAY, None, DAY]),
    "time32": (pa.time32("ms"), [NOON.time(), None, NOON.time()]),
    "time64": (pa.time64("ns"), [1, None, 86_399_999_999_999]),
    "timestamp_s": (pa.timestamp("s"), [-1, None, 2**40]),
    "timestamp_ns": (pa.timestamp("ns"), [-(2**62), None, 2**62]),
    "timestamp_zone": (pa.timestamp("us", "Asia/Kathmandu"), [NOON, None, NOON]),
    "timestamp_offset": (pa.timestamp("ms", "+05:30"), [1, None, 2]),
    "duration": (pa.duration("ns"), [1, None, -1]),
    "binary": (pa.binary(), [b"\x00\xff", None, b""]),
    "large_binary": (pa.large_binary(), [b"\x00\xff", None, b""]),
    "binary_view": (pa.binary_view(), [b"short", None, b"long enough to live elsewhere"]),
    "fixed_binary": (pa.binary(3), [b"abc", None, b"\x00\x00\x00"]),
    "string": (pa.string(), ["a\x00b", None, ""]),
    "large_string": (pa.large_string(), ["\u4e2d", None, ""]),
    "string_view": (pa.string_view(), ["short", None, "long enough to live elsewhere"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["x", None, "y"]),
    "small_dictionary": (pa.dictionary(pa.int8(), pa.large_string()), ["x", None, "y"]),
    "list": (pa.list_(pa.int16()), [[1, None], None, []]),
    "large_list": (pa.large_list(pa.string()), [["a", None], None, []]),
    "fixed_list": (pa.list_(pa.float32(), 2), [[0.5, None], None, [2.0, 3.0]]),
    "struct": (pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]), [{"a": 1, "b": ["x"]}, None, {"a": None}]),
    "map": (pa.map_(pa.string(), pa.int32()), [[("k", 1), ("k", None)], None, []]),
    "uuid": (pa.uuid(), [uuid.UUID(int=5).bytes, None, uuid.UUID(int=6).bytes]),
    "json": (pa.json_(), ['{"a": 1}', None, "[]"]),
    "nested": (
        pa.list_(pa.struct([("k", pa.map_(pa.string(), pa.list_(pa.decimal128(9, 2))))])),
        [[{"k": [("a", [decimal.Decimal("1.50"), None])]}, None], None, [{"k": None}, {"k": []}]],
    ),
    "list_of_dictionary": (pa.list_(pa.dictionary(pa.int32(), pa.string())), [["x"], None, ["y", "x"]]),
}
# Parquet has no word for these.
ARROW_ONLY: dict[str, tuple[pa.DataType, list[Any]]] = {
    "interval": (pa.month_day_nano_interval(), [(1, -2, 3), None, (0, 0, 0)]),
    "list_view": (pa.list_view(pa.int8()), [[1, None], None, []]),
}


@pytest.fixture(scope="module")
def model(tiny_model) -> Path:
    return tiny_model("bert")


def table_of(types: dict[str, tuple[pa.DataType, list[Any]]]) -> pa.Table:
    """A column of each type, every second with metadata, and three whose nullability and parts say more."""
    arrays, fields = [], []
    for index, (name, (kind, values)) in enumerate(types.items()):
        extension = isinstance(kind, pa.BaseExtensionType)
        arrays.append(pa.array(values, kind.storage_type if extension else kind))
        arrays[-1] = kind.wrap_array(arrays[-1]) if extension else arrays[-1]
        fields.append(pa.field(name, kind, metadata={"unit": "\u00e9", str(index): ""} if index % 2 else None))
    part = pa.field("part", pa.int8(), nullable=False, metadata={"deep": "yes"})
    arrays += [pa.array([1, 2, 3]), pa.array([{"part": 1}] * 3, pa.struct([part])), pa.array(["good room", None, ""])]
    fields.append(pa.field("required", pa.int64(), nullable=False, metadata={"k": "v"}))
    fields.append(pa.field("parts", pa.struct([part]), nullable=False))
    fields.append(pa.field("text", pa.string(), metadata={"language": "en"}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"owner": "us", "\u00e9": "\u00e9"}))


def read_table(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


@pytest.mark.parametrize(
    ("kind", "types"), [("parquet", EVERY_TYPE), ("arrow", EVERY_TYPE | ARROW_ONLY)], ids=["parquet", "arrow"]
)
@pytest.mark.parametrize("window_rows", [1, 2, 65_536])
def test_48_every_type_metadata_and_nullability_pass_unchanged(tmp_path, model, kind, types, window_rows):
    assert len(types) >= 25
    source = write(tmp_path / f"in.{kind}", pa.concat_tables([table_of(types)] * 2))
    before = read_table(source)
    options = {"model": str(model), "text_column": ("text",), "window_rows": window_rows, "precision": "fp32"}
    scorer.score(source, tmp_path / f"out.{kind}", **options)
    after = read_table(tmp_path / f"out.{kind}")
    kept = after.select(range(before.num_columns))
    for found, expected in zip(kept.schema, before.schema, strict=True):
        assert found.equals(expected, check_metadata=True), f"{found} {found.metadata}, {expected} {expected.metadata}"
    assert {key: after.schema.metadata[key] for key in before.schema.metadata} == before.schema.metadata
    for name in before.column_names:
        # What is not a number equals nothing; its repr does.
        same = kept[name].equals(before[name])
        assert same or repr(kept[name].to_pylist()) == repr(before[name].to_pylist()), name
    assert_answers(
        after.select(["score", "confidence", "score_status"]).to_pylist(),
        Oracle(model).rows(before["text"].to_pylist()),
    )


def test_31_to_34_texts_without_words_of_any_script_and_too_long(tmp_path, model):
    texts = [
        None,
        "",
        " \t\r\n\u3000\u2028",
        "\u200b\u200d\u2060\ufeff\u00ad",
        "\u202e\u05e9\u05dc\u05d5\u05dd\u202c",
        "\U0001f469\u200d\U0001f467",
        "e\u0301 " + "a" + "\u0301" * 5_000,
        "\x00",
        "\x01\x02",
        "\U0010ffff\ufffe",
        "good " * 5_000,
        "good room",
    ]
    source = write(tmp_path / "in.parquet", pa.table({"text": pa.array(texts)}))
    scorer.score(source, tmp_path / "out.parquet", model=str(model), precision="fp32")
    found = read(tmp_path / "out.parquet")
    assert [row["text"] for row in found] == texts
    assert [row["score_status"] for row in found[:4]] == ["null", "empty", "empty", "empty"]
    assert found[10]["score_status"] == "truncated"
    assert_answers(found, Oracle(model).rows(texts))


@pytest.mark.stopwatch
@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta", "deberta-v2"])
@pytest.mark.parametrize("text", ["good room ", "good", "\u0301", "\U0001f600", " "], ids=ascii)
def test_27_a_text_of_ten_megabytes_takes_no_time(tmp_path, tiny_model, architecture, text):
    huge = text * (10_000_000 // len(text.encode()))
    source = write(tmp_path / "in.parquet", pa.table({"text": ["x", huge, "y"]}))
    model = scorer.load(tiny_model(architecture))
    begun = time.monotonic()
    found = model.score_frame(pq.read_table(source))["score_status"].to_pylist()
    assert time.monotonic() - begun < 3.0
    assert found == ["ok", "empty" if text == " " else "truncated", "ok"]


CANARY = "xCANARYx"


def everything_but(folder: Path, *outputs: str) -> bytes:
    """The bytes of all files under `folder`, but for those called `outputs`, with their names."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in outputs]
    return b"\n".join(path.name.encode() + b"\n" + path.read_bytes() for path in files)


def canaries(count: int) -> pa.Table:
    texts = [f"good room {CANARY} {number}" for number in range(count)]
    return pa.table({"id": [f"{CANARY}{number}" for number in range(count)], "text": texts})


def run(source: Path, target: Path, model: Path, **options: Any) -> str:
    """A job that says all it can; its summary, or its error."""
    config = ScoreConfig(source=str(source), target=str(target), model=str(model), **options)
    try:
        return json.dumps(score_job(config, Console(quiet=False)).as_dict())
    except ScorerError as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture
def said(caplog, capfd):
    """`said()`: everything that was logged, by whomever and at any level, and printed."""
    caplog.set_level(logging.NOTSET)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.NOTSET, name)

    def said() -> str:
        out, err = capfd.readouterr()
        return caplog.text + out + err

    return said


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_no_text_in_logs_summary_reports_caches_and_leftovers_of_a_run_that_succeeds(tmp_path, model, said, kind):
    (tmp_path / "data").mkdir()
    source = write(tmp_path / "data" / f"in.{kind}", canaries(50))
    beside = {"cache": tmp_path / "cache", "report": tmp_path / "report.json", "textfile": tmp_path / "metrics.prom"}
    summary = run(source, tmp_path / "out.parquet", model, **beside)
    assert '"rows": 50' in summary
    assert CANARY in read(tmp_path / "out.parquet")[0]["text"]
    kept = everything_but(tmp_path, source.name, "out.parquet")
    assert MAGIC in kept
    assert b"report.json" in kept
    assert CANARY not in summary + said()
    assert CANARY.encode() not in kept
    lineage = pq.read_metadata(tmp_path / "out.parquet").metadata[b"scorer"]
    assert CANARY.encode() not in lineage


def test_no_text_in_what_an_interrupted_run_leaves(tmp_path, model, said, monkeypatch):
    """What lies in OUT.unfinished is the output so far, and the store of scores; only the first may hold texts."""
    from scorer.scoring.classify import Classify

    call = Classify.__call__

    def failing(self, encoded, cache, **options):
        if encoded.window.number == 2:
            raise ScorerError("the device has gone")
        return call(self, encoded, cache, **options)

    monkeypatch.setattr(Classify, "__call__", failing)
    source = write(tmp_path / "in.parquet", canaries(50))
    error = run(source, tmp_path / "out.parquet", model, window_rows=10, report=tmp_path / "report.json")
    assert error == "ScorerError: the device has gone"
    kept = everything_but(tmp_path, "in.parquet", "partial.out.parquet")
    assert MAGIC in kept
    assert CANARY.encode() not in kept
    assert CANARY not in said()


BROKEN: dict[str, str] = {
    "ragged.csv": f"id,text\n1,{CANARY}\n2,{CANARY},{CANARY}\n",
    "short.csv": f"id,text\n{CANARY}\n",
    "stray.csv": f'id,text\n1,a "{CANARY}" b\n',
    "unclosed.csv": f'id,text\n1,"{CANARY}\n',
    "after.csv": f'id,text\n1,"a"{CANARY}\n',
    "nothing.tsv": f"id,text\n1\t{CANARY}\n",
    "broken.jsonl": f'{{"text": "a"}}\n{{"text": "{CANARY}\n',
    "notone.jsonl": f'{{"text": "a"}}\n"{CANARY}"\n',
    "mixed.jsonl": f'{{"text": "a", "n": 1}}\n{{"text": "b", "n": "{CANARY}"}}\n{{"text": "c", "n": {{}}}}\n',
    "twice.jsonl": f'{{"text": "a", "n": 1, "n": "{CANARY}"}}\n',
    "number.jsonl": f'{{"text": "{CANARY}"}}\n{{"text": 5}}\n',
    "notjson.json": f"{CANARY}\n",
    "not.parquet": f"PAR1{CANARY}PAR1",
    "not.arrow": f"ARROW1\0\0{CANARY}" * 9,
    "gone.csv.gz": f"\x1f\x8b{CANARY}",
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_text_in_errors(tmp_path, model, said, name):
    source = tmp_path / name
    source.write_text(BROKEN[name], encoding="latin-1")
    told = run(source, tmp_path / "out.parquet", model, text_column=("text",), report=tmp_path / "report.json")
    assert ("Error" in told) or name in ("mixed.jsonl", "twice.jsonl"), told
    assert CANARY not in told + said()
    assert CANARY.encode() not in everything_but(tmp_path, name, "out.parquet")


def test_no_text_in_errors_of_bytes_that_are_no_text(tmp_path, model, said):
    for name, content in (
        ("latin.csv", f"text\n{CANARY} caf\u00e9\n".encode("latin-1")),
        ("latin.jsonl", f'{{"text": "{CANARY} caf\u00e9"}}\n'.encode("latin-1")),
    ):
        (tmp_path / name).write_bytes(content)
        assert "Error" in run(tmp_path / name, tmp_path / "out.parquet", model)
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([f"{CANARY} \xff".encode("latin-1")]).buffers())
    write(tmp_path / "in.parquet", pa.table({"text": bad}))
    assert "not UTF-8" in (told := run(tmp_path / "in.parquet", tmp_path / "out.parquet", model))
    assert CANARY not in told + said()
