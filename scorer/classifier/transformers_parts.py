"""A model directory read by transformers: any architecture that it knows, and any form that its files may have.

The only file of scoring that imports transformers when it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from scorer.classifier.directory import ModelDirectory, part_of
from scorer.classifier.feeding import Feed
from scorer.classifier.metadata import ADAPTATION_FILE
from scorer.classifier.network import Network, max_positions, settle_padding, token_count
from scorer.classifier.parts import Parts, foreign, refuse_nonfinite
from scorer.classifier.remedies import install_sentencepiece, name_outputs
from scorer.errors import ModelError

_TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")


def transformers_parts(directory: ModelDirectory) -> Parts:
    """The parts of `directory`; ModelError names what does not fit."""
    with quietly():
        model = _load_weights(directory)
        fast = _load_tokenizer(directory)
    token_types = "token_type_ids" in fast.model_input_names
    pad_id, pads = settle_padding(model, fast)
    feed = Feed.of(model, pad_id=pad_id, token_types=token_types)
    network = Network(model, feed)
    return Parts(
        config=model.config,
        weights=None,
        tokenizer=fast.backend_tokenizer,
        token_types=token_types,
        sees_types=feed.token_types,
        longest=fast.model_max_length,
        truncation_side="left" if fast.truncation_side == "left" else "right",
        embeddings=token_count(model),
        positions=max_positions(model),
        pad_id=pad_id,
        may_mix=pads and feed.end != pad_id,
        network=lambda: network,
        made=network,
    )


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' progress bars and advice off stderr while it loads; what matters becomes an error of ours."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _load_weights(directory: ModelDirectory) -> PreTrainedModel:
    with foreign(f"{directory.name}: cannot be loaded as a classifier"):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            directory.path,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            # So that it is told here what does not fit.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _refuse_shapes(directory, report["mismatched_keys"])
    missing = sorted(report["missing_keys"])
    if missing:
        hint = "is it a fitted classifier?"
        if (directory.path / ADAPTATION_FILE).exists():
            hint = f"it is a base model: scorer fit TRAIN --base-model {directory.name} makes a classifier of it"
        raise ModelError(f"{directory.name}: {len(missing)} weights are missing, {missing[0]} among them; {hint}")
    refuse_nonfinite(directory.name, model.named_parameters())
    assert isinstance(model, PreTrainedModel)
    return model


def _refuse_shapes(directory: ModelDirectory, mismatched: Iterable[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """ModelError where weights, each with its name, have another shape in their file than in the configuration."""
    for name, found, expected in sorted(mismatched):
        if part_of(name) == "head" and found[0] != expected[0] and tuple(found[1:]) == tuple(expected[1:]):
            raise ModelError(name_outputs(directory.name, outputs=found[0], labels=expected[0]))
        raise ModelError(
            f"{directory.name}: {name} has the shape {tuple(found)}, and by config.json {tuple(expected)}; the files "
            "are of different models: copy them from one"
        )


def _load_tokenizer(directory: ModelDirectory) -> PreTrainedTokenizerBase:
    # Without any of them transformers makes an empty tokenizer, to which every word is unknown, and says nothing.
    if not any(found for pattern in _TOKENIZER_FILES for found in directory.path.glob(pattern)):
        raise ModelError(f"{directory.name}: no tokenizer (tokenizer.json); copy it from the model's origin")
    if (lacking := install_sentencepiece(directory.name, directory.path)) is not None:
        raise ModelError(lacking)
    with foreign(f"{directory.name}: its tokenizer cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise ModelError(f"{directory.name}: no fast tokenizer (tokenizer.json); convert it with transformers first")
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer
