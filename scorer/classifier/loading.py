"""A model directory into memory: tokenizer, weights, labels, and the limits that they set one another.

Does the checks that need the loaded parts: head, finite weights, label count, vocabulary, positions. Weights come out
in fp32 on the CPU, whatever the device will be.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from scorer.classifier.batches import Shapes
from scorer.classifier.decision import Decision
from scorer.classifier.directory import MULTI_LABEL, ModelDirectory, part_of
from scorer.classifier.feeding import Feed, settle_attention, settle_padding, token_count, why_no_pairs, why_no_texts
from scorer.classifier.independence import TESTED, probes, shapes_by_trial
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import METADATA_FILE, ModelMetadata
from scorer.classifier.one_output import REGRESSION
from scorer.classifier.remedies import install_sentencepiece, name_outputs
from scorer.classifier.tokenization import TruncationSide, without_dropout
from scorer.errors import ConfigError, ModelError

_DEFAULT_MAX_LENGTH = 512
# A word, nothing, and what no vocabulary holds: alone, and as a pair.
_PROBES = (("a", "", "\U0010fffd"), (("a", "\U0010fffd"), ("", "")))
# What a model whose batches are not tested is tried with; see `independence`.
_TRIAL = ("a good room", "0 bad soups, and 1 cold coffee (twice)", "I would come again: kind staff")
# Calibration keeps to temperatures between 0.25 and 20.
_COLDEST = 1e-3
_TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")


@dataclass(frozen=True)
class LoadedModel:
    """What a directory holds, in memory: fp32 weights on the CPU, the fast tokenizer, and what limits them.

    `feed` says how the model is called, and `shapes` which rows may be in a batch together. `token_types` says whether
    the tokenizer tells which text of a pair a token is of; `truncation_side` where a long text is cut off;
    `why_no_pairs` why pairs cannot be scored, if they cannot.
    """

    directory: ModelDirectory
    model: PreTrainedModel
    tokenizer: Tokenizer
    labels: LabelSet
    decision: Decision
    max_length: int
    feed: Feed
    shapes: Shapes
    token_types: bool
    truncation_side: TruncationSide
    why_no_pairs: str | None

    @property
    def pad_id(self) -> int:
        """What fills a row up."""
        return self.feed.pad_id


def load(
    directory: ModelDirectory, *, max_length: int | None = None, tested: Mapping[str, Shapes] = TESTED
) -> LoadedModel:
    """Load `directory`; `max_length` in tokens replaces the model's own. ModelError names whatever does not fit.

    `tested` says of architectures which rows may be in a batch together; others are tried out.
    """
    assert not directory.by_times, "its bytes were not looked at; this is a bug"
    with quietly():
        model = _load_weights(directory)
        fast = _load_tokenizer(directory)
    if directory.metadata is not None and ModelMetadata.read(directory.path) != directory.metadata:
        raise ModelError(f"{directory.name}: another model took its place while it was being loaded; run again")
    labels = _labels(directory, model)
    backend: Tokenizer = fast.backend_tokenizer
    _check_vocabulary(directory, model, fast)
    _check_temperature(directory)
    longest = _max_length(directory, model, fast, max_length)
    if (most := settle_attention(model, longest)) is not None:
        raise ModelError(
            f"{directory.name}: reads texts of over {most} tokens in another way, but not after a shorter one; "
            f"say --max-length {most}"
        )
    token_types = "token_type_ids" in fast.model_input_names
    pad_id, is_known = settle_padding(model, fast)
    feed = Feed.of(model, pad_id=pad_id, token_types=token_types)
    if token_types and (refusal := why_no_texts(directory.name, backend)) is not None:
        raise ModelError(refusal)
    shapes = tested.get(model.config.model_type) if is_known and feed.end != pad_id else None
    return LoadedModel(
        directory=directory,
        model=model,
        tokenizer=backend,
        labels=labels,
        decision=directory.decision_for(labels),
        max_length=longest,
        feed=feed,
        shapes=shapes or _try_out(directory, model, feed, backend, longest=longest),
        token_types=token_types,
        truncation_side="left" if fast.truncation_side == "left" else "right",
        why_no_pairs=why_no_pairs(directory.name, model, backend, feed),
    )


def _try_out(
    directory: ModelDirectory, model: PreTrainedModel, feed: Feed, tokenizer: Tokenizer, *, longest: int
) -> Shapes:
    """Which rows may be together, by scoring a few both ways: the architecture, or a decoder without padding, is not
    among those that are tested."""
    kind = model.config.model_type
    encoded = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(_TRIAL))]
    with _foreign(f"{directory.name}: {kind} models cannot be scored from texts alone"):
        shapes = shapes_by_trial(model.eval(), feed, probes(encoded, longest=longest))
    if shapes is None:
        raise ModelError(f"{directory.name}: a {kind} model, which gives one text other logits from time to time")
    return shapes


def max_positions(model: PreTrainedModel) -> int | None:
    """The longest input in tokens that the position embeddings allow; None when positions are not embedded.

    RoBERTa and its kin count positions from padding_idx + 1, which takes that many rows from the table.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - reserved
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if limit and limit > 0 else None


def output_layer(model: PreTrainedModel, *, outputs: int) -> nn.Linear | None:
    """The last layer of the head with so many `outputs`, if it has a bias; None where there is none."""
    encoder = f"{model.base_model_prefix}."
    named = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    layers = [layer for name, layer in named if not name.startswith(encoder) and layer.out_features == outputs]
    return layers[-1] if layers and layers[-1].bias is not None else None


