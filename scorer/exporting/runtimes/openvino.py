"""OpenVINO: its intermediate representation, and quantization by NNCF."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
from contextlib import redirect_stdout
from pathlib import Path

from scorer.classifier.forward.openvino import OpenVinoForward, convert, is_installed, read, save
from scorer.classifier.loading import LoadedModel
from scorer.classifier.parts import foreign
from scorer.exporting.runtimes.runtime import Runtime, Samples


def _why_not(int8: bool) -> str | None:
    if not is_installed():
        return "not installed; pip install 'scorer[openvino]'"
    if int8 and importlib.util.find_spec("nncf") is None:
        return "--int8 needs nncf, which is not installed; pip install 'scorer[openvino-int8]'"
    return None


def _write(loaded: LoadedModel, path: Path) -> None:
    with foreign(f"{loaded.directory.name}: cannot be exported"):
        converted = convert(loaded.model, loaded.feed)
    save(converted, path)


def _open(path: Path, loaded: LoadedModel, threads: int) -> OpenVinoForward:
    return OpenVinoForward(path, feed=loaded.feed, precision="fp32", streams=1, threads=threads)


def _quantize(source: Path, target: Path, samples: Samples) -> None:
    """Weights and what they are multiplied with in 8 bits, with scales that suit `samples`."""
    # Or it reports its use to a server.
    os.environ["NNCF_CI"] = "1"
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    dataset = nncf.Dataset([dict(sample) for sample in samples])
    with redirect_stdout(io.StringIO()):  # its progress
        model = nncf.quantize(read(source), dataset, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
    save(model, target)


RUNTIME = Runtime(
    title="OpenVINO",
    model_file="openvino_model.xml",
    libraries=("openvino",),
    quantizers=("nncf",),
    why_not=_why_not,
    write=_write,
    quantize=_quantize,
    open=_open,
    imports="openvino",
    lines=(
        "# Without the hint, processors that multiply bf16 compute in it.",
        'hints = {"INFERENCE_PRECISION_HINT": "f32"}',
        'model = openvino.Core().compile_model("openvino_model.xml", "CPU", hints)',
        "logits = model(given)[0].astype(np.float64)",
    ),
)
