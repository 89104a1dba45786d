"""`--dry-run`: what a score job will cost, from a sample of its rows and a few seconds on its device.

Draws the sample, times a few batches of it and works out the whole. Writes nothing.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.sequences import EncodedInputs
from scorer.config import ScoreConfig
from scorer.records.document import to_document
from scorer.runs.background_store import BackgroundStore
from scorer.runs.console import Console
from scorer.runs.manifest import peak_memory_mib
from scorer.runs.score_store import ScoreStore, score_file
from scorer.scoring.answers import count_statuses
from scorer.scoring.cache import ScoreCache
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.flips.early_rows import OF_A_STREAM, EarlyRows
from scorer.scoring.flips.sample import LEAST_ROWS, SampleSize
from scorer.scoring.limits import Limits
from scorer.scoring.preparation import PreparedJob, check, logit_fingerprint
from scorer.scoring.scorer import Model, Scorer, ScorerSpec
from scorer.scoring.windows import EncodedWindow, Window, score_dtype

_PROBE_SECONDS = 4.0
_PROBES = 12
# What a bound asks of a sample may take hours; then a dry run does not tell what would come of it.
_SAMPLE_SECONDS = 60.0
# So many rows tell what a row of it takes.
_TIMED_ROWS = 1_000
# Windows that the stages of the pipeline hold at once: one in each of four hands and one in each of three queues.
_WINDOWS_IN_FLIGHT = 7


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job will cost. Counts are of the whole input, scaled up from `sampled_rows` where it is larger.

    `rejected` malformed records are no rows. `statuses` counts the sample's rows by what is known before the model
    runs; `truncated_share`, `duplicate_share` and `cached_share` are shares of the rows with a text. Times are seconds,
    memory is MiB (resident, at its peak). `flips` tells of a job with --max-flips which share of the whole model's work
    it does, how many times as fast as the exact job it is for that, or why it is exact; the seconds are those of the
    job itself. Where the sample that would tell takes too long, `untold` says so, and the seconds are those of the
    exact job.
    """

    rows: int
    rejected: int
    unread_files: dict[str, Any]
    sampled_rows: int
    statuses: dict[str, int]
    tokens: int
    truncated_share: float
    duplicate_share: float
    cached_share: float
    seconds: float
    load_seconds: float
    stream_seconds: float
    peak_memory_mib: int
    flips: dict[str, Any] | None
    engine: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        document = asdict(self)
        if self.flips is None:
            del document["flips"]
        return document


def estimate(config: ScoreConfig, console: Console, *, started: float) -> Estimate:
    """Check the job as `score` does, then estimate its cost; what is wrong with it is raised as a ScorerError.

    `started` is the time.monotonic() from which loading counts, before the imports of this very module.
    """
    # Limits and columns are made for what is wrong with them: it is said now, and not by the job.
    Limits.of(config)
    bound = FlipBound.of(config)
    checked = check(config)
    try:
        prepared = checked.read()
    finally:
        if checked.rejects is not None:
            checked.rejects.discard()
    scorer = Scorer.build(ScorerSpec.of(config), prepared.directory)
    load_seconds = time.monotonic() - started
    sample = _Sample(prepared, scorer)
    forward_seconds = _forward_seconds(scorer.model, sample.encoded.fresh)
    why_exact = scorer.model.why_not_early or (OF_A_STREAM if prepared.arrives else None)
    untold = sample.why_untold(bound, prepared, scorer) if bound is not None and why_exact is None else None
    early = None
    if bound is not None and untold is None:
        early = sample.early_rows(bound, prepared, scorer, exact=why_exact)
    work = early.expected_work(sample.rows) if early is not None else 1.0
    whole_seconds, forward_seconds = forward_seconds, forward_seconds * work
    host_seconds = sample.read_seconds + sample.encode_seconds
    on_cpu = scorer.engine.device == "cpu"
    # On a CPU all stages share the cores; beside a GPU they overlap with it.
    sample_seconds = host_seconds + forward_seconds if on_cpu else max(host_seconds, forward_seconds)
    stream_seconds = sample_seconds * sample.scale
    found = Estimate(
        rows=sample.rows,
        rejected=prepared.rejected,
        unread_files=prepared.source.unread.as_dict(),
        sampled_rows=sample.sampled_rows,
        statuses=count_statuses(sample.encoded.status),
        tokens=round(sample.tokens * sample.scale),
        truncated_share=sample.truncated_share,
        duplicate_share=sample.duplicate_share,
        cached_share=sample.cached_share,
        seconds=round(load_seconds + stream_seconds, 2),
        load_seconds=round(load_seconds, 2),
        stream_seconds=round(stream_seconds, 2),
        peak_memory_mib=_peak_memory(sample),
        flips=None
        if bound is None
        else {
            "exact": early.certificate(Counter()).exact if early is not None else None,
            "untold": untold,
            "work": round(work, 4) if early is not None else None,
            "times_as_fast": _times_as_fast(host_seconds + whole_seconds, host_seconds + forward_seconds)
            if early is not None
            else None,
        },
        engine=to_document(scorer.engine),
    )
    for warning in (*prepared.source.unread.warnings(), *prepared.reader.warnings, *scorer.concerns):
        console.warn(warning)
    _tell(found, console)
    return found


