"""The section of several seeds."""

from __future__ import annotations

from scorer.reports.learning import SeedFigures, seed_section


def test_a_figure_that_one_seed_lacks_is_an_empty_cell() -> None:
    """A fit that keeps no row has no accuracy of the rows it keeps."""
    seeds = [SeedFigures(1, True, {"accuracy": 0.5}), SeedFigures(2, False, {"accuracy": 0.25, "coverage": 0.125})]
    for order in (seeds, seeds[::-1]):
        page = seed_section(order)
        assert all(figure in page for figure in ("0.5000", "0.2500", "0.1250"))
        assert page.count("<td") + page.count("<th ") + page.count("<th>") == 9


def test_a_single_seed_has_no_section() -> None:
    assert seed_section([SeedFigures(1, True, {"accuracy": 0.5})]) == ""
