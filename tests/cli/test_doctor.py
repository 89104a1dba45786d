"""`scorer doctor`: what it finds, what it advises, when it fails; and that nothing crashes it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from scorer.records.condition import looked_at
from tests.permissions import as_anybody


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def parts(ran) -> dict[str, dict]:
    return {part["part"]: part for part in json.loads(ran.out)["parts"]}


def test_a_fresh_place_can_score_and_is_told_how_to_go_on(cli):
    ran = cli("doctor")
    document = json.loads(ran.out)
    assert (ran.code, ran.err, document["can_score"]) == (0, "", True)
    found = parts(ran)
    assert {"python", "libraries", "processor", "torch", "device", "backend packed", "backend padded"} <= set(found)
    assert {"extra fit", "disk", "scores", "user cache", "hub", "base model", "model"} <= set(found)
    assert found["python"]["version"] == sys.version.split()[0]
    assert found["disk"]["free_bytes"] == pytest.approx(shutil.disk_usage(".").free, rel=0.2)
    assert found["processor"]["cores"] == os.cpu_count()
    assert found["model"]["state"] == "note"
    assert any("scorer fit TRAIN" in line for line in document["advice"])


def test_a_sound_model_scores_a_text(cli, tiny_model, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/latest").symlink_to(tiny_model("bert"))
    model = parts(cli("doctor"))["model"]
    assert (model["state"], model["status"], model["path"]) == ("ok", "ok", str(tiny_model("bert").resolve()))
    assert parts(cli("doctor", "-m", tiny_model("xlm-roberta")))["model"]["state"] == "ok"


def test_a_broken_model_fails_only_where_it_is_named(cli, tiny_model, tmp_path):
    broken = shutil.copytree(tiny_model("bert"), tmp_path / "models/latest")
    (broken / "model.safetensors").write_bytes(b"no weights")
    ran = cli("doctor")
    assert (ran.code, parts(ran)["model"]["state"]) == (0, "wrong")
    ran = cli("doctor", "-m", "models/latest")
    assert (ran.code, parts(ran)["model"]["state"]) == (78, "wrong")
    assert ran.err.count("\n") == 1
    assert "model.safetensors" in ran.err
    assert cli("doctor", "-m", "no/such/model").code == 78


@pytest.mark.parametrize(
    ("file", "code"), [("", 77), ("model.safetensors", 78), ("config.json", 77), ("tokenizer.json", 77)]
)
def test_a_named_model_that_may_not_be_read_fails(cli, tiny_model, tmp_path, file, code):
    model = shutil.copytree(tiny_model("bert"), tmp_path / "mine")
    (model / file).chmod(0)
    with as_anybody():
        ran = cli("doctor", "-m", "mine")
    (model / file).chmod(0o700)
    assert (ran.code, parts(ran)["model"]["state"]) == (code, "wrong")
    assert ran.err.count("\n") == 1
    assert "mine" in ran.err
    assert json.loads(ran.out)["can_score"], "with another model"


@pytest.mark.parametrize(("error", "code"), [(MemoryError(), 69), (OSError(5, "I/O"), 74), (RuntimeError("a bug"), 70)])
def test_whatever_keeps_a_named_model_from_scoring_fails(cli, tiny_model, monkeypatch, error, code):
    from scorer.scoring import trial

    def fail(*_arguments):
        raise error

    monkeypatch.setattr(trial, "FrameScorer", fail)
    ran = cli("doctor", "-m", tiny_model("bert"))
    assert (ran.code, parts(ran)["model"]["state"]) == (code, "wrong")


def test_a_device_that_is_not_there(cli):
    ran = cli("doctor", "--device", "cuda:99")
    assert ran.code == 69
    assert (json.loads(ran.out)["can_score"], parts(ran)["device"]["state"]) == (False, "wrong")


def test_a_part_that_fails_says_so_and_the_others_are_told(cli, monkeypatch):
    from scorer.runs import places

    class Panic(BaseException):  # as a library of Rust raises it
        pass

    def fail(*_arguments, **_named):
        raise Panic("no such\ndisk")

    monkeypatch.setattr(places, "look_at_disks", fail)
    ran = cli("doctor")
    found = parts(ran)
    assert (ran.code, found["disk"]["said"]) == (0, "cannot be looked at: Panic: no such disk")
    assert found["scores"]["state"] == "ok"


def test_a_folder_that_is_gone_is_told(cli, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ran = cli("doctor")
    found = parts(ran)
    assert (ran.code, found["disk"]["state"], found["libraries"]["state"]) == (0, "wrong", "ok")


def test_a_stop_is_no_finding():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        looked_at("any", stop)


def test_without_libraries_that_scoring_needs(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "scorer.classifier.device", None)
    monkeypatch.setattr("scorer.runs.installation.look_at_libraries.__defaults__", (("torch>=999.1", "nosuch>=1"),))
    ran = cli("doctor")
    document = json.loads(ran.out)
    assert (ran.code, document["can_score"]) == (69, False)
    assert "pip install 'torch>=999.1' 'nosuch>=1'" in document["advice"]
    assert parts(ran)["device"]["said"].startswith("cannot be looked at: ModuleNotFoundError")
    assert "libraries" in ran.err


def test_known_caches_are_measured(cli, tmp_path):
    for folder in ("kept", "out/.scorer"):
        store = tmp_path / folder / "scores.0123.segments"
        store.mkdir(parents=True)
        (store / "one").write_bytes(bytes(5000))
    from scorer.runs.score_store import score_files

    assert len(score_files(tmp_path / "kept")) == 1
    document = json.loads(cli("doctor", "--cache", "kept").out)
    sizes = {part["path"]: part["bytes"] for part in document["parts"] if part["part"] == "scores"}
    assert sizes == {"kept": 5000, str(tmp_path / "out/.scorer"): 5000}
    assert parts(cli("doctor", SCORER_CACHE="none"))["scores"]["state"] == "ok"
    (tmp_path / "file").touch()
    said = [part["said"] for part in json.loads(cli("doctor", "--cache", "file").out)["parts"]]
    assert "file is no folder" in said


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # put back at the end, whatever the command sets


@pytest.mark.usefixtures("online")
def test_no_network_unless_it_is_asked_for(cli, monkeypatch):
    def refuse(*_arguments):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = parts(cli("doctor"))
    assert (found["hub"]["answers"], found["hub"]["offline"]) == (None, False)
    assert parts(cli("doctor", "-m", "s3://bucket/model"))["model"]["state"] == "note"
    assert cli("doctor", "-m", "owner/name").code == 78
    assert "the network was used" in parts(cli("doctor", "--network", HF_HUB_OFFLINE="0"))["hub"]["said"]


@pytest.mark.usefixtures("online")
def test_the_hub_is_asked(cli):
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.handle_request).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        hub = parts(cli("doctor", "--network", HF_ENDPOINT=endpoint))["hub"]
        assert (hub["state"], hub["answers"]) == ("ok", True)
    hub = parts(cli("doctor", "--network", HF_ENDPOINT=endpoint))["hub"]
    assert (hub["state"], hub["answers"]) == ("note", False)
    assert parts(cli("doctor", "--network", HF_ENDPOINT="nonsense"))["hub"]["answers"] is False
    assert parts(cli("doctor", "--network", HF_HUB_OFFLINE="1"))["hub"]["answers"] is None


def test_people_get_a_table(on_terminal):
    code, seen = on_terminal("doctor")
    lines = seen.replace("\r\n", "\n").splitlines()
    assert code == 0
    assert lines[0].startswith("python              ok     3.")
    assert lines[-1] == "this machine can score"
    assert max(map(len, lines)) <= 100
    assert "{" not in seen
    code, seen = on_terminal("doctor", "--json")
    assert json.loads(seen)["can_score"] is True
