"""A gate moves two links, in an order in which a kill costs nothing, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.automation.gate import no_rival, promote, refuse_in_use
from scorer.automation.planned_step import PlannedStep
from scorer.config import CheckConfig, DiffConfig, FitConfig, GateConfig
from scorer.errors import InputMissing, OutputRefused
from scorer.stores.folder import Folder


@pytest.fixture(autouse=True)
def _models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        Path("models", name).mkdir(parents=True)


def links() -> dict[str, str]:
    return {path.name: str(path.readlink()) for path in Path("models").iterdir() if path.is_symlink()}


def test_the_new_model_takes_the_place_and_the_old_one_is_kept():
    assert promote(GateConfig(model="models/a"))
    assert links() == {"latest": "a"}
    assert promote(GateConfig(model="models/b"))
    assert links() == {"latest": "b", "latest-previous": "a"}
    assert not promote(GateConfig(model="models/b"))
    assert links() == {"latest": "b", "latest-previous": "a"}


def test_another_link_has_a_model_of_its_own():
    promote(GateConfig(model="models/a"))
    gate = GateConfig(model="models/b", link="models/reviews", previous="models/before")
    promote(gate)
    promote(GateConfig(model="models/c", link="models/reviews", previous="models/before"))
    assert links() == {"latest": "a", "reviews": "c", "before": "b"}


def test_a_kill_between_the_links_leaves_the_old_model_in_use(monkeypatch):
    promote(GateConfig(model="models/a"))
    promote(GateConfig(model="models/b"))
    point_to = Folder.point_to

    def killed(self: Folder, target: Folder) -> None:
        if self.name == "latest":
            raise KeyboardInterrupt
        point_to(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "point_to", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(GateConfig(model="models/c"))
    assert links() == {"latest": "b", "latest-previous": "b"}
    assert promote(GateConfig(model="models/c"))
    assert links() == {"latest": "c", "latest-previous": "b"}


def test_what_is_no_link_is_not_replaced():
    Path("models/latest").mkdir()
    with pytest.raises(OutputRefused, match="models/latest: not a symbolic link"):
        promote(GateConfig(model="models/a"))
    with pytest.raises(OutputRefused, match="models/c: not a symbolic link"):
        promote(GateConfig(model="models/a", link="models/x", previous="models/c"))
    assert links() == {}


def test_a_model_that_is_not_there_is_missing():
    with pytest.raises(InputMissing, match="models/none: no such model"):
        promote(GateConfig(model="models/none"))


def step(command: str, config: object) -> PlannedStep:
    return PlannedStep(command, command, (), config, frozenset())


def test_two_models_are_compared_where_there_are_two():
    gate = GateConfig(model="models/a/")
    diff = step("diff", DiffConfig(old="./models/latest", new="models/a", data="x"))
    assert no_rival(gate, diff) == "no model is in use to compare with"
    promote(GateConfig(model="models/b"))
    assert no_rival(gate, diff) is None
    promote(gate)
    assert no_rival(gate, diff) == "the model is in use already"
    assert no_rival(gate, step("diff", DiffConfig(old="models/latest", new="models/c", data="x"))) is None
    assert no_rival(gate, step("diff", DiffConfig(old="models/b", new="models/a", data="x"))) is None
    assert no_rival(gate, step("check", CheckConfig(data="x"))) is None
    Path("models/latest").unlink()
    Path("models/latest").symlink_to("gone")
    assert no_rival(gate, diff) is None  # a link to nothing is for the step to refuse


def test_a_fit_does_not_replace_the_model_in_use():
    gate = GateConfig(model="models/a")
    fit = step("fit", FitConfig(train="x", output="models/a"))
    refuse_in_use(gate, fit)
    promote(gate)
    with pytest.raises(OutputRefused, match=r"models/a: is in use \(models/latest points to it\)"):
        refuse_in_use(gate, fit)
    refuse_in_use(gate, step("fit", FitConfig(train="x", output="models/new")))
    refuse_in_use(gate, step("check", CheckConfig(data="x")))
