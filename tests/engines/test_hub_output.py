"""Data sets of the hub as outputs: a run is one commit, and what was scored is sent again when the hub would not have
it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.publication import push
from scorer.config import PushConfig
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, NotPermitted, OutputRefused, StorageError, UsageError
from tests.engines.test_folder_job import ALONE, parts
from tests.engines.test_hub import content, table
from tests.stores.hubs import LARGE, Hub, hub_server

SOURCE = "owner/reviews"
NAME = "me/scored"
PLACE = f"hf://datasets/{NAME}/run/"
FILES = ("day=1/a.parquet", "day=2/b.parquet")

Run = Callable[..., ScoreSummary]
# The hub's library sends large files so, and its own library for requests warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    made.token = "hf_secret"
    made.commit(SOURCE, **{f"data/{name}": content(number) for number, name in enumerate(FILES)})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with hub_server(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def run(tiny_model: Any) -> Run:
    def run(target: str = PLACE, source: str = f"hf://datasets/{SOURCE}/data", **options: Any) -> ScoreSummary:
        return scorer.score(source, target, **{"model": tiny_model("bert"), **ALONE} | options)

    return run


def written(hub: Hub, folder: str = "run/") -> dict[str, bytes]:
    return {
        path.removeprefix(folder): found for path, found in hub.commits[NAME][-1].items() if path.startswith(folder)
    }


def rows(found: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(found))


def test_hub_to_hub_is_one_commit(hub: Hub, run: Run, tmp_path: Path) -> None:
    assert parts(run())["scored"] == 2
    found = written(hub)
    assert set(found) == {*FILES, "_manifest.json", "_SUCCESS"}
    assert rows(found[FILES[1]])["text"].to_pylist() == table(1)["text"].to_pylist()
    assert {"score", "confidence", "score_status"} <= set(rows(found[FILES[0]]).column_names)
    assert len(hub.commits[NAME]) == 2, "the one that made the data set, and ours"
    assert (hub.kinds[NAME], hub.private[NAME]) == ("dataset", True)
    # The same bytes as on this machine.
    run(f"{tmp_path}/here/")
    assert {name: (tmp_path / "here" / name).read_bytes() for name in FILES} == {name: found[name] for name in FILES}


def test_a_second_run_finds_its_parts_and_writes_nothing(hub: Hub, run: Run) -> None:
    run()
    hub.requests.clear()
    again = run()
    assert (again.finished_before, again.rows) == (True, 18)
    assert len(hub.commits[NAME]) == 2
    fetched = [request for request in hub.requests if "run/day" in request and request.startswith("GET")]
    assert fetched == [], "what this machine has sent is not read again"


def test_another_machine_finds_them_too(hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert run().finished_before
    assert len(hub.commits[NAME]) == 2


def test_changes_are_one_commit_more(hub: Hub, run: Run) -> None:
    run()
    hub.commit(
        SOURCE, **{"data/day=2/b.parquet": content(7), "data/day=3/c.parquet": content(8), "data/day=1/a.parquet": None}
    )
    hub.commit(NAME, **{"README.md": b"# scored"})
    before = len(hub.commits[NAME])
    assert parts(run(mirror=True))["stale"] == {"another input": 1, "new": 1}
    assert len(hub.commits[NAME]) == before + 1
    assert set(written(hub)) == {"day=2/b.parquet", "day=3/c.parquet", "_manifest.json", "_SUCCESS"}
    assert hub.commits[NAME][-1]["README.md"] == b"# scored"


def test_a_data_set_becomes_a_model_and_the_model_scores(
    hub: Hub, tmp_path: Path, tiny_model: Any, run_scorer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"text": table(1, 60)["text"], "label": [("joy", "anger")[row % 2] for row in range(60)]}
    for split in ("train", "validation"):
        sink = io.BytesIO()
        pq.write_table(pa.table(labels), sink)
        hub.commit("owner/moods", **{f"{split}.parquet": sink.getvalue()})
    monkeypatch.chdir(tmp_path)
    options = {"base_model": str(tiny_model("bert")), "max_steps": 2, "extend_vocabulary": False, "output": "moods"}
    scorer.fit("hf://datasets/owner/moods", **options)
    push(PushConfig(model="moods", name="me/moods"))
    kept = {name: os.environ[name] for name in ("PATH", "HF_ENDPOINT", "HF_TOKEN", "XDG_CACHE_HOME")}
    env = {**kept, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    done = run_scorer("score", f"hf://datasets/{SOURCE}/data", PLACE, "-m", "me/moods", env=env)
    assert done.returncode == 0, done.stderr
    assert set(rows(written(hub)[FILES[0]])["score"].to_pylist()) <= {"joy", "anger"}
    assert "hf_secret" not in done.stdout + done.stderr


def test_large_parts_go_where_large_files_go(hub: Hub, run: Run) -> None:
    hub.commit(SOURCE, **{"data/day=1/a.parquet": content(1, 2500)})
    run()
    assert len(written(hub)[FILES[0]]) > LARGE
    assert any(request.startswith("PUT /large/") for request in hub.requests)
    assert run().finished_before


@pytest.mark.parametrize(
    ("refusal", "error", "match"),
    [
        ((403, {}), NotPermitted, "status 403"),
        ((429, {"Retry-After": "900"}), Busy, "900 seconds"),
        ((404, {}), OutputRefused, "no such repository"),
    ],
)
def test_what_was_scored_is_sent_when_the_hub_takes_it(hub: Hub, run: Run, refusal, error, match) -> None:
    hub.refusals = [None, None, refusal]
    with pytest.raises(error, match=match) as caught:
        run()
    assert "hf_secret" not in str(caught.value)
    assert written(hub) == {}
    hub.refusals = []
    # A model that is gone scores nothing: what waits is sent.
    assert parts(run())["scored"] == 0
    assert set(written(hub)) == {*FILES, "_manifest.json", "_SUCCESS"}


def test_a_lost_answer_is_no_second_commit(hub: Hub, run: Run) -> None:
    hub.lost = 1
    run()
    assert len(hub.commits[NAME]) == 2


def test_other_commits_in_between_are_no_harm_but_another_run_is(hub: Hub, run: Run) -> None:
    others = iter(range(3))

    def interfere() -> None:
        hub.before_commit = lambda: None
        hub.commit(NAME, **{"notes.md": str(next(others)).encode()})

    hub.before_commit = interfere
    run()
    assert {"notes.md", "run/_manifest.json"} <= set(hub.commits[NAME][-1])

    def take_over() -> None:
        hub.before_commit = lambda: None
        hub.commit(NAME, **{"run/_manifest.json": b"{}"})

    hub.before_commit = take_over
    hub.commit(SOURCE, **{"data/day=2/b.parquet": content(7)})
    with pytest.raises(OutputRefused, match="another run wrote it meanwhile"):
        run()


def test_a_part_that_somebody_deleted_is_made_again(hub: Hub, run: Run) -> None:
    run()
    hub.commit(NAME, **{f"run/{FILES[0]}": None})
    assert not run().finished_before
    assert set(written(hub)) == {*FILES, "_manifest.json", "_SUCCESS"}


def test_a_file_of_somebody_else_is_not_replaced(hub: Hub, run: Run) -> None:
    hub.commit(NAME, **{f"run/{FILES[0]}": b"mine"})
    with pytest.raises(OutputRefused, match="cannot tell what wrote it"):
        run()
    assert parts(run(force=True))["scored"] == 2


def test_the_root_of_a_data_set(hub: Hub, run: Run) -> None:
    run(f"hf://datasets/{NAME}/")
    assert set(written(hub, "")) == {*FILES, "_manifest.json", "_SUCCESS", ".gitattributes"}
    assert json.loads(written(hub, "")["_manifest.json"])["totals"]
    assert run(f"hf://datasets/{NAME}").finished_before


def test_what_is_wrong_is_said_before_anything_is_scored(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="end its name with /"):
        run(f"hf://datasets/{NAME}/out.parquet", source=f"hf://datasets/{SOURCE}/data/day=1/a.parquet")
    with pytest.raises(UsageError, match="a revision is read alone"):
        run(f"hf://datasets/{NAME}@v1/run/")
    monkeypatch.delenv("HF_TOKEN")
    hub.token = None
    with pytest.raises(NotPermitted, match="HF_TOKEN"):
        run()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.refusals = [(403, {})]
    with pytest.raises(NotPermitted, match="status 403"):
        run()
    hub.refusals = [(503, {})] * 9
    with pytest.raises(StorageError, match="status 503"):
        run()
    assert NAME not in hub.commits


def test_the_page_about_what_came_out_reads_it_there(hub: Hub, run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        page = tmp_path / "page.html"
        page.unlink(missing_ok=True)
        run(report_html=page)
        html = page.read_text(encoding="utf-8")
        assert "18 rows of" in html
        assert all(name in html for name in FILES)
    hub.commit(SOURCE, **{"data/day=2/b.parquet": content(7)})
    run(report_html=tmp_path / "page.html")
    assert "18 rows of" in (tmp_path / "page.html").read_text(encoding="utf-8")
