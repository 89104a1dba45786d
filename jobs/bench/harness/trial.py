"""One peer on one workload, in the process that was started for it: load, check, tune, run.

Owns the clock. Runs through `processes.Remote`, so everything that goes in or out can be pickled.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harness import memory
from harness.expected import check_ids, expected_ids
from harness.peers import PEERS, Setup
from harness.workloads import texts_of

# Rows whose token ids are compared, and that settings are tried on: enough to tell settings apart, few for slow peers.
SAMPLE_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What loading took, and what it left resident, in MiB."""

    seconds: float
    resident_mib: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """One pass over a file. `computed_tokens` counts padding too; None where nobody knows.

    `whole_seconds` is None for a peer whose model stays loaded; else it is `seconds` with the loading that was done.
    """

    seconds: float
    whole_seconds: float | None = None
    computed_tokens: int | None
    peak_mib: float
    busy: dict[str, float] = field(default_factory=dict)


class Trial:
    """The peer `name`; `source` is the file to score, `target` where to."""

    def __init__(self, name: str, setup: Setup, source: Path, target: Path) -> None:
        self._entry = PEERS[name]
        self._setup = setup
        self._source = source
        self._target = target

    def load(self) -> Loaded:
        """Load the peer; importing libraries and exporting the model come before the clock starts.

        Libraries import more of themselves when a model is loaded, so it is the second loading that is timed.
        """
        self._entry.prepare(self._setup)
        self._entry.load(self._setup)
        started = time.perf_counter()
        self._peer = self._entry.load(self._setup)
        return Loaded(seconds=time.perf_counter() - started, resident_mib=memory.resident_mib())

    def check(self, reference: Path) -> None:
        """ValueError unless the peer's token ids on a sample of the rows are those of the reference file."""
        texts = texts_of(self._source, self._setup.column)
        rows = _spread(len(texts))
        check_ids(self._peer.token_ids([texts[row] for row in rows]), expected_ids(reference, rows))

    def tune(self) -> str:
        """Warm the peer up, try its choices on a sample of the rows and keep the fastest; what it runs with."""
        sample = self._target.with_name(f"sample-{self._target.name}")
        table = pq.read_table(self._source)
        pq.write_table(table.take(_spread(table.num_rows)), sample)
        seconds: dict[Any, float] = {}
        for choice in self._peer.choices:
            self._peer.choose(choice)
            # The first pass warms up; a single choice needs no comparison.
            passes = [self._seconds(sample) for _ in range(3 if len(self._peer.choices) > 1 else 1)]
            seconds[choice] = min(passes[1:] or passes)
        self._peer.choose(min(seconds, key=lambda choice: seconds[choice]))
        sample.unlink()
        return self._peer.about

    def run(self) -> Run:
        """One timed pass over the whole file."""
        memory.forget_peak()
        seconds = self._seconds(self._source)
        stream_seconds = self._peer.stream_seconds
        # Some peers count what they computed only when asked, which takes memory of its own.
        peak_mib = memory.peak_mib()
        return Run(
            seconds=seconds if stream_seconds is None else stream_seconds,
            whole_seconds=None if stream_seconds is None else seconds,
            computed_tokens=self._peer.computed_tokens,
            peak_mib=peak_mib,
            busy=dict(self._peer.busy),
        )

    def describe(self) -> str:
        """What the peer runs with."""
        return self._peer.about

    def versions(self) -> dict[str, str]:
        """The versions of the libraries that this process has loaded and that matter for speed."""
        names = ("torch", "transformers", "tokenizers", "sentence_transformers", "onnxruntime", "openvino", "pyarrow")
        found = {name: sys.modules[name] for name in names if name in sys.modules}
        return {name: str(getattr(module, "__version__", "?")) for name, module in found.items()}

    def _seconds(self, source: Path) -> float:
        started = time.perf_counter()
        self._peer.score(source, self._target)
        return time.perf_counter() - started


def _spread(rows: int) -> list[int]:
    """At most SAMPLE_ROWS rows, evenly spread."""
    count = min(rows, SAMPLE_ROWS)
    return [row * rows // count for row in range(count)]
