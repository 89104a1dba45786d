"""The fine-tuning script that everybody writes: the yardstick for `scorer fit`, with no tuning and no tricks.

Batch 8, learning rate 2e-5, fp32, 3 epochs, dynamic padding, evaluation every epoch. Prints one JSON line: accuracy on
the test file, and the seconds of the whole process from the first import to the saved model (the test comes after).

    python jobs/bench/plain_trainer.py TRAIN.csv VALID.csv TEST.csv --base-model DIR --output DIR [--seed N]
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402 (the clock starts before the heavy imports)
import json  # noqa: E402

import numpy as np  # noqa: E402
from datasets import load_dataset  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    set_seed,
)


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float(np.mean(np.argmax(prediction.predictions, axis=-1) == prediction.label_ids))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("train", "valid", "test"):
        parser.add_argument(name)
    parser.add_argument("--base-model", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--text-column", default="sentence")
    parser.add_argument("--label-column", default="score")
    options = parser.parse_args()

    set_seed(options.seed)
    data = load_dataset(
        "csv",
        data_files={"train": options.train, "valid": options.valid, "test": options.test},
        cache_dir=options.output,
    )
    labels = sorted(set(data["train"][options.label_column]))
    tokenizer = AutoTokenizer.from_pretrained(options.base_model)
    model = AutoModelForSequenceClassification.from_pretrained(options.base_model, num_labels=len(labels))

    def encode(rows: dict[str, list]) -> dict[str, list]:
        encoded = tokenizer(rows[options.text_column], truncation=True, max_length=128)
        encoded["label"] = [labels.index(value) for value in rows[options.label_column]]
        return encoded

    data = data.map(encode, batched=True, remove_columns=data["train"].column_names)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=options.output,
            per_device_train_batch_size=8,
            learning_rate=2e-5,
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
        compute_metrics=accuracy,
    )
    trainer.train()
    trainer.save_model()
    seconds = time.perf_counter() - STARTED
    test = trainer.evaluate(data["test"])
    print(json.dumps({"accuracy": test["eval_accuracy"], "seconds": round(seconds, 1), "seed": options.seed}))


if __name__ == "__main__":
    main()
