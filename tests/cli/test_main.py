"""Every way to fail: its exit code, one line on stderr, nothing on stdout, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.cli.main import main
from scorer.errors import DeviceError
from tests.scoring.oracle import Oracle, assert_answers

ROOT = Path(__file__).parents[2]
COMMANDS = main.list_commands(click.Context(main))


def command_of(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path, tiny_model) -> Path:
    """The working folder: models/latest and some data."""
    shutil.copytree(tiny_model("bert"), tmp_path / "models" / "one")
    (tmp_path / "models" / "latest").symlink_to("one")
    pq.write_table(pa.table({"id": [1, 2], "text": ["good room", None]}), tmp_path / "in.parquet")
    (tmp_path / "typo.json").write_text('{"max_lenght": 5}')
    (tmp_path / "wrong.toml").write_text('max_length = "x"')
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "ragged.csv").write_text("id,text\n1,a\n2\n")
    (tmp_path / "not-a-model").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "old.parquet")
    return tmp_path


def test_a_fit_chooses_how_threads_wait_before_torch_is_loaded(cli, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert cli("fit", "gone.csv").code == 66
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["score", "absent.parquet", "out.parquet"], 66, "absent.parquet: no such file"),
        (["score", "*.absent", "out.parquet"], 66, "no file matches"),
        (["score", "in.parquet"], 2, "Missing argument 'OUT'"),
        (["score", "in.parquet", "out.parquet", "--bogus"], 2, "No such option"),
        (["score", "in.parquet", "out.parquet", "--max-length", "two"], 2, "--max-length"),
        (["score", "in.parquet", "out.parquet", "--max-length", "2"], 2, "--max-length"),
        (["score", "in.parquet", "out.parquet", "--precision", "fp8"], 2, "fp8"),
        (["score", "in.parquet", "out.parquet", "--text-column", "Texts"], 2, "did you mean 'text'"),
        (["scoree", "in.parquet", "out.parquet"], 2, "Did you mean 'score'"),
        (["score", "in.parquet", "out.parquet", "--device", "tpu"], 2, "--device tpu"),
        (["score", "in.parquet", "out.parquet", "--device", "cuda:77"], 69, "CUDA devices"),
        (["score", "in.parquet", "out.parquet", "--top-k", "9"], 2, "this model has 5 labels"),
        (["score", "in.parquet", "in.parquet"], 2, "is the input itself"),
        (["score", "in.parquet", "."], 2, "is the folder of the input"),
        (["score", "in.parquet", "absent/out.parquet"], 73, "folder does not exist"),
        (["score", "in.parquet", "old.parquet"], 73, "--force replaces it"),
        (["score", "in.parquet", "out.parquet", "--config", "typo.json"], 78, "did you mean 'max_length'"),
        (["score", "in.parquet", "out.parquet", "--config", "wrong.toml"], 78, "max_length"),
        (["score", "in.parquet", "out.parquet", "--config", "absent.json"], 66, "no such configuration file"),
        (["score", "in.parquet", "out.parquet", "-m", "absent/model/x"], 78, "no such model directory"),
        (["score", "in.parquet", "out.parquet", "-m", "nobody/nothing"], 78, "not to be had from the hub"),
        (["score", "in.parquet", "out.parquet", "-m", "not-a-model"], 78, "no config.json"),
        (["score", "in.parquet", "out.parquet", "--text-column", "id"], 78, "column 'id' is int64, not text"),
        (["score", "empty.csv", "out.parquet"], 65, "the file is empty"),
        (["score", "ragged.csv", "out.parquet"], 65, "ragged.csv"),
        (["predict", "--text-column", "a", "x"], 2, "--text-column"),
        (["predict", "-m", "absent/model/x", "x"], 78, "no such model directory"),
        (["inspect", "not-a-model"], 78, "no config.json"),
        (["inspect", "absent.parquet"], 66, "absent.parquet: no such file"),
        (["inspect", "empty.csv"], 65, "the file is empty"),
        (["fit", "absent.csv"], 66, "absent.csv: no such file"),
        (["fit", "ragged.csv", "--valid", "absent.csv"], 66, "absent.csv: no such file"),
        (["fit", "ragged.csv", "--epochs", "-1"], 2, "--epochs"),
        (["fit", "ragged.csv", "--valid", "ragged.csv", "--valid-fraction", "0.1"], 2, "leave one of the two out"),
        (["evaluate", "absent.csv"], 66, "absent.csv: no such file"),
        (["evaluate", "ragged.csv", "--folds", "1"], 2, "--folds"),
        (["evaluate", "ragged.csv", "--rows", "old.parquet"], 73, "--force"),
        (["evaluate", "in.parquet", "--slice", "shop"], 2, "no column 'shop'; there are"),
        (["evaluate", "in.parquet"], 2, "no column with a usual name for the label"),
        (["evaluate", "in.parquet", "-m", "absent/model/x"], 78, "no such model directory"),
        (["score", "a\x1b[2Jb.csv", "out.csv"], 66, "a\\x1b[2Jb.csv"),
        (["nonsense"], 2, "No such command"),
        (["--nonsense"], 2, "No such option"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_failure_is_one_line_and_a_code(folder, cli, arguments, code, said):
    before = sorted(folder.rglob("*"))
    ran = cli(*arguments)
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert ran.err.startswith("scorer: error: ")
    assert ran.err.count("\n") == 1
    assert said in ran.err
    assert sorted(folder.rglob("*")) == before


def test_success_is_one_json_line_on_stdout_and_silence_on_stderr(folder, cli):
    ran = cli("score", "in.parquet", "out.parquet", "--precision", "fp32")
    assert (ran.code, ran.err) == (0, "")
    summary = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert (summary["rows"], summary["statuses"]) == (2, {"null": 1, "ok": 1})
    assert (summary["engine"]["backend"], summary["engine"]["reason"]) == ("packed", "bert models need no padding")
    assert set(summary["busy"]) == {"read", "encode", "classify", "append", "write"}
    oracle = Oracle(folder / "models" / "one")
    assert_answers(pq.read_table(folder / "out.parquet").to_pylist(), oracle.rows(["good room", None]))

    again = cli("score", "in.parquet", "out.parquet", "--precision", "fp32")
    assert again.code == 0
    assert json.loads(again.out)["finished_before"]
    assert cli("score", "in.parquet", "out.parquet", "--precision", "fp32", "--quiet").out == ""


def test_a_dry_run_says_what_the_job_will_cost_and_writes_nothing(folder, cli):
    before = sorted(folder.rglob("*"))
    ran = cli("score", "in.parquet", "out.parquet", "--precision", "fp32", "--device", "cpu", "--dry-run")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    found = json.loads(ran.out)
    counts, cost = ran.err.splitlines()
    assert counts == (
        f"2 rows, {found['tokens']} tokens (from the first 2 rows): 0.0% truncated at 128 tokens, 0.0% duplicates, "
        "0.0% in the cache"
    )
    assert cost.startswith("about ")
    assert cost.endswith(f" and {found['peak_memory_mib']:,} MiB with packed in fp32 on cpu")
    assert sorted(folder.rglob("*")) == before


def test_the_environment_and_a_file_set_options(folder, cli):
    (folder / "s.json").write_text('{"prefix": "file_", "token_count": true}')
    cli("score", "in.parquet", "out.parquet", "--config", "s.json", SCORER_PREFIX="env_")
    names = pq.read_schema(folder / "out.parquet").names
    assert names == ["id", "text", "env_score", "env_confidence", "env_score_status", "env_token_count"]


@pytest.mark.parametrize(
    ("name", "arguments", "advice"),
    [
        ("score", ["in", "out"], "; a smaller --batch-tokens or --window-rows needs less"),
        ("fit", ["in"], "; a smaller --batch-size needs less"),
        ("check", ["in"], ""),
    ],
)
def test_what_helps_a_command_that_has_no_memory_left(name, arguments, advice):
    """A group like ours, whose command has the options of the real one and a job that takes all memory."""

    def exhausted(**_settings: object) -> None:
        raise MemoryError

    group = type(main)("scorer")
    group.add_command(click.Command(name, params=command_of(name).params, callback=exhausted))
    with pytest.raises(DeviceError) as raised:
        group.main([name, *arguments], standalone_mode=False)
    assert (str(raised.value), raised.value.exit_code) == (f"out of memory{advice}", 69)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_knows_its_flags_for_help_without_the_group(name):
    """Click keeps a command's help option from the first time on: the first may have been without the group."""
    command = command_of(name)
    assert command.get_help_option_names(click.Context(command)) == ["-h", "--help"]


