"""`report.html`, the page of `scorer adapt`: what a model learned of texts without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.metrics.masked import MaskedFigures
from scorer.reports.fit_page import Evaluation, learning_section
from scorer.reports.page import Html, page, percent, section, table, tiles
from scorer.reports.sections import origin_sections


@dataclass(frozen=True)
class AdaptPage:
    """The figures `before` and `after` are of the same hidden tokens; `untrained` says that before there was a head
    that nobody had trained."""

    title: str
    before: MaskedFigures
    after: MaskedFigures
    untrained: bool
    history: Sequence[Evaluation]
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> Html:
        """The whole page."""
        after = self.after
        return page(
            self.title,
            [
                tiles([("perplexity", f"{after.perplexity:,.4g}"), ("masked accuracy", percent(after.accuracy))]),
                self._figures(),
                learning_section(self.history),
                origin_sections(self.configuration, self.lineage),
            ],
            lead=f"{after.tokens:,} hidden tokens of texts held out",
        )

    def _figures(self) -> Html:
        note = "Tokens of texts that were not learned from were hidden, the same ones before and after."
        if self.untrained:
            note += " Before, the head that fills them in was new, and nobody had trained it."
        pairs = [(name, getattr(self.before, name), getattr(self.after, name)) for name in _NAMES]
        rows = [(_NAMES[name], f"{old:,.4g}", f"{new:,.4g}") for name, old, new in pairs if new is not None]
        return section("Hidden tokens", table(("", "before", "after"), rows), note=note)


_NAMES = {
    "loss": "loss (nats a token)",
    "perplexity": "perplexity",
    "accuracy": "share filled in rightly",
    "next_accuracy": "share of pairs told rightly",
}