def _times_as_fast(exact: float, early: float) -> float:
    return round(exact / early, 2) if early else 1.0


class _Sample:
    """The first window of the input, encoded as the job would."""

    def __init__(self, prepared: PreparedJob, scorer: Scorer) -> None:
        begun = time.monotonic()
        windows = prepared.windows()
        table = next(windows, pa.Table.from_batches([], prepared.reader.schema))
        self.read_seconds = time.monotonic() - begun
        self._table = table
        self.sampled_rows: int = table.num_rows
        known = prepared.rows
        self.rows = known if known is not None else table.num_rows + sum(rest.num_rows for rest in windows)
        self.window_bytes: int = table.nbytes
        begun = time.monotonic()
        self.encoded = _encode(prepared, scorer, Window(0, table, prepared.text_columns))
        self.encode_seconds = time.monotonic() - begun
        self._measure(self.encoded)

    @property
    def scale(self) -> float:
        """How many times the sample the input is."""
        return self.rows / self.sampled_rows if self.sampled_rows else 0.0

    def early_rows(self, bound: FlipBound, prepared: PreparedJob, scorer: Scorer, *, exact: str | None) -> EarlyRows:
        """The rows that leave the model early where all are like those of the sample; none for the reason `exact`."""
        found = EarlyRows(
            bound,
            model=scorer.model.early,
            encode=scorer.encode,
            text_columns=prepared.text_columns,
            exact=exact,
        )
        found.begin(
            lambda: self._first(prepared, max(SampleSize.of(self.rows, share=bound.share).total, LEAST_ROWS)),
            seed=prepared.source.shard.fingerprint,
            check=lambda: None,
            rows_of_file=self.rows,
        )
        return found

    def why_untold(self, bound: FlipBound, prepared: PreparedJob, scorer: Scorer) -> str | None:
        """Why it is not worth a dry run to find out what becomes of a `bound`; None where it is."""
        sample = min(SampleSize.of(self.rows, share=bound.share).total, self.rows)
        if sample <= LEAST_ROWS:
            return None
        # The sample is scored whatever is known of its rows.
        rows = scorer.encode(Window(0, self._table.slice(0, _TIMED_ROWS), prepared.text_columns)).fresh
        seconds = _forward_seconds(scorer.model, rows) * sample / max(len(rows), 1)
        if seconds <= _SAMPLE_SECONDS:
            return None
        return f"a bound so small takes a sample of {sample:,} rows, about {seconds:.0f} s"

    def _first(self, prepared: PreparedJob, wanted: int) -> Iterator[pa.Table]:
        """The first windows, as many as have the `wanted` rows."""
        if self.sampled_rows >= min(self.rows, wanted):
            yield self._table
            return
        rows = 0
        for table in prepared.windows():
            yield table
            rows += table.num_rows
            if rows >= wanted:
                return

    def _measure(self, encoded: EncodedWindow) -> None:
        """Tokens and shares by rows: an input that many rows have counts as often."""
        tokens, truncated = encoded.scores["tokens"], encoded.scores["truncated"]
        texts = max(len(encoded.inputs), 1)
        self.tokens = int(tokens[encoded.inputs].sum())
        self.truncated_share = round(float(truncated[encoded.inputs].sum()) / texts, 4)
        self.cached_share = round(float(encoded.known[encoded.inputs].sum()) / texts, 4)
        self.duplicate_share = round(1.0 - len(tokens) / texts, 4) if len(encoded.inputs) else 0.0


