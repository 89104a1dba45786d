"""The model card: `README.md` of a model directory, in the format of the Hugging Face hub.

It is written from the metadata alone, so it says nothing that `scorer.json` does not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import Profile
from scorer.config import FitConfig, settings_of
from scorer.training.markdown import Decimal, code, fenced, listed, percent, plain, table, yaml

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
# The hub's own names of metrics, where they are not ours.
_HUB_METRICS = {"macro_f1": "f1"}
_MOST_LABELS = 50
# Below so many validation rows, so many training rows of a label, and above such a share, a figure is a limitation.
_FEW_ROWS = 1000
_RARE = 20
_MUCH = 0.05


def model_card(metadata: ModelMetadata, *, from_hub: bool) -> str:
    """The whole page: a front matter of JSON values, which are YAML, and the text.

    `from_hub` says that the base model is known by its name on the hub, and is no directory of somebody's machine.
    """
    sections = (
        _introduction(metadata),
        _usage(metadata),
        _labels(metadata),
        _training(metadata),
        _evaluation(metadata),
        _limitations(metadata),
        _reproduction(metadata),
    )
    return (
        f"---\n{_front_matter(metadata, from_hub)}---\n\n" + "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    )


def _front_matter(metadata: ModelMetadata, from_hub: bool) -> str:
    document: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", "scorer", *_tags(metadata)],
    }
    if from_hub and _HUB_NAME.fullmatch(metadata.base_model):
        document["base_model"] = metadata.base_model
    if metadata.metrics and metadata.training_data:
        document["model-index"] = [{"name": _title(metadata), "results": [_results(metadata)]}]
    return "".join(f"{key}: {yaml(value)}\n" for key, value in document.items())


def _tags(metadata: ModelMetadata) -> list[str]:
    if metadata.labels.is_number:
        return ["text-regression"]
    return ["multi-label"] if metadata.labels.multi else []


def _results(metadata: ModelMetadata) -> dict[str, Any]:
    name = metadata.training_data["valid"]["file"]
    return {
        "task": {"type": "text-classification"},
        "dataset": {"type": "private", "name": name, "split": "validation"},
        "metrics": [
            {"type": _HUB_METRICS.get(key, key), "name": key, "value": Decimal(value)}
            for key, value in _figures(metadata).items()
        ],
    }


def _introduction(metadata: ModelMetadata) -> list[str]:
    texts = " and ".join(map(code, metadata.text_columns))
    kind = "any number of" if metadata.labels.multi else "one of"
    answer = f"{kind} {len(metadata.labels)} labels, with a calibrated confidence"
    if metadata.labels.is_number:
        answer = f"a number, as in {code(metadata.label_column)}"
    return [
        f"# {plain(_title(metadata))}",
        "",
        f"Reads {texts} and gives each row {answer}. "
        f"Fine-tuned from {plain(_origin(metadata))} with `scorer fit`. `scorer.json` beside this page holds all that "
        "is said here, and the SHA-256 of every file.",
    ]


def _origin(metadata: ModelMetadata) -> str:
    """The base model, how much of it was kept, and who taught."""
    layers, teacher = metadata.training.get("layers"), metadata.teacher
    kept = "" if layers is None else " (its lowest layer)" if layers == 1 else f" (its lowest {layers} layers)"
    taught = f", taught by {teacher['name']}" if teacher is not None else ""
    return f"{_base(metadata)}{kept}{taught}"


def _usage(metadata: ModelMetadata) -> list[str]:
    pair, multi, number = len(metadata.text_columns) == 2, metadata.labels.multi, metadata.labels.is_number
    options = ', top_k=None, function_to_apply="sigmoid"' if multi else ', function_to_apply="none"' if number else ""
    texts = '{"text": "first", "text_pair": "second"}' if pair else '"a text"'
    cut = f" It truncates long texts, too, where `scorer` does not (they are {metadata.long_text.describe()})."
    return [
        "## Use",
        "",
        "```",
        "scorer score IN.parquet OUT.parquet -m DIRECTORY",
        "```",
        "",
        f"puts `score`, `confidence` {'(null: there is none) ' if number else ''}and `score_status` beside every row. "
        "In Python:",
        "",
        "```python",
        "from transformers import pipeline",
        "",
        f'classify = pipeline("text-classification", model="DIRECTORY"{options})',
        f"classify({texts}, truncation=True)",
        "```",
        "",
        _of_the_pipeline(metadata) + (cut if metadata.long_text.strategy != "truncate" else ""),
    ]


def _of_the_pipeline(metadata: ModelMetadata) -> str:
    """How the pipeline's scores and those of scorer differ."""
    if metadata.labels.is_number:
        return "Its `score` is the number, in the unit of the training file, as `scorer score` gives it."
    return (
        f"The pipeline knows nothing of the calibration{' and the thresholds' if metadata.labels.multi else ''} below: "
        "its scores are not the confidences that `scorer score` gives."
    )


