"""The page of `scorer evaluate --report`: how good a model is on labelled rows, and where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.classifier.decision import Decision
from scorer.metrics.classification import Metrics
from scorer.metrics.judged_rows import Slice
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.breakdowns import TextLengths, length_section, prediction_section, slice_section, threshold_section
from scorer.reports.calibration import calibration_section
from scorer.reports.fit_page import hardest_section
from scorer.reports.page import Html, page, section
from scorer.reports.sections import (
    Remark,
    ShownRow,
    confusion_section,
    headline,
    label_section,
    origin_sections,
    remark_section,
    row_list,
)

_CALIBRATION = "Nothing of the calibration was fitted here: the model brought it along, from its validation rows."
_UNCALIBRATED = "The model brought no calibration along, and none was fitted here: the logits stay as they are."
_FOLDS = "Each fold's model was calibrated on rows that it held out, none of them of the fold that it judges."


@dataclass(frozen=True, kw_only=True)
class EvaluatePage:
    """What the page shows; `hardest` and `suspects` come with the worst first.

    metrics, raw  those of the rows with calibrated probabilities, and before calibration
    thresholds    what is left of the rows at each confidence, or what each threshold gives
    suspects      rows whose label is probably wrong, with the label suggested instead as `predicted`
    remarks       what there is to say about the figures, such as that the model was fitted on these rows
    ordered       whether the labels are numbers, whose order says more than their frequencies
    lengths       how long the rows' texts are; None where nobody counted
    calibrated    whether the model brought a calibration along
    folds         how many models judged the rows, each those that it had not seen; None for the model itself
    configuration, lineage  printed as they come, name by name
    """

    title: str
    lead: str = ""
    metrics: Metrics
    raw: Metrics
    decision: Decision
    slices: Sequence[Slice] = ()
    thresholds: Sequence[Threshold] | Sequence[LabelThreshold] = ()
    hardest: Sequence[ShownRow] = ()
    suspects: Sequence[ShownRow] = ()
    remarks: Sequence[Remark] = ()
    ordered: bool = False
    lengths: TextLengths | None = None
    calibrated: bool = True
    folds: int | None = None
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> str:
        """The page, a complete HTML document."""
        return page(
            self.title,
            (
                headline(self.metrics),
                remark_section("Before you read on", self.remarks),
                label_section(self.metrics, self.decision.thresholds),
                confusion_section(self.metrics),
                calibration_section(self.metrics, self.raw, note=self._calibration()),
                threshold_section(self.thresholds, abstain_below=self.decision.abstain_below),
                slice_section(self.slices, several=self.metrics.confusion is None),
                _suspects(self.suspects),
                hardest_section(self.hardest),
                self._frequencies(),
                length_section(self.lengths, of="evaluated text") if self.lengths is not None else Html(""),
                origin_sections(self.configuration, self.lineage),
            ),
            lead=self.lead,
        )

    def _frequencies(self) -> Html:
        labels = self.metrics.labels
        names, true = [label.name for label in labels], [label.support for label in labels]
        return prediction_section(names, true, [label.predicted for label in labels], ordered=self.ordered)

    def _calibration(self) -> str:
        if self.folds is not None:
            return _FOLDS
        return _CALIBRATION if self.calibrated else _UNCALIBRATED


def _suspects(rows: Sequence[ShownRow]) -> Html:
    note = (
        "Rows whose label the model contradicts with more certainty than is usual for that label (confident learning, "
        "Northcutt et al. 2021). The most suspicious come first; look before you change any."
    )
    shown = row_list(rows, truth="given label", predicted="perhaps") if rows else ""
    return section("Suspected label errors", shown, note=note)
