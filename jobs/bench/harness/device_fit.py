"""How long `scorer fit` takes beside the plain Trainer script, on one device, from the rows read to the model saved.

The plain script is that of `plain_trainer.py` as it is compared with elsewhere: batches of 32 in random order, bf16
where the GPU has it, three epochs with an evaluation each. Written anew here for a machine without `datasets`.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

import scorer

TRAIN = Path(__file__).parents[3] / "data" / "train.csv"
BATCH = 32
EPOCHS = 3
MAX_LENGTH = 128
LEARNING_RATE = 5e-5
HELD_OUT = 10


def missing() -> str | None:
    """A package that neither can do without and that is not here."""
    return None if importlib.util.find_spec("accelerate") else "accelerate"


def compare_fits(base: Path, *, rows: int, folder: Path, device: str) -> dict[str, Any]:
    """Seconds of both on the first `rows` of the sample's training file, with the encoder of the directory `base`."""
    train = folder / f"train-{rows}.parquet"
    pq.write_table(pyarrow.csv.read_csv(TRAIN).slice(0, rows), train)
    found = {}
    for name, fit in (("plain", _plain), ("scorer", _scorer)):
        started = time.perf_counter()
        fit(base, train, folder, device)
        found[f"{name}_seconds"] = time.perf_counter() - started
    return found | {"rows": rows, "times_plain": found["plain_seconds"] / found["scorer_seconds"]}


def _scorer(base: Path, train: Path, folder: Path, device: str) -> None:
    scorer.fit(
        train,
        base_model=str(base),
        output=folder / f"fitted-{time.time_ns()}",
        device=device,
        max_length=MAX_LENGTH,
        epochs=EPOCHS,
        extend_vocabulary=False,
    )


def _plain(base: Path, train: Path, folder: Path, device: str) -> None:
    table = pq.read_table(train)
    texts, scores = (table.column(name).to_pylist() for name in ("sentence", "score"))
    labels = sorted(set(scores))
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(labels), ignore_mismatched_sizes=True
    )
    encoded = [
        {**tokenizer(text, truncation=True, max_length=MAX_LENGTH), "labels": labels.index(score)}
        for text, score in zip(texts, scores, strict=True)
    ]
    held_out = max(len(encoded) // HELD_OUT, 1)
    on_gpu = device != "cpu"
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "plain"),
            per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            bf16=on_gpu and torch.cuda.is_bf16_supported(),
            use_cpu=not on_gpu,
            num_train_epochs=EPOCHS,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=encoded[held_out:],  # type: ignore[arg-type] (a list has what a data set needs)
        eval_dataset=encoded[:held_out],  # type: ignore[arg-type]
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    trainer.save_model()