def _labels(metadata: ModelMetadata) -> list[str]:
    if metadata.labels.is_number:
        return _numbers(metadata)
    profile, decision = metadata.profile, metadata.decision
    columns: dict[str, Sequence[Any]] = {"label": [plain(name) for name in metadata.labels.names]}
    if profile is not None:
        columns["training rows"] = profile.training_labels
        columns["validation rows"] = profile.true_labels
        columns["predicted there"] = profile.predicted_labels
    if decision.thresholds is not None:
        columns["threshold"] = [f"{threshold:.3f}" for threshold in decision.thresholds]
    lines = ["## Labels", "", *table(columns, most=_MOST_LABELS)]
    more = len(metadata.labels) - _MOST_LABELS
    if more > 0:
        lines += ["", f"{more} more are in `scorer.json`."]
    if profile is not None and metadata.labels.multi:
        none = (
            f"{profile.training_labels[-1]} training rows and {profile.true_labels[-1]} validation rows have no label"
        )
        lines += ["", f"{none}; {profile.predicted_labels[-1]} are predicted none."]
    return lines


def _numbers(metadata: ModelMetadata) -> list[str]:
    """How many rows have which numbers."""
    profile = metadata.profile
    if profile is None:
        return ["## Numbers", "", f"One output, called {code(metadata.labels.names[0])}."]
    edges = [f"{edge:.6g}" for edge in profile.number_edges]
    bins = [f"up to {edges[0]}", *(f"above {low}, up to {high}" for low, high in pairwise(edges)), f"above {edges[-1]}"]
    columns: dict[str, Sequence[Any]] = {
        "number": bins,
        "training rows": profile.training_labels,
        "validation rows": profile.true_labels,
        "predicted there": profile.predicted_labels,
    }
    return ["## Numbers", "", *table(columns)]


def _training(metadata: ModelMetadata) -> list[str]:
    lines = ["## Training data", ""]
    for side in ("train", "valid"):
        if found := metadata.training_data.get(side):
            what = "Trained" if side == "train" else "Validated"
            lines.append(
                f"- {what} on {found['rows']} rows of {plain(found['file'])}, fingerprint `{found['fingerprint']}`."
            )
    lines.append(f"- Texts: {' and '.join(map(code, metadata.text_columns))}; labels: {code(metadata.label_column)}.")
    if metadata.new_tokens:
        lines.append(
            "- Tokens added to the vocabulary, for characters that the base model cannot spell: "
            f"{metadata.new_tokens}; their embeddings began at random."
        )
    profile, even_so = metadata.profile, ", with the added ones" if metadata.new_tokens else ""
    if profile is not None:
        lines.append(
            f"- {percent(profile.truncated_share)} of the training texts are longer than the model reads; "
            f"{percent(profile.unknown_share)} of their tokens are unknown to the tokenizer{even_so}."
        )
    return lines


def _evaluation(metadata: ModelMetadata) -> list[str]:
    figures, before = _figures(metadata), metadata.uncalibrated
    columns: dict[str, Sequence[Any]] = {
        "metric": [plain(key) for key in figures],
        "value": [f"{value:.4f}" for value in figures.values()],
    }
    if before:
        columns["before calibration"] = [f"{before[key]:.4f}" if key in before else "" for key in figures]
    besides = "" if metadata.labels.is_number else " and what is below"
    lines = [
        "## Evaluation",
        "",
        f"On {metadata.metrics.get('rows', 'the')} validation rows, which also chose the checkpoint{besides}:",
        "",
        *table(columns),
        "",
    ]
    decision = metadata.decision
    temperatures = decision.temperature
    shown = f"{min(temperatures):.4g}"
    if len(temperatures) > 1:
        shown += f" to {max(temperatures):.4g}, one a label"
    if metadata.labels.is_number:
        lines.append("- The number is the output itself: there is no calibration, and no confidence.")
        return lines + _reading(metadata)
    raised = f"raised to the power {decision.exponent:.4g} and " if decision.exponent != 1.0 else ""
    bent = f", and the confidence bent by a map of {len(decision.odds_map)} points" if decision.odds_map else ""
    lines.append(f"- Calibration: logits are {raised}divided by a temperature of {shown}{bent}.")
    if decision.thresholds is not None:
        unthresholded = "; before calibration, where it reaches 0.5" if before else ""
        lines.append(f"- A label is given where its probability reaches its threshold{unthresholded}.")
    if decision.abstain_below is not None:
        lines.append(f"- Rows with a confidence below {decision.abstain_below:.4g} are marked `abstain`.")
    return lines + _reading(metadata)