def _load_weights(directory: ModelDirectory) -> PreTrainedModel:
    with _foreign(f"{directory.name}: cannot be loaded as a classifier"):
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
        raise ModelError(
            f"{directory.name}: {len(missing)} weights are missing, {missing[0]} among them; is it a fitted classifier?"
        )
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ModelError(f"{directory.name}: {name} holds non-finite weights; fit the model again")
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
    with _foreign(f"{directory.name}: its tokenizer cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise ModelError(f"{directory.name}: no fast tokenizer (tokenizer.json); convert it with transformers first")
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def _labels(directory: ModelDirectory, model: PreTrainedModel) -> LabelSet:
    outputs = model.config.num_labels
    if model.config.problem_type == REGRESSION and outputs != 1:
        raise ModelError(f"{directory.name}: problem_type 'regression' with {outputs} outputs; a score is one number")
    multi = model.config.problem_type == MULTI_LABEL
    if directory.metadata is None:
        id2label = {int(index): name for index, name in (model.config.id2label or {}).items()}
        if outputs == 1:
            return LabelSet.of_number(str(next(iter(id2label.values()))))
        if sorted(id2label) != list(range(len(id2label))):
            raise ModelError(f"{directory.name}: id2label of config.json does not count its labels from 0")
        if len(set(id2label.values())) < len(id2label):
            raise ModelError(f"{directory.name}: id2label of config.json gives two labels the same name; rename one")
        return LabelSet.from_id2label(id2label, multi=multi)
    labels = directory.metadata.labels
    if len(labels) != outputs:
        raise ModelError(f"{directory.name}: {len(labels)} labels in scorer.json, {outputs} in the head")
    if outputs == 1 and not labels.is_number:
        raise ModelError(f"{directory.name}: one output, which is a number, and a label in scorer.json; fit it again")
    if labels.multi != multi:
        raise ModelError(
            f"{directory.name}: {METADATA_FILE} and problem_type of config.json contradict each other on whether a row "
            "may have several labels; fit the model again"
        )
    return labels


def _check_vocabulary(directory: ModelDirectory, model: PreTrainedModel, fast: PreTrainedTokenizerBase) -> None:
    """Every token that the tokenizer knows, or adds, must have an embedding, and odd texts must be encodable."""
    tokenizer: Tokenizer = fast.backend_tokenizer
    # Both are set anew by whoever encodes; what the file says may be absurd.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    without_dropout(tokenizer)
    with _foreign(f"{directory.name}: its tokenizer does not work"):
        made = [encoding for probes in _PROBES for encoding in tokenizer.encode_batch_fast(list(probes))]
        known = tokenizer.get_vocab(with_added_tokens=True).values()
        highest = max(chain(known, *(encoding.ids for encoding in made)), default=0)
    rows = token_count(model)
    if highest >= rows:
        raise ModelError(f"{directory.name}: the tokenizer knows token id {highest}, the model has {rows} embeddings")


def _check_temperature(directory: ModelDirectory) -> None:
    """Far outside of what calibration finds, finite logits would give probabilities that are not."""
    temperature = directory.metadata.decision.temperature if directory.metadata is not None else (1.0,)
    if not _COLDEST <= min(temperature) <= max(temperature) <= 1 / _COLDEST:
        raise ModelError(
            f"{directory.name}: temperature {temperature} in {METADATA_FILE}; "
            f"expected {_COLDEST:g} to {1 / _COLDEST:g}; fit the model again"
        )


def _max_length(
    directory: ModelDirectory, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int | None
) -> int:
    limit = max_positions(model)
    if asked is not None:
        if limit is not None and asked > limit:
            raise ConfigError(f"--max-length {asked}: {directory.name} has {limit} positions")
        return asked
    if directory.metadata is not None:
        length, least = directory.metadata.max_length, 1 + tokenizer.backend_tokenizer.num_special_tokens_to_add(False)
        if limit is not None and length > limit:
            raise ModelError(f"{directory.name}: max_length {length}, but only {limit} positions")
        if length < least:
            raise ModelError(f"{directory.name}: max_length {length}, but special tokens alone take {least - 1}")
        return length
    return min(_own_limit(directory, tokenizer), limit or _DEFAULT_MAX_LENGTH, _DEFAULT_MAX_LENGTH)


def _own_limit(directory: ModelDirectory, tokenizer: PreTrainedTokenizerBase) -> int:
    """What tokenizer_config.json says; where it says nothing, transformers has a number beyond all texts."""
    length: Any = tokenizer.model_max_length
    least = 1 + tokenizer.backend_tokenizer.num_special_tokens_to_add(False)
    if not isinstance(length, int | float) or not least <= length:
        raise ModelError(
            f"{directory.name}: model_max_length in tokenizer_config.json; expected {least} or more tokens"
        )
    return int(min(length, _DEFAULT_MAX_LENGTH))


@contextmanager
def _foreign(what: str) -> Iterator[None]:
    """Name after `what` whatever transformers and tokenizers raise on a damaged or foreign directory: anything.

    A panic in tokenizers, a library of Rust, is no Exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(f"{what} ({type(error).__name__}: {reason})") from error


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' progress bars and advice off stderr while it loads; what matters becomes an error of ours."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
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
