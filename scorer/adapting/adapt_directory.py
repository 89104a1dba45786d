"""The directory that an adaptation leaves: weights, tokenizer, report, model card and, last, `adapt.json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import torch

from scorer.adapting.masked_model import MaskedModel
from scorer.adapting.outcome import Adapted
from scorer.classifier.metadata import ADAPTATION_FILE
from scorer.config import AdaptConfig, material
from scorer.reports.adapt_page import AdaptPage
from scorer.reports.fit_page import Evaluation
from scorer.stores.folder import Folder
from scorer.training.markdown import code, yaml
from scorer.training.model_directory import save_network, versions


def write_adapted(
    directory: Folder,
    base: MaskedModel,
    adapted: Adapted,
    config: AdaptConfig,
    fingerprints: dict[str, str],
    columns: Sequence[str],
    history: Sequence[Evaluation],
) -> None:
    """Write everything into `directory`, which is made anew."""
    directory.make_anew()
    save_network(directory, base.model, base.tokenizer, state_dict=base.weights())
    document = _document(base, adapted, config, fingerprints, columns, history)
    page = AdaptPage(
        title=f"{base.name} on {config.data.name}",
        before=adapted.before,
        after=adapted.after,
        untrained=base.new_head,
        history=history,
        configuration={"base model": base.name, "new tokens": adapted.new_tokens, **_spelt(document["training"])},
        lineage={**_spelt(document["data"]), **document["versions"]},
    )
    directory.write("report.html", page.html())
    directory.write("README.md", _card(base, adapted, config, from_hub=_from_hub(base, config)))
    directory.write(ADAPTATION_FILE, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _document(
    base: MaskedModel,
    adapted: Adapted,
    config: AdaptConfig,
    fingerprints: dict[str, str],
    columns: Sequence[str],
    history: Sequence[Evaluation],
) -> dict[str, Any]:
    packed = adapted.packed
    return {
        "kind": "adaptation",
        "base_model": base.name,
        "new_head": base.new_head,
        "new_tokens": adapted.new_tokens,
        "text_columns": list(columns),
        "data": {
            "file": config.data.name,
            "fingerprint": fingerprints["data"],
            "texts": packed.texts,
            "tokens": packed.tokens,
            "unknown_share": packed.unknown_share,
            "texts_measured_on": packed.valid_texts,
        },
        "before": adapted.before.as_dict(),
        "after": adapted.after.as_dict(),
        "steps": adapted.steps,
        "kept_step": adapted.kept_step,
        "history": [evaluation.as_dict() for evaluation in history],
        "training": _configuration(config, adapted.precision),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _configuration(config: AdaptConfig, precision: str) -> dict[str, Any]:
    """The options that change the weights, as JSON types, with what was meant where nothing was said."""
    meant = {"learning_rate": config.peak_learning_rate, "max_length": config.max_length, "precision": precision}
    shape = config.shape if config.from_scratch else {}
    options = dataclasses.asdict(config) | meant | shape
    recorded = [name for name, setting in material(AdaptConfig).items() if not setting.kept_by_model]
    return {name: options[name] for name in (*recorded, "max_length") if options[name] is not None}


def _spelt(values: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in values.items()}


def _from_hub(base: MaskedModel, config: AdaptConfig) -> bool:
    return not config.from_scratch and not Folder.of(base.name).exists


def _card(base: MaskedModel, adapted: Adapted, config: AdaptConfig, *, from_hub: bool) -> str:
    front: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "fill-mask", "tags": ["scorer"]}
    if from_hub:
        front["base_model"] = base.name
    head = "".join(f"{key}: {yaml(value)}\n" for key, value in front.items())
    of = "a head that nobody had trained" if base.new_head else "the base model"
    return (
        f"---\n{head}---\n\n# {code(base.name)} on {code(config.data.name)}\n\n"
        f"A base model for `scorer fit --base-model`, trained to fill in hidden tokens of {adapted.packed.texts:,} "
        f"texts ({adapted.packed.tokens:,} tokens, {adapted.steps:,} steps).\n\n"
        f"| on {adapted.before.tokens:,} hidden tokens of texts held out | loss | perplexity | accuracy |\n"
        "|---|---|---|---|\n"
        f"| before, of {of} | {_row(adapted.before)} |\n| after | {_row(adapted.after)} |\n\n"
        "`adapt.json` has every option and figure, `report.html` the learning curve.\n"
    )


def _row(figures: Any) -> str:
    return f"{figures.loss:.4f} | {figures.perplexity:,.4g} | {figures.accuracy:.4f}"