def _reading(metadata: ModelMetadata) -> list[str]:
    lines = []
    if metadata.seeds:
        lines.append(f"- The best on these rows of {len(metadata.seeds)} fits with different seeds.")
    lines.append(f"- Inputs are read up to {metadata.max_length} tokens; longer ones: {metadata.long_text.describe()}.")
    return lines


def _figures(metadata: ModelMetadata) -> dict[str, float]:
    return {key: value for key, value in metadata.metrics.items() if key != "rows"}


def _limitations(metadata: ModelMetadata) -> list[str]:
    return ["## Limitations", "", *(f"- {line}" for line in _limits(metadata))]


def _limits(metadata: ModelMetadata) -> Iterator[str]:
    """What the figures themselves show; each with its figure."""
    yield (
        "It was validated on rows like those it was trained on. `scorer score` says how far other rows are from them "
        f"(`drift`); far from them its {'numbers' if metadata.labels.is_number else 'confidences'} mean little."
    )
    if metadata.seeds:
        yield (
            f"It is the best of {len(metadata.seeds)} fits on the validation rows, so its figures there flatter it; "
            "`scorer.json` has those of each."
        )
    if (rows := metadata.metrics.get("rows", 0)) < _FEW_ROWS:
        rough = f": a share of them is known to within about {100 * rows**-0.5:.0f} points" if rows else ""
        rough = "" if metadata.labels.is_number else rough
        yield f"Validated on {rows} rows only{rough}."
    for found in metadata.training_data.get("check", {}).get("findings", ()):
        if found["severity"] != "note":
            yield f"{plain(found['file'].rpartition('/')[2])}: {plain(found['what'])}."
    profile = metadata.profile
    if profile is None:
        return
    if not profile.of_numbers:
        yield from _limits_of_labels(metadata, profile)
    if profile.truncated_share > _MUCH:
        yield f"{percent(profile.truncated_share)} of the training texts are longer than what it reads at once."
    if profile.unknown_share > _MUCH:
        yield (
            f"{percent(profile.unknown_share)} of the training tokens are unknown to its tokenizer: the base model "
            "may not know the language."
        )
    if metadata.metrics.get("ece", 0.0) > _MUCH:
        yield f"Its confidences are off by {percent(metadata.metrics['ece'])} on average."


def _limits_of_labels(metadata: ModelMetadata, profile: Profile) -> Iterator[str]:
    named = list(zip(metadata.labels.names, profile.training_labels, profile.predicted_labels, strict=False))
    rare = [name for name, trained, _ in named if trained < _RARE]
    if rare:
        yield f"Fewer than {_RARE} training rows: {listed(rare)}."
    never = [name for name, _, predicted in named if not predicted]
    if never:
        yield f"Never predicted on the validation rows: {listed(never)}."


def _reproduction(metadata: ModelMetadata) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in metadata.versions.items())
    return [
        "## How to make it again",
        "",
        *fenced(reproduction(metadata)),
        "",
        f"with {plain(versions)}.",
    ]


def reproduction(metadata: ModelMetadata) -> str:
    """The command line that asks for the same fit, of the settings that are not the defaults."""
    data = metadata.training_data
    train, valid = (data.get(side, {}) for side in ("train", "valid"))
    words = ["scorer", "fit", train.get("file", "FILE")]
    # A split is taken without being named.
    apart = valid.get("fingerprint") != train.get("fingerprint") and "split" not in valid
    words += ["--valid", valid.get("file", "FILE")] if apart else []
    for name in metadata.text_columns:
        words += ["--text-column", name]
    for name in metadata.label_source:
        words += ["--label-column", name]
    words += ["--label-separator", metadata.label_separator] if metadata.label_separator else []
    words += ["--label-form", metadata.label_form] if metadata.label_form != "auto" else []
    words += ["--label-names", ",".join(metadata.label_names)] if metadata.label_names else []
    words += ["--null-labels", ",".join(metadata.null_labels)] if metadata.null_labels else []
    words += ["--base-model", metadata.base_model, "--max-length", str(metadata.max_length)]
    words += metadata.long_text.flags()
    words += ["--teacher", metadata.teacher["name"]] if metadata.teacher is not None else []
    for field, _, _ in settings_of(FitConfig):
        value = metadata.training.get(field.name)
        flag = "--" + field.name.replace("_", "-")
        # What a preset set is among the values.
        if field.name in metadata.training and field.name != "preset" and value != field.default:
            words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]
    return shlex.join(words)


def _title(metadata: ModelMetadata) -> str:
    file = metadata.training_data.get("train", {}).get("file", "a file")
    return f"{_base(metadata)} on {file}"


def _base(metadata: ModelMetadata) -> str:
    """A directory of somebody's machine is told by its last name alone."""
    name = metadata.base_model
    return name if _HUB_NAME.fullmatch(name) else name.rstrip("/").rpartition("/")[2]