@pytest.mark.usefixtures("folder")
def test_data_on_stdout_has_no_summary_beside_it(cli):
    ran = cli("score", "in.parquet", "-", "--output-format", "csv")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, len(lines)) == (0, "", 3)
    assert lines[0] == "id,text,score,confidence,score_status"


def test_predict_prints_a_json_line_a_text(folder, cli):
    texts = ["good room", "größe 😀 \u2028", "", "good " * 200]
    ran = cli("predict", *texts, "--precision", "fp32")
    assert (ran.code, ran.err) == (0, "")
    answers = [json.loads(line) for line in ran.out.removesuffix("\n").split("\n")]
    assert [answer.pop("text") for answer in answers] == texts
    assert_answers(answers, Oracle(folder / "models" / "one").rows(texts))


def test_predict_with_a_model_of_pairs(folder, cli):
    from scorer.classifier.labels import LabelSet
    from scorer.classifier.metadata import ModelMetadata

    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    fields = {"base_model": "b", "text_columns": ("a", "b"), "label_column": "l", "labels": labels, "max_length": 128}
    ModelMetadata(**fields).write(folder / "models" / "one")
    ran = cli("predict", "good room\tbad soup", "a\tb\tc", "--precision", "fp32")
    assert ran.code == 0
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert_answers(answers, Oracle(folder / "models" / "one").rows(["good room", "a"], ["bad soup", "b\tc"]))
    without = cli("predict", "good room")
    assert (without.code, without.out) == (2, "")
    assert "a tab between them" in without.err