def _encode(prepared: PreparedJob, scorer: Scorer, window: Window) -> EncodedWindow:
    config = prepared.config
    if not config.reuse:
        return scorer.encode(window)
    fingerprint = logit_fingerprint(prepared.config, prepared.directory, scorer.engine)
    width = score_dtype(len(scorer.labels)).itemsize
    kept = score_file(config.cache, fingerprint) if config.cache else None
    # Nothing is added, so no run is begun.
    with closing(ScoreStore(kept, width=width, only_read=True)) as store:
        return scorer.encode(window, ScoreCache(store, BackgroundStore(store), run=0, fingerprint=fingerprint))


def _forward_seconds(model: Model, inputs: EncodedInputs) -> float:
    """Seconds to compute `inputs`: a few batches between the longest and the shortest are timed, a token's time in
    the others is interpolated by length."""
    lengths = inputs.lengths
    batches = model.plan(lengths)
    if not batches:
        return 0.0
    side_by_side = model.engine.workers
    _compute(model, inputs, [batches[0]] * side_by_side)
    chosen = np.unique(np.linspace(0, len(batches) - 1, _PROBES).astype(int))
    longest: list[float] = []
    seconds_a_token: list[float] = []
    deadline = time.monotonic() + _PROBE_SECONDS
    # Every second one first, so that a slow device is probed over all lengths before time is up.
    for place in (*chosen[::2], *chosen[1::2]):
        begun = time.monotonic()
        if longest and begun > deadline:
            break
        rows = batches[place]
        _compute(model, inputs, [rows] * side_by_side)
        longest.append(float(lengths[rows].mean()))
        seconds_a_token.append((time.monotonic() - begun) / side_by_side / float(lengths[rows].sum()))
    return _interpolated(lengths, batches, np.array(longest), np.array(seconds_a_token))


def _compute(model: Model, inputs: EncodedInputs, plan: list[NDArray[np.int64]]) -> None:
    deque(model.forward(inputs, plan), maxlen=0)


def _interpolated(
    lengths: NDArray[np.int64],
    batches: list[NDArray[np.int64]],
    probed: NDArray[np.float64],
    seconds_a_token: NDArray[np.float64],
) -> float:
    """Seconds for all `batches`, from a token's time at the `probed` mean lengths."""
    order = np.argsort(probed)
    means = np.array([lengths[rows].mean() for rows in batches])
    tokens = np.array([lengths[rows].sum() for rows in batches])
    return float((tokens * np.interp(means, probed[order], seconds_a_token[order])).sum())


def _peak_memory(sample: _Sample) -> int:
    """MiB: what this process has needed for one window, and the further windows that a run has in flight."""
    further = min(_WINDOWS_IN_FLIGHT - 1, max(int(np.ceil(sample.scale)) - 1, 0))
    return peak_memory_mib() + further * (sample.window_bytes >> 20)


def _tell(found: Estimate, console: Console) -> None:
    console.say(
        f"{found.rows:,} rows, {found.tokens:,} tokens (from the first {found.sampled_rows:,} rows): "
        f"{found.truncated_share:.1%} truncated at {found.engine['max_length']} tokens, "
        f"{found.duplicate_share:.1%} duplicates, {found.cached_share:.1%} in the cache"
    )
    console.say(
        f"about {found.seconds:.0f} s ({found.load_seconds:.0f} s to load) and {found.peak_memory_mib:,} MiB "
        f"with {found.engine['backend']} in {found.engine['precision']} on {found.engine['device']}"
    )
    if found.flips is not None:
        exact, untold = found.flips["exact"], found.flips["untold"]
        told = f"about {found.flips['times_as_fast']:.1f} times as fast as without it" if untold is None else ""
        told = f"exact: {exact}" if exact else told or f"how fast is not told: {untold}"
        console.say(f"--max-flips: {told}")
