"""The fine-tuning script that everybody writes: the yardstick for `scorer fit`, with no tuning and no tricks.

Batch 8, learning rate 2e-5, fp32 unless asked otherwise; 3 epochs, dynamic padding, evaluation every epoch; without
--valid a tenth of the rows is held out. A label column of lists makes it multi-label, with a threshold of 0.5. Prints
one JSON line: accuracy (multi-label: exact match) and macro F1 on the test file, and the seconds of the whole process
from the first import to the saved model (the test comes after).

    python jobs/bench/plain_trainer.py TRAIN TEST [--valid VALID] --base-model DIR --output DIR [--seed N]
        [--text-column sentence] [--label-column score] [--max-length 128] [--batch-size 8] [--learning-rate 2e-5]
        [--bf16]
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402 (the clock starts before the heavy imports)
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from datasets import Dataset, DatasetDict, load_dataset  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    set_seed,
)


def main() -> None:
    options = _options()
    set_seed(options.seed)
    data = read(options)
    first = data["train"][0][options.label_column]
    multi = isinstance(first, list)
    column = data["train"][options.label_column]
    labels = sorted({label for row in column for label in row} if multi else set(column))
    tokenizer = AutoTokenizer.from_pretrained(options.base_model)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.base_model,
        num_labels=len(labels),
        problem_type="multi_label_classification" if multi else "single_label_classification",
    )

    def encode(rows: dict[str, list]) -> dict[str, list]:
        texts = [rows[name] for name in options.text_column]
        encoded = tokenizer(*texts, truncation=True, max_length=options.max_length)
        found = rows[options.label_column]
        encoded["labels"] = (
            [[float(label in row) for label in labels] for row in found]
            if multi
            else [labels.index(row) for row in found]
        )
        return encoded

    data = data.map(encode, batched=True, remove_columns=data["train"].column_names)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=options.output,
            per_device_train_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            bf16=options.bf16,
            use_cpu=not torch.cuda.is_available(),
            num_train_epochs=3,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=options.seed,
        ),
        train_dataset=data["train"],
        eval_dataset=data["valid"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=multi_label_metrics if multi else single_label_metrics,
    )
    trainer.train()
    trainer.save_model()
    seconds = time.perf_counter() - STARTED
    test = trainer.evaluate(data["test"])
    figures = {name: test[f"eval_{name}"] for name in ("accuracy", "macro_f1")}
    print(json.dumps(figures | {"seconds": round(seconds, 1), "seed": options.seed}))


def read(options: argparse.Namespace) -> DatasetDict:
    """The three splits, read by the `datasets` library."""
    files = {"train": options.train, "test": options.test} | ({"valid": options.valid} if options.valid else {})
    data = DatasetDict({name: _read_file(path, options.output) for name, path in files.items()})
    if options.limit:
        data["train"] = data["train"].select(range(min(options.limit, len(data["train"]))))
    if not options.valid:
        parts = data["train"].train_test_split(0.1, seed=options.seed)
        data |= {"train": parts["train"], "valid": parts["test"]}
    return DatasetDict(data)


def _read_file(path: str, cache: str) -> Dataset:
    if path.endswith(".parquet"):
        return load_dataset("parquet", data_files=path, split="train", cache_dir=cache)
    delimiter = "\t" if path.endswith(".tsv") else ","
    return load_dataset("csv", data_files=path, split="train", cache_dir=cache, delimiter=delimiter)


def single_label_metrics(prediction: EvalPrediction) -> dict[str, float]:
    predicted = np.argmax(prediction.predictions, axis=-1)
    targets = prediction.label_ids
    scores = [
        f1(predicted == label, targets == label) for label in range(prediction.predictions.shape[1])
        if (predicted == label).any() or (targets == label).any()
    ]  # fmt: skip
    return {"accuracy": float(np.mean(predicted == targets)), "macro_f1": float(np.mean(scores))}


def multi_label_metrics(prediction: EvalPrediction) -> dict[str, float]:
    # A probability of 0.5 is a logit of 0.
    predicted, targets = prediction.predictions > 0, prediction.label_ids > 0
    scores = [f1(predicted[:, label], targets[:, label]) for label in range(targets.shape[1])]
    return {"accuracy": float((predicted == targets).all(axis=1).mean()), "macro_f1": float(np.mean(scores))}


def f1(predicted: np.ndarray, true: np.ndarray) -> float:
    """F1 of two (n,) bool; 0 where the label is neither true nor predicted."""
    return float(2 * (predicted & true).sum() / max(predicted.sum() + true.sum(), 1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--valid")
    parser.add_argument("--base-model", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--text-column", nargs="+", default=["sentence"])
    parser.add_argument("--label-column", default="score")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--bf16", action="store_true", help="mixed precision")
    parser.add_argument("--limit", type=int, help="only the first rows of TRAIN")
    options = parser.parse_args()
    Path(options.output).mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