def test_predict_with_a_model_of_pairs_that_others_fitted(folder, cli):
    ran = cli("predict", "--pairs", "good room\tbad soup", "a\tb\tc", "--precision", "fp32")
    assert (ran.code, ran.err) == (0, "")
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert_answers(answers, Oracle(folder / "models" / "one").rows(["good room", "a"], ["bad soup", "b\tc"]))
    for without in (cli("predict", "--pairs", "good room"), cli("predict", "good room", SCORER_PAIRS="true")):
        assert (without.code, without.out) == (2, "")


def test_pairs_are_a_setting_like_any_other(folder, cli):
    (folder / "pairs.toml").write_text("pairs = true")
    texts = ["good room\tbad soup", "--precision", "fp32"]
    expected = cli("predict", "--pairs", *texts)
    assert expected.code == 0
    assert cli("predict", *texts, "--config", "pairs.toml") == expected
    assert cli("predict", *texts, SCORER_PAIRS="1") == expected


def test_predict_has_no_option_for_columns(cli, monkeypatch):
    monkeypatch.setenv("SCORER_TEXT_COLUMN", "review")
    assert "--text-column" not in cli("predict", "--help").out


@pytest.mark.usefixtures("folder")
def test_a_text_that_is_no_text(cli):
    ran = cli("predict", b"caf\xe9".decode(errors="surrogateescape"))
    assert (ran.code, ran.out) == (65, "")
    assert "UTF-8" in ran.err


def test_a_name_that_is_not_utf8(folder, cli):
    name = b"caf\xe9.parquet".decode(errors="surrogateescape")
    (folder / name).write_bytes((folder / "in.parquet").read_bytes())
    before = sorted(folder.iterdir())
    for arguments in (
        ("score", name, "out.parquet"),
        ("score", "in.parquet", "o" + name),
        ("fit", name),
        ("fit", "in.parquet", "--output", "o" + name),
        ("check", name),
        ("evaluate", name),
        ("diff", "models/one", "models/one", name),
    ):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "a name that is not UTF-8; rename it" in ran.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures("folder")
