"""`scorer push`: a model directory becomes one commit of the hub, and what goes wrong is a line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer.classifier.publication import push
from scorer.config import PushConfig
from scorer.errors import Busy, ModelError, NotPermitted, OutputRefused, StorageError, UsageError
from tests.stores.hubs import Hub, hub_server

NAME = "me/stars"
# The hub's library sends large files so, and its own library for requests warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    made = Hub()
    made.token = "hf_secret"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with hub_server(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def model(tiny_model, tmp_path: Path) -> Path:
    place = tmp_path / "stars"
    shutil.copytree(tiny_model("bert"), place)
    (place / "README.md").write_text("---\nlibrary_name: transformers\n---\n\n# Stars\n", encoding="utf-8")
    (place / "report.html").write_text("<p>how good it is</p>", encoding="utf-8")
    return place


def send(model: Path, **options):
    return push(PushConfig(model=str(model), name=NAME, **options))


def test_everything_of_it_in_one_commit(hub: Hub, model: Path) -> None:
    found = send(model)
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    assert {name: hub.commits[NAME][-1][name] for name in files} == files
    assert set(found.files) == set(files)
    assert len(hub.commits[NAME]) == 2, "the empty one that made it, and ours"
    assert (hub.kinds[NAME], hub.private[NAME]) == ("model", True)
    assert hub.messages == ["stars, sent by scorer push"]
    assert found.address.endswith(f"/{NAME}")
    again = send(model)
    assert len(hub.commits[NAME]) in (2, 3)
    assert again.fingerprint == found.fingerprint


def test_nothing_of_the_model_before_stays(hub: Hub, model: Path) -> None:
    """A stale scorer.json is that of another model (78), a stale map of special tokens gives other answers."""
    stale = [
        "scorer.json",
        "special_tokens_map.json",
        "model-00001-of-00002.safetensors",
        "pytorch_model.bin",
        "spiece.model",
        "chat_template.jinja",
        "additional_chat_templates/tool_use.jinja",
        "metrics.json",
    ]
    others = [
        ".gitattributes",
        "LICENSE",
        "LICENSE.txt",
        "requirements.txt",
        "eval_results.json",
        "EVALUATION.md",
        "onnx/config.json",
        "notes/old.txt",
        ".hidden.json",
    ]
    hub.commit(NAME, **dict.fromkeys([*stale, *others, "config.json", "README.md"], b"old"))
    (model / "README.md").unlink()
    found = send(model)
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    assert hub.commits[NAME][-1] == files | dict.fromkeys(others, b"old")
    assert set(found.deleted) == {*stale, "README.md"}
    assert len(hub.commits[NAME]) == 2, "one commit"
    assert send(model).deleted == ()


def test_another_commit_in_between_is_looked_at_again(hub: Hub, model: Path) -> None:
    send(model)
    coming = [{"vocab.old.txt": b"x"}, {"vocab.old.txt": None, "merges.txt": b"y"}]

    def come() -> None:
        if coming:
            hub.commit(NAME, **coming.pop(0))

    hub.before_commit = come
    (model / "report.html").write_text("<p>better</p>")
    assert send(model).deleted == ("merges.txt",)
    assert "merges.txt" not in hub.commits[NAME][-1]
    (model / "report.html").write_text("<p>best</p>")
    hub.refusals = [None, None, None, (409, {})]
    assert send(model).commit
    hub.before_commit = lambda: hub.commit(NAME, a=str(len(hub.commits[NAME])).encode())
    with pytest.raises(Busy, match="somebody else is writing"):
        send(model)


def test_for_everybody_and_with_a_message(hub: Hub, model: Path) -> None:
    send(model, private=False, message="Of May")
    assert hub.private[NAME] is False
    assert hub.messages == ["Of May"]


@pytest.mark.usefixtures("hub")
def test_a_token_of_a_file_will_do(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text("hf_secret")
    assert send(model).commit


def test_what_is_no_sound_model_is_refused_before_anything_is_sent(hub: Hub, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model directory"):
        send(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"no config\.json"):
        send(tmp_path / "empty")
    (model / "code.py").write_text("print()")
    with pytest.raises(ModelError, match="code in a model directory"):
        send(model)
    assert hub.requests == []


def test_without_a_token(hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotPermitted, match="HF_TOKEN"):
        send(model)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("refusals", "error", "match"),
    [
        ([(401, {})], NotPermitted, "status 401"),
        ([(403, {})], NotPermitted, "status 403"),
        ([None, None, None, (404, {})], OutputRefused, "no such repository"),
        ([(429, {"Retry-After": "900"})], Busy, "wait 900 seconds"),
        ([(503, {})] * 40, StorageError, "status 503"),
    ],
)
def test_what_the_hub_refuses(hub: Hub, model: Path, refusals, error, match) -> None:
    hub.refusals = refusals
    with pytest.raises(error, match=match) as caught:
        send(model)
    assert "hf_secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_busy_hub_is_waited_for(hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    hub.refusals = [(429, {"Retry-After": "7"}), (503, {})]
    assert send(model).commit
    assert waited[0] == 7


def test_a_hub_that_is_away_and_one_that_is_not_to_be_asked(
    hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="cannot be reached"):
        send(model)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OutputRefused, match="HF_HUB_OFFLINE"):
        send(model)
    assert hub.requests == []


def test_names(model: Path) -> None:
    with pytest.raises(UsageError, match="OWNER/NAME"):
        PushConfig(model=str(model), name="stars").check()


@pytest.mark.usefixtures("hub")
def test_the_command(model: Path, run_scorer) -> None:
    import os

    keep = {name: os.environ[name] for name in ("PATH", "HF_ENDPOINT", "HF_TOKEN")}
    done = run_scorer("push", model, NAME, env={**keep, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == NAME
    assert "hf_secret" not in done.stdout + done.stderr
