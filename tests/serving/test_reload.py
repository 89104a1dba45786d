"""Another model takes the place of one that is served: between two requests, whole, or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

import scorer
from scorer.serving import model_list
from tests.models import make_model, sentences
from tests.serving.served import Served

PATIENCE = 30


@pytest.fixture(autouse=True)
def _looking_often(monkeypatch):
    monkeypatch.setattr(model_list, "LOOK_SECONDS", 0.05)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "old", labels=("a", "b", "c"))
    make_model(folder / "new", labels=("x", "y"), seed=1)
    return folder


def point(link: Path, target: Path) -> None:
    """What a fit does with models/latest: the link is made beside it and renamed."""
    beside = link.with_name("beside")
    beside.symlink_to(target)
    beside.rename(link)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_requests_go_on_while_models_latest_moves(models, tmp_path):
    latest = tmp_path / "latest"
    latest.symlink_to(models / "old")
    texts = sentences(20)
    expected = {name: scorer.load(models / name, precision="fp32").score_texts(texts) for name in ("old", "new")}
    versions: dict[str, set[str]] = {"old": set(), "new": set()}
    enough = Event()
    failures: list[object] = []

    def ask() -> None:
        while not enough.is_set():
            reply = served.post("/predict", {"texts": texts})
            labels = [row["score"] for row in reply.document.get("predictions", ())]
            whose = [name for name, rows in expected.items() if labels == [row["score"] for row in rows]]
            if reply.status != 200 or len(whose) != 1:
                failures.append(reply)
                return
            versions[whose[0]].add(reply.headers["x-scorer-model"])

    with Served(latest) as served:
        clients = [Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: bool(versions["old"]))
        point(latest, models / "new")
        wait_until(lambda: bool(versions["new"]))
        time.sleep(0.2)
        enough.set()
        for client in clients:
            client.join()
        assert served.get("/v2/models/latest").document["versions"] == [next(iter(versions["new"])).rpartition("@")[2]]
    assert failures == []
    assert len(versions["old"]) == len(versions["new"]) == 1
    assert "answers from now on" in served.said.getvalue()


def test_a_bad_new_model_changes_nothing_and_is_told(models, tmp_path):
    latest = tmp_path / "latest"
    latest.symlink_to(models / "old")
    broken = shutil.copytree(models / "new", tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with Served(latest, top_k=3) as served:
        before = served.post("/predict", {"text": "a good room"}).document
        for number, bad in enumerate((broken, models / "new"), 1):  # the second has but two labels
            point(latest, bad)
            wait_until(lambda number=number: served.said.getvalue().count("the old one stays") == number)
            assert served.post("/predict", {"text": "a good room"}).document == before
            assert served.get("/info").document["models"][0]["reload_error"]
        assert b'scorer_reloads_total{model="latest",outcome="failed"} 2.0' in served.get("/metrics").body
        (tmp_path / "latest").unlink()
        wait_until(lambda: served.said.getvalue().count("the old one stays") == 3)
        assert "no such" in served.get("/info").document["models"][0]["reload_error"]
        assert served.post("/predict", {"text": "a good room"}).document == before
        point(latest, models / "old")
        wait_until(lambda: "answers from now on" in served.said.getvalue())
        assert served.get("/info").document["models"][0]["reload_error"] is None
    assert "--top-k 3: this model has 2 labels" in served.said.getvalue()


def test_a_model_that_is_gone_is_not_looked_for_on_the_hub(models, tmp_path, monkeypatch):
    """There somebody else's may have its name."""
    monkeypatch.setattr("scorer.classifier.directory._from_hub", lambda _: models / "new")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(models / "old", "reviews")
    with Served("reviews") as served:
        Path("reviews").rename("aside")
        wait_until(lambda: bool(served.get("/info").document["models"][0]["reload_error"]))
        time.sleep(0.3)
        assert "reviews: no such model directory" in served.get("/info").document["models"][0]["reload_error"]
        assert served.said.getvalue().count("the old one stays") == 1
        assert served.post("/predict", {"text": "a good room"}).document["score"] in ("a", "b", "c")
        Path("aside").rename("reviews")
        wait_until(lambda: "answers from now on" in served.said.getvalue())
        assert served.get("/info").document["models"][0]["reload_error"] is None


def test_a_directory_that_is_written_anew_in_its_place(models, tmp_path):
    own = shutil.copytree(models / "old", tmp_path / "own")
    with Served(own) as served:
        assert served.post("/predict", {"text": "good"}).document["score"] in ("a", "b", "c")
        shutil.copytree(models / "new", own, dirs_exist_ok=True)
        wait_until(lambda: served.post("/predict", {"text": "good"}).document["score"] in ("x", "y"))


def test_no_reload(models, tmp_path):
    latest = tmp_path / "latest"
    latest.symlink_to(models / "old")
    with Served(latest, reload=False) as served:
        point(latest, models / "new")
        time.sleep(0.3)
        assert served.post("/predict", {"text": "good"}).document["score"] in ("a", "b", "c")