def test_inspect_prints_json(cli):
    model = json.loads(cli("inspect", "models/latest").out)
    assert model["kind"] == "model"
    assert model["parameters"]["total"] > 1000
    cli("score", "in.parquet", "out.parquet")
    file = json.loads(cli("inspect", "out.parquet").out)
    assert (file["kind"], file["rows"], file["lineage"]["counts"]["rows"]) == ("file", 2, 2)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["score", "--help"], ["fit", "-h"], ["predict", "-h"], ["--version"]]
)
def test_help_and_version_are_no_errors(cli, arguments):
    ran = cli(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out


def test_no_command_is_a_usage_error(cli):
    ran = cli()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "scorer: error: Missing command (see scorer --help)\n"


def test_debug_shows_where_it_went_wrong(folder, run_scorer):
    ran = run_scorer("inspect", "not-a-model", "--debug", cwd=folder)
    assert ran.returncode == 78
    assert "Traceback" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("scorer: error: ")


def test_predict_reads_lines_and_ends_with_141_when_nobody_reads_on(folder):
    lines = "good room\r\n" + "bad soup\n" * 20_000 + "the last without an end"
    (folder / "lines.txt").write_text(lines)
    script = '"$0" -m scorer predict < lines.txt | head -n 2; echo "${PIPESTATUS[0]}"'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    ran = subprocess.run(
        ["bash", "-c", script, sys.executable],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    *answers, code = ran.stdout.splitlines()
    assert [json.loads(answer)["text"] for answer in answers] == ["good room", "bad soup"]
    assert code == "141"
    assert ran.stderr == ""


def test_predict_answers_a_line_before_the_next_one_comes(folder):
    """A program may talk to `scorer predict` through two pipes; lines that are not UTF-8 end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "scorer", "predict"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        for text in ("good room", "bad soup"):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        out, error = process.communicate(b"caf\xe9\n", timeout=60)
    assert (process.returncode, out) == (65, b"")
    assert error == b"scorer: error: standard input: a line is not UTF-8 (byte 3 of it); re-encode it\n"


def test_closed_standard_streams_do_no_harm(folder):
    """The descriptor of a closed stream would go to the next file opened, and a message into that file."""
    script = '"$0" -m scorer score in.parquet out.parquet <&- >&- 2>&-'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-c", script, sys.executable], cwd=folder, env=environment, timeout=120, check=False)
    assert ran.returncode == 0
    assert pq.read_table(folder / "out.parquet").num_rows == 2


def command(folder: Path, *arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """`scorer` in a process of its own, on standard `streams` that are not those of a good day."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    return subprocess.run(
        [sys.executable, "-m", "scorer", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
        timeout=120,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams,
    )


@pytest.mark.parametrize(
    "arguments", [("inspect", "models/latest"), ("score", "in.parquet", "-", "--output-format", "csv")]
)
def test_a_full_disk_behind_standard_output(folder, arguments):
    with Path("/dev/full").open("wb") as full:
        ran = command(folder, *arguments, stdout=full)
    assert ran.returncode == 74
    assert "No space left on device" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_message_that_cannot_be_written_leaves_the_exit_code(folder):
    with Path("/dev/full").open("wb") as full:
        ran = command(folder, "inspect", "absent.parquet", stderr=full)
    assert (ran.returncode, ran.stdout) == (66, "")


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("score", "--help")])
def test_help_that_nobody_reads(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = command(tmp_path, *arguments, stdout=writing)
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_standard_output_is_utf8_whatever_the_locale(folder, run_scorer):
    ran = run_scorer("predict", stdin="größe 😀\n", cwd=folder, env={"PYTHONIOENCODING": "latin-1"})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["text"] == "größe 😀"


def test_a_name_that_is_not_utf8_is_escaped_on_standard_output(folder, run_scorer):
    name = b"caf\xe9.csv".decode(errors="surrogateescape")
    (folder / name).write_text("id,text\n1,good room\n")
    ran = run_scorer("inspect", name, cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["path"] == name
