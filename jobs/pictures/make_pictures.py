"""Make the pictures of the front page from what `make demo` left: python -m jobs.pictures.make_pictures

`scored.png` shows rows of the scored file, `report.png` the upper part of the fit's report. Needs Chromium or Chrome
(CHROME_BIN, or on the PATH).
"""

from __future__ import annotations

import argparse
import base64
import html
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tests.reports.browser import Browser, browser, find_browser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

COMMAND = "scorer score data/reviews.parquet data/reviews.scored.parquet"
GIVEN = ("review_id", "domain", "sentence")
ADDED = ("score", "confidence", "score_status")
FIRST_ROWS = 6
TEXT_WIDTH = 62
# The section of the report before which its picture ends.
FIRST_LEFT_OUT = "#learning-curves"
STYLE = """
html { width: max-content }
body { margin: 0; padding: 16px 20px; background: #14171c; color: #d6dae0;
       font: 14px/1.6 "DejaVu Sans Mono", "Liberation Mono", monospace }
.prompt { color: #7ee0a1 }
table { border-collapse: collapse; margin-top: 10px }
th, td { text-align: left; padding: 0 22px 0 0; white-space: pre; font-weight: normal }
th { color: #97a1af; border-bottom: 1px solid #3a414c }
td:last-child, th:last-child { padding-right: 0 }
.added { color: #ffd479 }
.none { color: #8b94a1 }
"""


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the front page.")
    parser.add_argument("--scored", type=Path, default=ROOT / "data/reviews.scored.parquet", metavar="FILE")
    parser.add_argument("--report", type=Path, default=ROOT / "models/latest/report.html", metavar="FILE")
    parser.add_argument("--folder", type=Path, default=HERE, metavar="DIR", help="where to write (default: here)")
    options = parser.parse_args()
    program = find_browser()
    if program is None:
        parser.error("neither Chromium nor Chrome is on the PATH; name one in CHROME_BIN")
    with tempfile.TemporaryDirectory() as profile, browser(program, Path(profile)) as opened:
        opened.look(width=1600, dark=False)
        opened.open(scored_page(options.scored))
        (options.folder / "scored.png").write_bytes(picture(opened, scale=1.5))
        opened.look(width=1000, dark=False)
        opened.open(options.report.read_text(encoding="utf-8"))
        (options.folder / "report.png").write_bytes(picture(opened, scale=1.1, until=FIRST_LEFT_OUT))


def scored_page(path: Path) -> str:
    """The first rows of a scored file, and the first one of every status that these do not have, as a page."""
    table = pl.read_parquet(path, columns=[*GIVEN, *ADDED]).with_columns(pl.col("score_status").cast(pl.String))
    first = table.head(FIRST_ROWS)
    others = table.filter(~pl.col("score_status").is_in(first["score_status"].unique().to_list()))
    others = others.unique("score_status", keep="first", maintain_order=True)
    head = "".join(f'<th class="{kind_of(name)}">{name}' for name in table.columns)
    gap = f"<tr>{'<td class=none>…' * len(table.columns)}"
    rows = "".join([*rows_of(first), gap, *rows_of(others)])
    return f"<!doctype html><style>{STYLE}</style><span class=prompt>$</span> {COMMAND}<table><tr>{head}{rows}</table>"


def rows_of(table: pl.DataFrame) -> Iterator[str]:
    """Each row of `table` as one of HTML."""
    for row in table.iter_rows(named=True):
        yield "<tr>" + "".join(cell(name, value) for name, value in row.items())


def cell(name: str, value: Any) -> str:
    """One value as a cell; a long text is cut, and null is said to be null."""
    if value is None:
        return "<td class=none>null"
    text = f"{value:.3f}" if isinstance(value, float) else " ".join(str(value).split())
    cut = text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"
    return f'<td class="{kind_of(name)}">{html.escape(cut)}'


def kind_of(name: str) -> str:
    """The class of a column's cells: those that scorer adds stand out."""
    return "added" if name in ADDED else "given"


def picture(opened: Browser, *, scale: float, until: str | None = None) -> bytes:
    """The open page as a PNG, `scale` pixels for each of its own, up to the element `until` if one is named."""
    width, height = opened.run("(box => [box.width, box.bottom])(document.documentElement.getBoundingClientRect())")
    if until is not None:
        height = opened.run(f"document.querySelector('{until}').getBoundingClientRect().top")
    clip = {"x": 0, "y": 0, "width": round(width), "height": round(height), "scale": scale}
    found = opened.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return base64.b64decode(found["data"])


if __name__ == "__main__":
    main()
