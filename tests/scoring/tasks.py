"""Tasks of small parts, whose folders are held as a job holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from scorer.config import FrameConfig
from scorer.errors import Interrupted
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.scoring.outputs import OutputSet, PartOutput, open_output, work_of
from scorer.scoring.scorer import ScorerSpec
from scorer.scoring.tasks import Part, PartInput, ShardTask
from scorer.stores.location import Location
from scorer.tables.dialect import Dialect
from scorer.tables.source import Source
from tests.scoring.files import write

HELD: dict[str, OutputSet] = {}
WINDOW = 10


def rows(part: int, count: int = 40) -> pa.Table:
    return pa.table({"text": [f"part {part} text {n % 15}" for n in range(count)], "n": range(count)})


def task(
    folder: Path,
    number: int = 0,
    *,
    table: pa.Table | None = None,
    source: Path | None = None,
    target: str | None = None,
    text_columns: tuple[str, ...] = ("text",),
    scorer: ScorerSpec | None = None,
    **options: Any,
) -> ShardTask:
    """The shard `number`: one part, the rows of `source` or of a file that is made of `table`; its output is held."""
    if source is None:
        source = write(folder / f"in-{number}.parquet", rows(number) if table is None else table)
    found = Source.open(str(source), rejects=None)
    where = Location.of_output(target or folder / f"out-{number}.parquet")
    output = HELD[where.said] = open_output(where, "parquet", force=False)
    job = JobSpec(kind="score", models={"model": ModelRecord(fingerprint="m")})
    read = {
        "dialect": Dialect(),
        "appended": None,
        "window_rows": WINDOW,
        "first_rows": None,
        "limit": None,
        "lenient": False,
        "spelt": False,
    }
    read |= {name: options.pop(name) for name in read.keys() & options.keys()}
    lineage = Lineage(job=job, input=found.fingerprint())
    part = Part(
        input=PartInput(shard=found.shard, format=found.format, text_columns=text_columns, **read),
        output=PartOutput(target=where, format="parquet", folder=output.folder, job=lineage),
    )
    return ShardTask(
        number=number,
        parts=(part,),
        folder=output.folder,
        work=work_of(lineage),
        scorer=scorer or ScorerSpec(options=FrameConfig()),
        **{"reuse": False, "cache": None, "fingerprint": "f"} | options,
    )


def publish(task: ShardTask) -> Path:
    """Publish what the one part has finished."""
    (part,) = task.parts
    output = HELD.pop(part.output.target.said)
    output.publish()
    output.close()
    return part.output.target.path


@dataclass
class Watch:
    """Stops a part after so many windows."""

    stop_after: int = 1 << 30
    rows: int = 0
    computed_rows: float = 0.0
    windows: list = field(default_factory=list)

    def check(self) -> None:
        if len(self.windows) >= self.stop_after:
            raise Interrupted(15)

    def read(self, rows: int) -> None:
        self.rows += rows

    def computed(self, rows: float) -> None:
        self.computed_rows += rows

    def wrote(self, window) -> None:
        self.windows.append(window)
