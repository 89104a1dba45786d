"""The groups in which a command's help shows its options. Every setting is in one, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GENERAL: Final = "General"
"""The group of what is no setting, such as --help; it comes last."""

_GROUPS: Final[Mapping[str, str]] = {
    "Input": (
        "valid valid_fraction text_column pairs limit input_format delimiter quote encoding sheet no_header columns "
        "types rejects parity_data"
    ),
    "Labels": (
        "label_column label_separator label_form label_names regression nominal null_labels skip_unlabelled slice"
    ),
    "Model": (
        "model base_model candidates layers max_length long_text stride pooling extend_vocabulary from_scratch "
        "vocab_size hidden heads folds reload int8"
    ),
    "Training": (
        "preset whole_words nsp epochs max_steps minutes batch_size eval_batch_size gradient_accumulation "
        "learning_rate schedule warmup weight_decay max_grad_norm class_weight label_smoothing focal_gamma "
        "layer_decay freeze_layers lora_rank teacher teacher_weight teacher_temperature exits "
        "eval_steps best_metric patience patience_threshold seed seeds"
    ),
    "Server": "host port token",
    "Run": "date from_ to step check status folder runs keep on_success on_failure resume dry_run link previous",
    "Output": (
        "output to_ latest abstain prefix probabilities expected top_k token_count decided_by output_format "
        "rows_per_file partition_by mirror rows show force"
    ),
    "Speed": (
        "precision device backend batch_tokens workers engine address window_rows flush_seconds cache reuse "
        "flip_confidence"
    ),
    "Limits": (
        "max_flagged min_rows fail_on_drift on_error min_metric max_metric max_flips tolerance strict max_body "
        "max_texts max_characters queue body_seconds drain_seconds"
    ),
    "Monitoring": "report report_html report_by textfile metrics quiet",
    GENERAL: "network private message",
}
GROUPS: Final = tuple(_GROUPS)
"""All groups, in their order."""
GROUP_OF: Final[Mapping[str, str]] = {name: group for group, names in _GROUPS.items() for name in names.split()}
"""The group of each setting."""
