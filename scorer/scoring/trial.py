"""A trial of a model: whether it is what it says, and scores a text here."""

from __future__ import annotations

import time
from typing import Final

from scorer.classifier.directory import find_model
from scorer.config import FrameConfig
from scorer.errors import DeviceError, ModelError, ScorerError, from_os_error
from scorer.records.condition import Condition
from scorer.scoring.frames import FrameScorer
from scorer.scoring.inspection import verify_model
from scorer.stores.object_path import is_object

_TEXT: Final = "A text that says little."


def try_model(name: str, *, device: str, network: bool) -> tuple[Condition, ScorerError | None]:
    """How the model `name` is, and the error where it is broken, or cannot be read or used on `device`.

    Without `network` a model in an object store is not looked at; one of the hub is what the environment allows.
    """
    if is_object(name) and not network:
        return Condition("model", "note", f"{name} lies in an object store; --network looks at it"), None
    try:
        return _tried(name, device), None
    except ScorerError as error:
        refusal = error
    except OSError as error:
        refusal = from_os_error(error)
    except MemoryError:
        refusal = DeviceError(f"{name}: no memory left to load it; see what else is there")
    advice = (f"fit or copy {name} again, or name another model with -m",) if isinstance(refusal, ModelError) else ()
    return Condition("model", "wrong", str(refusal), advice, {"model": name}), refusal


def _tried(model: str, device: str) -> Condition:
    verified = verify_model(model)
    if verified.error is not None:
        raise verified.error
    scorer = FrameScorer(FrameConfig(model=model, device=device))
    started = time.monotonic()
    pairs = [_TEXT] if len(scorer.fitted_columns) == 2 else None
    (answer,) = scorer.score_texts([_TEXT], pairs)
    seconds = time.monotonic() - started
    engine, path = scorer.engine, str(find_model(model))
    said = (
        f"{model} ({path}): every file and weight is sound; a text is scored with {engine.backend}, {engine.precision}"
    )
    details = {
        "model": model,
        "path": path,
        "labels": len(scorer.labels.names),
        "backend": engine.backend,
        "status": answer["score_status"],
        "seconds": round(seconds, 3),
    }
    return Condition("model", "ok", said, details=details)
