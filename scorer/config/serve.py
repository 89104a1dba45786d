"""What can be set of the server: what it answers from, where it listens, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    LATEST_MODEL,
    BackendSetting,
    BatchTokensSetting,
    DeviceSetting,
    PrecisionSetting,
    QuietSetting,
)
from scorer.config.score import (
    ExpectedSetting,
    FrameConfig,
    MaxLengthSetting,
    ProbabilitiesSetting,
    TokenCountSetting,
    TopKSetting,
)
from scorer.config.settings import Checked, Setting
from scorer.errors import UsageError

_HIGHEST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class ServeConfig(Checked):
    """One server, which answers from one model or from several."""

    # what answers
    model: Annotated[
        tuple[str, ...],
        Setting(
            "Model directory or hub name; several times for several models, each as NAME=MODEL.",
            affects=("logits", "answers"),
            known_by="content",
            short="-m",
            metavar="MODEL",
        ),
    ] = (LATEST_MODEL,)
    max_length: MaxLengthSetting = None
    reload: Annotated[
        bool,
        Setting("Take another model when its directory changes, as when models/latest moves.", affects="nothing"),
    ] = True

    # where it listens
    host: Annotated[str, Setting("Address to listen at.", affects="nothing")] = "127.0.0.1"
    port: Annotated[int, Setting("Port to listen at; 0 for any that is free.", affects="nothing", minimum=0)] = 8080
    token: Annotated[
        Path | None,
        Setting(
            "File with the token that requests must bring (Authorization: Bearer).", affects="nothing", metavar="FILE"
        ),
    ] = None

    # what comes out, where a request does not say
    probabilities: ProbabilitiesSetting = False
    expected: ExpectedSetting = False
    top_k: TopKSetting = None
    token_count: TokenCountSetting = False

    # what is refused
    max_body: Annotated[int, Setting("Most bytes of a request.", affects="nothing", metavar="N", minimum=1)] = 8 << 20
    max_texts: Annotated[int, Setting("Most texts of a request.", affects="nothing", metavar="N", minimum=1)] = 1024
    max_characters: Annotated[int, Setting("Most characters of a text.", affects="nothing", metavar="N", minimum=1)] = (
        100_000
    )
    queue: Annotated[
        int,
        Setting("Most texts of a model that wait; what is beyond is told to try later.", affects="nothing", minimum=1),
    ] = 16_384
    body_seconds: Annotated[
        float, Setting("A request must have arrived within S seconds.", affects="nothing", metavar="S", minimum=0.001)
    ] = 30.0
    drain_seconds: Annotated[
        float,
        Setting(
            "When asked to stop, answer what has arrived, for S seconds at most.",
            affects="nothing",
            metavar="S",
            minimum=0.0,
        ),
    ] = 30.0

    # how it is computed
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    backend: BackendSetting = "auto"
    batch_tokens: BatchTokensSetting = None
    quiet: QuietSetting = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.port > _HIGHEST_PORT:
            raise UsageError(f"--port {self.port}: {_HIGHEST_PORT} is the most")
        if not self.model:
            raise UsageError("--model: name at least one model")

    def frame(self, model: str) -> FrameConfig:
        """How rows are scored by the model that is found under the name `model`."""
        shared = {field.name for field in fields(FrameConfig)} & {field.name for field in fields(self)}
        return FrameConfig(**{name: getattr(self, name) for name in shared} | {"model": model})
