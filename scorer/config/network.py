"""The settings of a fit that say what of a network is kept, what of it learns and how fast, and who teaches it."""

from __future__ import annotations

from scorer.config.settings import Setting

LAYERS = Setting("Keep the base model's lowest N layers alone.", affects="weights", metavar="N", minimum=1)
LAYER_DECAY = Setting(
    "Learning rate of a layer over that of the one above; the head has the full rate.", affects="weights", minimum=0.0
)
FREEZE_LAYERS = Setting(
    "Do not train the embeddings and the lowest N layers; 0 trains all.", affects="weights", metavar="N", minimum=0
)
LORA_RANK = Setting(
    "Train low-rank adapters of rank R and the head alone (extra lora).", affects="weights", metavar="R", minimum=1
)
TEACHER = Setting(
    "A fitted model of the same labels, whose answers are learned beside them (distillation).",
    affects="weights",
    known_by="resolved",
    kept_by_model=True,
    names_model=True,
    metavar="DIR",
)
TEACHER_WEIGHT = Setting(
    "Share of the loss that the teacher has; the labels have the rest.", affects="weights", minimum=0.0
)
TEACHER_TEMPERATURE = Setting(
    "Divides the logits of both, so that unlikely labels count more.", affects="weights", minimum=0.0
)
