"""The model that is measured: a fitted classifier, so that a label that flips means something.

Owns its place in the cache folder. It is fitted by `scorer fit` from the bundled base model in one epoch, then stripped
of what only scorer reads, so that every peer opens the same plain directory and nobody's probabilities are calibrated.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLE = Path(__file__).parents[3] / "data" / "train.csv"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def fitted_model(cache: Path, realdata: Path | None) -> Path:
    """A directory in `cache` with a classifier of five labels; fitted when it is not there."""
    train = SAMPLE if realdata is None else realdata / "sst5_train.csv"
    target = cache / f"model-{train.stem}"
    if not target.exists():
        print(f"fitting the model on {train.name}", file=sys.stderr, flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            output = Path(folder) / "fitted"
            command = [sys.executable, "-m", "scorer", "fit", str(train), "--epochs", "1", "--output", str(output)]
            # In a folder of its own, since a fit moves models/latest of the folder that it runs in.
            subprocess.run([*command, "--quiet"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
            plain = Path(folder) / "plain"
            plain.mkdir()
            for name in _FILES:
                shutil.copy(output / name, plain / name)
            plain.rename(target)
    return target
