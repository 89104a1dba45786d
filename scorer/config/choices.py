"""What several jobs let choose between. Knows no job."""

from __future__ import annotations

from typing import Literal

LATEST_MODEL = "models/latest"

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Backend = Literal["auto", "padded", "packed", "openvino"]
LongTextStrategy = Literal["truncate", "head-tail", "window"]
Pooling = Literal["mean", "max"]
FileFormat = Literal["parquet", "csv", "tsv", "jsonl", "arrow"]
