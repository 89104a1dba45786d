"""The results as a page: Markdown tables, one a workload, under what they were measured on.

Owns the wording and the rounding. Pure: results in, text out.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.peers import BASELINE
from harness.results import PeerResult, WorkloadResult

_HEAD = (
    "peer",
    "form",
    "real tokens/s",
    "slowest to fastest",
    f"times {BASELINE}",
    "of bf16 ceiling",
    "padding",
    "labels flipped",
    "largest probability difference",
    "load s",
    "file s",
    "both s",
    "peak MiB",
    "of it loaded",
    "setting",
)
_LEFT = {"peer", "form", "setting"}


def page(
    results: list[WorkloadResult], *, machine: Mapping[str, str], versions: Mapping[str, str], command: str
) -> str:
    """The whole page."""
    parts = [
        "# Scoring speed",
        "Written by `score_speed.py`; what the columns mean stands in [README.md](README.md).",
        f"    {command}",
        _facts({**machine, **versions}),
        *(section(result) for result in results),
    ]
    return "\n\n".join(parts) + "\n"


def section(result: WorkloadResult) -> str:
    """A workload's heading, its table, the peers that were left out, and stage shares where they are known."""
    workload = result.workload
    ceilings = ", ".join(f"{result.ceiling(name) / 1e9:,.0f} GFLOP/s {name}" for name in result.ceilings[0])
    about = (
        f"{workload.origin}: {workload.rows:,} rows, {result.tokens:,} tokens, at most {workload.max_length} a text. "
        f"Matrix products: {ceilings}; {result.flop_per_token / 1e6:.1f} MFLOP a token, so that the bf16 ceiling is "
        f"{result.ceiling('bf16') / result.flop_per_token:,.0f} tokens/s."
    )
    ordered = sorted(result.measured, key=lambda peer: peer.speed)
    rows = [_row(result, peer) for peer in ordered]
    busy = [f"- {peer.name}: {_shares(peer.runs[-1].busy)}" for peer in ordered if peer.runs[-1].busy]
    failed = [f"- {peer.name}: {peer.failure}" for peer in result.peers if peer.failure is not None]
    parts = [f"## {workload.name}", about, _table(rows)]
    parts += ["Busy share of the stages:", "\n".join(busy)] if busy else []
    parts += ["Left out:", "\n".join(failed)] if failed else []
    return "\n\n".join(parts)


def _row(result: WorkloadResult, peer: PeerResult) -> list[str]:
    assert peer.loaded is not None
    slowest, fastest = peer.speeds
    ratio = result.ratio(peer, BASELINE)
    agreement = peer.agreement
    return [
        peer.name,
        peer.form,
        f"{peer.speed:,.0f}",
        f"{slowest:,.0f} to {fastest:,.0f}",
        _known(ratio, "{:.2f}"),
        f"{result.ceiling_share(peer):.1%}",
        _known(peer.padding, "{:.1%}"),
        _known(None if agreement is None else agreement.flipped_share, "{:.2%}"),
        _known(None if agreement is None else agreement.largest_difference, "{:.1e}"),
        f"{peer.seconds_with_load - peer.seconds:.2f}",
        f"{peer.seconds:.2f}",
        f"{peer.seconds_with_load:.2f}",
        f"{peer.peak_mib:,.0f}",
        f"{peer.loaded.resident_mib:,.0f}",
        peer.about,
    ]


def _known(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def _table(rows: list[list[str]]) -> str:
    line = ["---" if name in _LEFT else "---:" for name in _HEAD]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [list(_HEAD), line, *rows])


def _facts(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _shares(busy: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {share:.0%}" for stage, share in busy.items())
