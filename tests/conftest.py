"""What tests of every room share: the real data's folder, tiny models, the command line in a process of its own.

Nothing here imports torch or scorer until a fixture is asked for, so that a small test stays small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.reports.browser import Browser
    from tests.stores.buckets import Bucket

# Before any test imports transformers: a test that needs the network is a defect.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

ROOT = Path(__file__).parents[1]
# What scorer remembers of files for its user is not to be mixed with what it remembers of the tests'.
os.environ["XDG_CACHE_HOME"] = str(ROOT / ".cache" / "xdg")

RunScorer = Callable[..., "subprocess.CompletedProcess[str]"]
TinyModel = Callable[..., Path]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are no text go by their argument's name: a compressed file may hold the second it was made in.

    Processes that share the tests would find other tests each; pytest numbers names that are the same.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real data sets that SCORER_REALDATA names."""
    folder = os.environ.get("SCORER_REALDATA")
    if not folder:
        pytest.skip("SCORER_REALDATA is not set: it names the folder of real data sets")
    path = Path(folder)
    assert path.is_dir(), f"SCORER_REALDATA={folder} is no folder"
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """`tiny_model(architecture="bert", **options)`: a directory of `tests.models.make_model`, made once a session.

    Tests share it: copy it before changing it.
    """
    made: dict[str, Path] = {}

    def make(architecture: str = "bert", **options: Any) -> Path:
        from tests.models import make_model

        key = f"{architecture} {sorted(options.items())}"
        if key not in made:
            made[key] = make_model(tmp_path_factory.mktemp(architecture), architecture, **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled MiniLM with a fresh head: its pace is what users have, its answers mean nothing."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from scorer.classifier.base_model import bundled_directory
    from tests.models import FIVE_STARS

    bundled = bundled_directory()
    if bundled is None:
        pytest.skip("the extra `bundled` is not installed")
    directory = tmp_path_factory.mktemp("minilm")
    model = AutoModelForSequenceClassification.from_pretrained(bundled, num_labels=len(FIVE_STARS))
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(bundled).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What to start instead of `python -m scorer`, where it does not matter what is imported and when."""
    from tests.forks import ForkServer

    server = ForkServer(str(tmp_path_factory.mktemp("forks")), root=str(ROOT))
    yield server.command
    server.close()


@pytest.fixture
def run_scorer(tmp_path: Path, forked: list[str]) -> RunScorer:
    """`run_scorer("score", "in.csv", ...)`: run the command in the test's folder; exit code, stdout, stderr.

    With an `env` of its own it is a fresh interpreter, else a fork.
    """

    def run(
        *arguments: str | Path,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = tmp_path,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        # Settings of whoever runs the tests must not reach the command under test.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
        inherited["PYTHONPATH"] = str(ROOT)
        command = forked if env is None else [sys.executable, "-m", "scorer"]
        return subprocess.run(
            [*command, *map(str, arguments)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            env={**inherited, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 in this process, for all tests of a session."""
    from tests.stores.buckets import moto_server

    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, and an environment in which it is found."""
    return _bucket(s3_server, monkeypatch)


@pytest.fixture
def rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket of another implementation, and an environment in which it is found."""
    from tests.stores.buckets import rclone_server
    from tests.stores.faulty_proxy import FaultyProxy

    (tmp_path / "rclone").mkdir()
    with rclone_server(tmp_path / "rclone") as server, FaultyProxy(server, rate=0.0, seed=0) as proxy:
        yield _bucket(proxy.url, monkeypatch)


@pytest.fixture
def refusing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001
    """An environment in which every request to a store is refused."""
    from tests.stores.buckets import refusing_server

    with refusing_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield


def _bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    import uuid

    from tests.stores.buckets import Bucket

    made = Bucket(f"bucket-{uuid.uuid4().hex[:12]}", endpoint)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless browser of its own for each file of tests."""
    from tests.reports.browser import Browser, find_browser

    program = find_browser()
    if program is None:
        pytest.skip("no browser: put Chromium or Chrome on the PATH or name it in CHROME_BIN")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def _planned_kernels() -> Iterator[None]:
    """Attention by cuDNN is allowed, as torch has it at first; what the test changes is put back."""
    import torch

    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    torch.backends.cuda.enable_cudnn_sdp(before)
