"""The figures as a page: Markdown tables.

Owns the wording and the rounding. Pure: figures in, text out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

Figures = Sequence[Mapping[str, Any]]


def page(kept: Mapping[str, Mapping[str, Any]], *, versions: Mapping[str, str]) -> str:
    """The whole page. `kept` maps `experiment/variant/seed` to figures."""
    parts = [
        "# How good fitted models are",
        "Written by `make quality`; what is measured stands in [README.md](README.md). Mean over seeds, and lowest to "
        "highest where there are several.",
        _comparison(kept),
        _calibration(kept),
        _long(kept),
        _options(kept),
        _others(kept),
        "Measured with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _comparison(kept: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name in _variants(kept, "scorer"):
        ours, plain = _all(kept, "scorer", name), _all(kept, "plain", name)
        figures = [spread(each, pick) for pick in (_accuracy, _macro_f1) for each in (ours, plain)]
        seeds = sorted(set(_seeds(kept, "scorer", name)) & set(_seeds(kept, "plain", name)))
        pairs = [(kept[f"scorer/{name}/{seed}"], kept[f"plain/{name}/{seed}"]) for seed in seeds]
        ratio = f"{statistics.mean(a['seconds'] / b['seconds'] for a, b in pairs):.2f}" if pairs else ""
        rows.append((name, f"{len(ours)} and {len(plain)}", *figures, ratio))
    head = ("data", "seeds", "accuracy", "plain script", "macro F1", "plain script", "wall time, share of the script's")
    title = (
        "`scorer fit` with its defaults beside the plain Trainer script (bf16, batches of 32, 5e-5, 3 epochs), on the "
        "test files"
    )
    return _table(title, head, rows)


def _calibration(kept: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            name,
            spread(found, lambda one: one["raw"]["ece"]),
            spread(found, lambda one: one["ece"]),
            spread(found, lambda one: one["raw"]["macro_f1"]),
            spread(found, _macro_f1),
        )
        for name in _variants(kept, "scorer")
        if (found := _all(kept, "scorer", name))
    ]
    head = ("data", "ECE before", "ECE after", "macro F1 before", "macro F1 after")
    title = "Calibration and thresholds from the validation rows, on the test files (15 bins; before: threshold 0.5)"
    return _table(title, head, rows)


def _long(kept: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [(mode, spread(_all(kept, "long", mode), _accuracy)) for mode in _variants(kept, "long")]
    title = "Texts of several hundred words at 128 tokens (`--long-text`), 400 test rows"
    return _table(title, ("mode", "accuracy"), rows)


def _options(kept: Mapping[str, Mapping[str, Any]]) -> str:
    """Every way to fit; its time as a share of the first one's with the same seed."""
    variants = _variants(kept, "options")
    rows = []
    for name in variants:
        seeds = sorted(set(_seeds(kept, "options", name)) & set(_seeds(kept, "options", variants[0])))
        pairs = [(kept[f"options/{name}/{seed}"], kept[f"options/{variants[0]}/{seed}"]) for seed in seeds]
        ratio = f"{statistics.mean(a['seconds'] / b['seconds'] for a, b in pairs):.2f}" if pairs else ""
        rows.append((f"`{name}`", spread(_all(kept, "options", name), _accuracy), ratio))
    title = "Ways to fit: the first 2,000 rows of SST-2, on its test file"
    return _table(title, ("options", "accuracy", "wall time, share of the default's"), rows)


def _others(kept: Mapping[str, Mapping[str, Any]]) -> str:
    abstaining = [name for name in _variants(kept, "scorer") if "coverage" in _all(kept, "scorer", name)[0]]
    rows = [
        (f"`--abstain`, {name}: {what}", spread(_with(figure, _all(kept, "scorer", name)), itemgetter(figure)))
        for name in abstaining
        for what, figure in (("precision of the kept rows", "selective_accuracy"), ("share kept", "coverage"))
    ]
    rows += [
        (
            f"5 % of the labels turned, {name}: share of turned ones among as many first suspects",
            spread(_all(kept, "errors", name), _precision),
        )
        for name in _variants(kept, "errors")
    ]
    rows += [
        (f"`--no-extend-vocabulary`, {name}: accuracy", spread(_all(kept, "unextended", name), _accuracy))
        for name in _variants(kept, "unextended")
    ]
    return _table("Abstaining, finding wrong labels, and characters left unknown", ("", "measured"), rows)


def spread(found: Figures, pick: Callable[[Mapping[str, Any]], float]) -> str:
    """The mean of what `pick` takes from each, with the lowest and the highest; empty when there is none."""
    values = [pick(one) for one in found]
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def _accuracy(figures: Mapping[str, Any]) -> float:
    return float(figures["accuracy"])


def _macro_f1(figures: Mapping[str, Any]) -> float:
    return float(figures["macro_f1"])


def _precision(figures: Mapping[str, Any]) -> float:
    return float(figures["precision"])


def _with(figure: str, found: Figures) -> Figures:
    """Those that have the `figure`; a fit that keeps no row has no precision of them."""
    return [one for one in found if one[figure] is not None]


def _variants(kept: Mapping[str, Any], experiment: str) -> list[str]:
    return list(dict.fromkeys(key.split("/")[1] for key in kept if key.split("/")[0] == experiment))


def _seeds(kept: Mapping[str, Any], experiment: str, variant: str) -> list[str]:
    return [key.split("/")[2] for key in kept if key.split("/")[:2] == [experiment, variant]]


def _all(kept: Mapping[str, Mapping[str, Any]], experiment: str, variant: str) -> Figures:
    return [kept[f"{experiment}/{variant}/{seed}"] for seed in _seeds(kept, experiment, variant)]


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])
