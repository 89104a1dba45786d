"""The results as a picture: a bar a peer, a panel a workload, scorer's own bars in another colour."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from harness.results import WorkloadResult

_COLOURS = {"documented": "#9aa5b1", "tuned": "#52708f", "ablation": "#b9c9d9", "scorer": "#d9622b"}
_BAR_INCHES = 0.3


def draw(results: list[WorkloadResult], path: Path) -> None:
    """Write a PNG to `path`: one panel a workload, real tokens a second, whiskers from the slowest to the fastest."""
    bars = [len(result.measured) + 2 for result in results]
    figure, panels = pyplot.subplots(
        len(results), 1, figsize=(9, _BAR_INCHES * sum(bars) + 0.6 * len(results)), height_ratios=bars, squeeze=False
    )
    for result, panel in zip(results, panels[:, 0], strict=True):
        _panel(panel, result)
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS.values()]
    panels[0, 0].legend(handles, list(_COLOURS), loc="lower right", bbox_to_anchor=(0.88, 0), frameon=False)
    panels[-1, 0].set_xlabel("real tokens a second, file to file")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _panel(panel: Axes, result: WorkloadResult) -> None:
    peers = sorted(result.measured, key=lambda peer: peer.speed)
    speeds = [peer.speed for peer in peers]
    spreads = [peer.speeds for peer in peers]
    errors = [
        [speed - low for speed, (low, _) in zip(speeds, spreads, strict=True)],
        [high - speed for speed, (_, high) in zip(speeds, spreads, strict=True)],
    ]
    names = [peer.name for peer in peers]
    panel.barh(names, speeds, xerr=errors, color=[_COLOURS[peer.form] for peer in peers], ecolor="#333333", capsize=2)
    for place, (speed, (_, high)) in enumerate(zip(speeds, spreads, strict=True)):
        panel.annotate(f"{speed:,.0f}", (high, place), xytext=(4, 0), textcoords="offset points", va="center", size=8)
    ceiling = result.ceiling("bf16") / result.flop_per_token
    panel.axvline(ceiling, color="#333333", linestyle=":", linewidth=1)
    panel.annotate("bf16\nceiling", (ceiling, 0), xytext=(4, 0), textcoords="offset points", size=8)
    panel.set_title(f"{result.workload.name}: {result.workload.origin}", loc="left", fontsize=9)
    panel.set_xlim(0, max([ceiling, *speeds]) * 1.12)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="y", labelsize=8)
