"""What a folder of parts says of itself, part by part, as a page: which parts stand, and why others do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import scorer
from scorer.errors import DataError
from scorer.scoring.folder_inspection import FolderInspection
from scorer.stores.location import Location
from scorer.stores.parts_folder import stamp_of
from tests.models import sentences
from tests.reports.browser import Browser
from tests.reports.markup import checked
from tests.reports.test_in_browser import SCREENS, complaints
from tests.scoring.files import write

FILES, ROWS = 5, 6


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Callable[..., Path]) -> Path:
    """A folder whose parts are those of five files; `again` is what one of these is called that cannot be read."""
    for number in range(FILES):
        rows = pa.table({"text": [*sentences(ROWS - 1, seed=number), ""]})
        (tmp_path / "in").mkdir(exist_ok=True)
        write(tmp_path / f"in/part-{number}.csv", rows)
    scorer.score(tmp_path / "in", f"{tmp_path}/out/", model=tiny_model("bert"), precision="fp32")
    return tmp_path / "out"


def page(folder: Path) -> str:
    html = FolderInspection(Location.of_path(folder)).page().html()
    checked(html)
    return html


def test_parts_that_stand(folder: Path) -> None:
    html = page(folder)
    assert re.findall("<h2>(.*?)</h2>", html) == ["Statuses", "What made them", "Parts"]
    assert [f"part-{number}.csv" in html for number in range(FILES)] == [True] * FILES
    assert html.count("83.3 %") == FILES + 1, "of each part, and of all rows"
    document = FolderInspection(Location.of_path(folder)).document()
    assert (document["parts"], document["totals"]["rows"], document["damaged"]) == (FILES, FILES * ROWS, [])


def test_parts_that_do_not_stand_come_first_with_the_reason(
    folder: Path, tiny_model: Callable[..., Path], chromium: Browser
) -> None:
    source = folder.parent / "in"
    write(source / "part-4.csv", pa.table({"text": ["another room"]}))
    (source / "part-3.csv").write_text('text\n"never closed\n')
    with pytest.raises(DataError):
        scorer.score(source, f"{folder}/", model=tiny_model("bert", seed=1), precision="fp32", on_error="quarantine")
    (source / "part-1.csv").unlink()
    (source / "part-0.csv").write_text("text\nanother\n")
    (folder / "part-2.csv").write_text("damaged")
    html = page(folder)
    stale = html.split('id="does-not-stand"')[1].split("</section>")[0]
    why = dict(re.findall(r"<bdi>(part-\d)\.csv</bdi>.*?<td class=\"words\">(.*?)</td>", stale))
    assert why == {
        "part-0": "its input changed, or was only touched",
        "part-1": "its input is gone",
        "part-2": "the part is gone or changed",
        "part-3": "its input changed, or was only touched",
    }
    assert "2 different jobs" in html
    assert "part-3.csv" in html.split('id="failed-in-the-last-run"')[1]
    for width, dark in SCREENS:
        assert complaints(chromium, html, width=width, dark=dark) == []


def test_every_byte_is_verified_whatever_a_stamp_says(folder: Path, run_scorer: Callable[..., Any]) -> None:
    """A disk that loses a bit leaves size and times as they were."""
    sound = run_scorer("inspect", folder, "--verify")
    assert (sound.returncode, json.loads(sound.stdout)["verified"]) == (0, {"ok": True})
    part = folder / "part-2.csv"
    flip(part)
    assert json.loads(run_scorer("inspect", folder).stdout)["damaged"] == []
    done = run_scorer("inspect", folder, "--verify")
    found = json.loads(done.stdout)
    assert (done.returncode, found["damaged"], found["verified"]) == (65, ["part-2.csv"], {"ok": False})
    assert "part-2.csv of 5 parts gone or not what was written; delete what is damaged" in done.stderr
    part.unlink()
    (folder / "part-0.csv").unlink()
    done = run_scorer("inspect", folder, "--verify", "--html", folder.parent / "parts.html")
    assert (done.returncode, json.loads(done.stdout)["damaged"]) == (65, ["part-0.csv", "part-2.csv"])
    assert "part-0.csv and 1 more of 5 parts" in done.stderr
    assert "the part is gone or changed" in (folder.parent / "parts.html").read_text(encoding="utf-8")


def flip(part: Path) -> None:
    """Change one bit of the part, and let its folder remember its times and its place as they are then."""
    content = bytearray(part.read_bytes())
    content[-2] ^= 1
    part.write_bytes(content)
    stamps = part.parent / ".scorer/stamps"
    known = json.loads(stamps.read_text())
    known[part.name][1] = [stamp_of(part)]
    stamps.write_text(json.dumps(known))


def test_the_command_writes_the_page(folder: Path, run_scorer: Callable[..., object], tmp_path: Path) -> None:
    done = run_scorer("inspect", folder, "--html", tmp_path / "parts.html")
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    checked((tmp_path / "parts.html").read_text(encoding="utf-8"))
    for what, html, said in (
        (folder / "part-0.csv", "parts.html", "--html: for a folder of parts"),
        (folder, "no/such/parts.html", "no/such"),
    ):
        done = run_scorer("inspect", what, "--html", tmp_path / html)
        assert (done.returncode, said in done.stderr) == (2 if "for a" in said else 73, True)  # type: ignore[attr-defined]
