"""`report.html`: what a fit achieved, as one file that needs nothing else.

Owns which sections the page has and their order. Does not know how figures were computed or are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.classifier.decision import Decision
from scorer.metrics.classification import Metrics
from scorer.reports.learning import Evaluation, learning_section
from scorer.reports.page import definitions, page, section
from scorer.reports.sections import calibration_section, confusion_section, headline, label_section


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows.

    `metrics` are those of the validation rows with calibrated probabilities, `raw` those before calibration.
    `configuration` and `lineage` are printed as they come, name by name.
    """

    title: str
    metrics: Metrics
    raw: Metrics
    decision: Decision
    history: Sequence[Evaluation]
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> str:
        """The page, a complete HTML document."""
        return page(
            self.title,
            (
                headline(self.metrics, rows="validation rows"),
                label_section(self.metrics),
                confusion_section(self.metrics),
                learning_section(self.history),
                calibration_section(self.metrics, self.raw, self.decision),
                section("Configuration", definitions(self.configuration)),
                section("Lineage", definitions(self.lineage)),
            ),
        )
