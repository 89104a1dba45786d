"""What the crash tests share: one launcher, and small jobs whose outcome is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.torture.launcher import Launcher
from tests.torture.scene import Jobs


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with closing(Launcher(tmp_path_factory.mktemp("launcher"))) as launcher:
        yield launcher


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher, tiny_model) -> Jobs:
    return Jobs(tmp_path_factory.mktemp("jobs"), launcher, tiny_model())
