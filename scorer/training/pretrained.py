"""The base model in memory, with a fresh head for the labels at hand.

Here are the checks that base model, tokenizer and configuration fit one another. Weights come out in fp32 on the CPU;
data and devices are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, set_seed

from scorer.classifier.base_model import resolve_base_model, unavailable
from scorer.classifier.batches import Shapes
from scorer.classifier.device import memory_errors
from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.feeding import Feed, why_no_pairs, why_no_texts
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.independence import TESTED
from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.long_text import LongText
from scorer.classifier.network import max_positions, output_layer, settle_attention
from scorer.classifier.remedies import install_sentencepiece
from scorer.classifier.tokenization import TextEncoder, without_dropout
from scorer.classifier.tokenizer_copies import copied
from scorer.classifier.vocabulary import Vocabulary, extend
from scorer.config import FitConfig
from scorer.errors import ConfigError, ModelError, UsageError
from scorer.stores.folder import Folder
from scorer.training.parameters import adapt, freeze, refuse_two_stacks

# Beside the seed, so that the draws are others than those of the head.
_STREAM = 1


@dataclass(frozen=True)
class BaseModel:
    """The model to be trained, its tokenizer as transformers has it, the name it is recorded under and the
    `fingerprint` of its files; the tokens that were added to both."""

    name: str
    fingerprint: str
    model: PreTrainedModel
    tokenizer: Any
    new_tokens: tuple[str, ...] = ()

    def with_tokens(self, tokens: Sequence[str], *, seed: int) -> BaseModel:
        """This base model, changed in place, with `tokens` that its WordPiece vocabulary lacks."""
        add_tokens(self.model, self.tokenizer.backend_tokenizer, tokens, seed=seed)
        return replace(self, new_tokens=(*self.new_tokens, *tokens))

    def encoder(self, *, max_length: int, long_text: LongText) -> TextEncoder:
        """The encoder of scoring, on a copy of the tokenizer, so that truncation is not saved with the model."""
        tokenizer = copied(self.tokenizer.backend_tokenizer)
        refusal = why_no_pairs(self.name, self.model.config, tokenizer, token_types=self.feed.token_types)
        return TextEncoder(
            tokenizer,
            max_length=max_length,
            long_text=long_text,
            truncation_side=self.tokenizer.truncation_side,
            why_no_pairs=refusal,
        )

    @property
    def feed(self) -> Feed:
        """How the model is called, and which rows it may be given together if its `shapes` allow several."""
        return Feed.of(self.model, pad_id=self.tokenizer.pad_token_id, token_types=self.has_token_types)

    @property
    def shapes(self) -> Shapes:
        """The batches in which every row has the logits that it has alone; of an architecture that is not tested, one
        row."""
        return TESTED.get(self.model.config.model_type, "alone")

    @property
    def positions(self) -> int | None:
        """The longest input in tokens; None where nothing limits it."""
        return max_positions(self.model)

    def vocabulary(self) -> Vocabulary:
        """What counts tokens as `scorer check` does, on another copy."""
        tokenizer = copied(self.tokenizer.backend_tokenizer)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return Vocabulary(self.name, self.positions, tokenizer)

    @property
    def has_token_types(self) -> bool:
        return "token_type_ids" in self.tokenizer.model_input_names


def load_base_model(config: FitConfig, labels: LabelSet) -> BaseModel:
    """Load the base model of `config` with a fresh head for `labels`, which `config.seed` determines.

    Only what `config` trains requires a gradient; with `lora_rank` there are adapters in it. Raises ModelError when it
    cannot be loaded or its parts do not fit, ConfigError when `max_length` is too long or an extra is not installed,
    UsageError when it has fewer layers than are to be kept or to be frozen, or two stacks of them and one is meant;
    DeviceOutOfMemory.
    """
    directory, name = find_base(config.base_model)
    tokenizer = load_tokenizer(directory, name)
    fewer = _fewer_layers(directory, name, config.layers)
    model = _load_weights(directory, name, labels, seed=config.seed, **fewer)
    refuse_tokenizer(model, tokenizer, name)
    settle_length(model, config.max_length, name)
    text_config = model.config.get_text_config()
    if getattr(text_config, "pad_token_id", None) is None:
        # A decoder looks for the last token that is no padding, and refuses several rows where none is named.
        text_config.pad_token_id = tokenizer.pad_token_id
    refuse_two_stacks(model, config, name=name)
    adapt(model, config)
    freeze(model, config, name=name)
    # So that a transformers pipeline with truncation=True cuts where scoring does.
    tokenizer.model_max_length = config.max_length
    base = BaseModel(name, directory.fingerprint, model, tokenizer)
    if base.has_token_types and (refusal := why_no_texts(name, tokenizer.backend_tokenizer)) is not None:
        raise ModelError(refusal)
    return base


def find_base(asked: str | None) -> tuple[ModelDirectory, str]:
    """The directory of the base model that was `asked` for, and the name that it is recorded under. ModelError when it
    is none, or cannot be had."""
    location, name = resolve_base_model(asked)
    try:
        return open_model(location), name
    except ModelError as error:
        if Folder.of(location).is_folder:
            raise
        raise unavailable(name, error.__cause__ or error) from error


def load_tokenizer(directory: ModelDirectory, name: str) -> Any:
    """The fast tokenizer of the base model `name` as transformers has it. ModelError when there is none."""
    if (lacking := install_sentencepiece(name, directory.path)) is not None:
        raise ModelError(lacking)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        # transformers raises anything from KeyError to OSError on a damaged or foreign directory.
        raise ModelError(f"{name}: its tokenizer cannot be loaded ({type(error).__name__})") from error
    # It was meant for this call, and would be saved with the model.
    tokenizer.init_kwargs.pop("local_files_only", None)
    if not tokenizer.is_fast:
        raise ModelError(f"{name}: no fast tokenizer (tokenizer.json); convert it with transformers first")
    if tokenizer.pad_token_id is None:
        raise ModelError(f"{name}: its tokenizer has no padding token; choose an encoder such as BERT or RoBERTa")
    # Saved with the model, it would give one text other scores from time to time.
    without_dropout(tokenizer.backend_tokenizer)
    return tokenizer


def _fewer_layers(directory: ModelDirectory, name: str, layers: int | None) -> dict[str, Any]:
    """What a configuration says otherwise where only the lowest `layers` are kept; UsageError where the model `name`
    has no so many, or two stacks of them."""
    if layers is None:
        return {}
    try:
        config = AutoConfig.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise ModelError(f"{name}: cannot be loaded as an encoder ({type(error).__name__})") from error
    there = getattr(config, "num_hidden_layers", None)
    if not isinstance(there, int) or config.is_encoder_decoder:
        raise UsageError(f"--layers {layers}: {name} is no stack of layers; choose an encoder such as BERT")
    if layers > there:
        raise UsageError(f"--layers {layers}: {name} has {there} layers")
    kinds = getattr(config, "layer_types", None)
    return {"num_hidden_layers": layers} | ({"layer_types": kinds[:layers]} if kinds else {})


def _load_weights(
    directory: ModelDirectory, name: str, labels: LabelSet, *, seed: int, **changed: Any
) -> PreTrainedModel:
    """The weights in `directory`, with a configuration that is `changed`."""
    # Before the head is drawn: the same seed must give the same weights from the first step on.
    set_seed(seed)
    try:
        with memory_errors():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                directory.path,
                num_labels=len(labels),
                id2label=dict(enumerate(labels.names)),
                label2id={label: index for index, label in enumerate(labels.names)},
                problem_type=labels.problem_type,
                **changed,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                dtype=torch.float32,
                # A classifier is a fine base model, whatever its labels: its head is drawn anew.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except DeviceOutOfMemory:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(f"{name}: cannot be loaded as an encoder ({type(error).__name__}: {reason})") from error
    assert isinstance(model, PreTrainedModel)
    refuse_encoder(model, report, name)
    encoder = {key: value for key, value in model.state_dict().items() if _of_encoder(key, model)}
    if all(_of_encoder(key, model) for key in report["missing_keys"]):
        # It has all of a head, as a classifier has; from here on it shall be what an encoder without one would be.
        set_seed(seed)
        model = type(model).from_pretrained(None, config=model.config, state_dict=encoder, dtype=torch.float32)
    return model


def _of_encoder(name: str, model: PreTrainedModel) -> bool:
    """Whether the parameter `name` is one of the encoder, and not of the head."""
    return name.startswith(f"{model.base_model_prefix}.")


def refuse_encoder(model: PreTrainedModel, report: dict[str, Any], name: str) -> None:
    """ModelError: only the head and the pooler may be new; every weight of the encoder must be there, and finite."""
    encoder = model.base_model_prefix + "."
    absent = [key for key in report["missing_keys"] if key.startswith(encoder) and "pooler" not in key]
    absent += [key for key, *_ in report["mismatched_keys"] if key.startswith(encoder)]
    if absent:
        raise ModelError(f"{name}: {len(absent)} weights of the encoder are missing or misshapen, such as {absent[0]}")
    for key, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise ModelError(f"{name}: {key} holds non-finite weights; choose another base model")


def settle_length(model: PreTrainedModel, max_length: int, name: str) -> None:
    """Let the model see the whole of `max_length` tokens; ConfigError when it sees fewer."""
    limit = max_positions(model)
    if limit is not None and max_length > limit:
        raise ConfigError(f"--max-length {max_length}: {name} has {limit} positions; try --max-length {limit}")
    if (most := settle_attention(model, max_length)) is not None:
        raise ConfigError(f"--max-length {max_length}: {name} sees the whole of {most} tokens at most; say that")


def refuse_tokenizer(model: PreTrainedModel, tokenizer: Any, name: str) -> None:
    """ModelError when the tokenizer knows more tokens than the model."""
    highest = max(tokenizer.get_vocab().values())
    rows = model.get_input_embeddings().num_embeddings
    if highest >= rows:
        raise ModelError(f"{name}: the tokenizer knows token id {highest}, the model has {rows} embeddings")


def add_tokens(model: PreTrainedModel, tokenizer: Tokenizer, tokens: Sequence[str], *, seed: int) -> None:
    """Put `tokens` behind those of the WordPiece `tokenizer`, and embeddings of theirs into `model`.

    `seed` draws the embeddings, each component normal with the mean and the standard deviation that it has among the
    model's own: training tells characters apart from its first step, which it could not if all began as their mean.
    """
    if not tokens:
        return
    first = extend(tokenizer, tokens)
    own = _embeddings(model)[:first]
    noise = np.random.default_rng([seed, _STREAM]).standard_normal((len(tokens), own.shape[1]), np.float32)
    drawn = own.mean(dim=0) + own.std(dim=0) * torch.from_numpy(noise)
    model.resize_token_embeddings(max(len(_embeddings(model)), first + len(tokens)), mean_resizing=False)
    _embeddings(model)[first : first + len(tokens)] = drawn


def _embeddings(model: PreTrainedModel) -> torch.Tensor:
    """Those of the tokens, (tokens, hidden) fp32, by reference."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table.weight.detach()


def start_from_frequencies(model: PreTrainedModel, targets: Targets) -> None:
    """Let a fresh head give each label the probability that it has among the training `targets` (n, labels) of 0 and 1;
    with one label a row, where `targets` is (n,), nothing is done.

    Each label's bias becomes its log-odds (Lin et al. 2017, section 3.3, for rare classes). A fresh bias is 0, which
    says one half, and AdamW moves it by no more than the learning rate a step: too slowly for labels that one row in a
    hundred has.
    """
    if targets.ndim == 1:
        return
    head = output_layer(model, outputs=targets.shape[1])
    if head is None:
        return
    present = targets.sum(axis=0, dtype=np.int64) + 0.5
    odds = present / (len(targets) + 1 - present)
    with torch.no_grad():
        head.bias.copy_(torch.from_numpy(np.log(odds)))
