"""A model directory into memory: tokenizer, weights, labels, and the limits that they set one another.

Does the checks that need the loaded parts: label count, vocabulary, positions. Weights come out in fp32 on the CPU,
whatever the device will be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from torch import Tensor

from scorer.classifier.batches import Shapes
from scorer.classifier.decision import Decision
from scorer.classifier.directory import MULTI_LABEL, ModelDirectory
from scorer.classifier.feeding import Feed, why_no_pairs, why_no_texts
from scorer.classifier.forks import settle
from scorer.classifier.independence import TESTED, probes, shapes_by_trial
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import METADATA_FILE, ModelMetadata
from scorer.classifier.model_config import ModelConfig
from scorer.classifier.network import Network, settle_attention
from scorer.classifier.one_output import REGRESSION
from scorer.classifier.parts import Parts, foreign
from scorer.classifier.plain_parts import plain_parts
from scorer.classifier.tokenization import TruncationSide, without_dropout
from scorer.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DEFAULT_MAX_LENGTH = 512
# A word, nothing, and what no vocabulary holds: alone, and as a pair.
_PROBES = (("a", "", "\U0010fffd"), (("a", "\U0010fffd"), ("", "")))
# What a model whose batches are not tested is tried with; see `independence`.
_TRIAL = ("a good room", "0 bad soups, and 1 cold coffee (twice)", "I would come again: kind staff")
# Calibration keeps to temperatures between 0.25 and 20.
_COLDEST = 1e-3


@dataclass(frozen=True)
class LoadedModel:
    """What a directory holds, in memory: fp32 weights on the CPU, the fast tokenizer, and what limits them.

    `plain_weights` were read from their file, where that was enough. `shapes` says which rows may be in a batch
    together, and `pad_id` fills a row up. `token_types` says whether the tokenizer tells which text of a pair a token
    is of; `truncation_side` where a long text is cut off; `why_no_pairs` why pairs cannot be scored, if they cannot.
    `network` is what transformers makes of it all, for who needs it: it may have to be loaded for that.
    """

    directory: ModelDirectory
    config: ModelConfig
    plain_weights: Mapping[str, Tensor] | None
    tokenizer: Tokenizer
    labels: LabelSet
    decision: Decision
    max_length: int
    shapes: Shapes
    pad_id: int
    token_types: bool
    truncation_side: TruncationSide
    why_no_pairs: str | None
    network: Callable[[], Network]

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """All of them, by the names that they have in their file."""
        return self.plain_weights if self.plain_weights is not None else self.model.state_dict()

    @property
    def model(self) -> PreTrainedModel:
        return self.network().model

    @property
    def feed(self) -> Feed:
        """How `model` is called."""
        return self.network().feed


def load(
    directory: ModelDirectory,
    *,
    max_length: int | None = None,
    tested: Mapping[str, Shapes] = TESTED,
    plain: bool = True,
) -> LoadedModel:
    """Load `directory`; `max_length` in tokens replaces the model's own. ModelError names whatever does not fit.

    `tested` says of architectures which rows may be in a batch together; others are tried out. Where `plain` files say
    all that is needed, transformers is not imported before the `model` is asked for.
    """
    assert not directory.by_times, "its bytes were not looked at; this is a bug"
    settle()
    parts = _parts(directory, max_length=max_length, plain=plain)
    if directory.metadata is not None and ModelMetadata.read(directory.path) != directory.metadata:
        raise ModelError(f"{directory.name}: another model took its place while it was being loaded; run again")
    config, tokenizer = parts.config, parts.tokenizer
    labels = _labels(directory, config)
    _check_vocabulary(directory, parts)
    _check_temperature(directory)
    longest = _max_length(directory, parts, max_length)
    if parts.made is not None and (most := settle_attention(parts.made.model, longest)) is not None:
        raise ModelError(
            f"{directory.name}: reads texts of over {most} tokens in another way, but not after a shorter one; "
            f"say --max-length {most}"
        )
    if parts.token_types and (refusal := why_no_texts(directory.name, tokenizer)) is not None:
        raise ModelError(refusal)
    shapes = tested.get(config.model_type) if parts.may_mix else None
    return LoadedModel(
        directory=directory,
        config=config,
        plain_weights=parts.weights,
        tokenizer=tokenizer,
        labels=labels,
        decision=directory.decision_for(labels),
        max_length=longest,
        shapes=shapes or _try_out(directory, parts, longest=longest),
        pad_id=parts.pad_id,
        token_types=parts.token_types,
        truncation_side=parts.truncation_side,
        why_no_pairs=why_no_pairs(directory.name, config, tokenizer, token_types=parts.sees_types),
        network=parts.network,
    )


def _parts(directory: ModelDirectory, *, max_length: int | None, plain: bool) -> Parts:
    if plain:
        found = plain_parts(directory, cache(lambda: _network(directory, max_length)))
        if found is not None:
            return found
    from scorer.classifier.transformers_parts import transformers_parts

    return transformers_parts(directory)


def _network(directory: ModelDirectory, max_length: int | None) -> Network:
    return load(directory, max_length=max_length, plain=False).network()


def _try_out(directory: ModelDirectory, parts: Parts, *, longest: int) -> Shapes:
    """Which rows may be together, by scoring a few both ways: the architecture, or a decoder without padding, is not
    among those that are tested."""
    kind, network = parts.config.model_type, parts.network()
    encoded = [encoding.ids for encoding in parts.tokenizer.encode_batch_fast(list(_TRIAL))]
    with foreign(f"{directory.name}: {kind} models cannot be scored from texts alone"):
        shapes = shapes_by_trial(network.model.eval(), network.feed, probes(encoded, longest=longest))
    if shapes is None:
        raise ModelError(f"{directory.name}: a {kind} model, which gives one text other logits from time to time")
    return shapes


def _labels(directory: ModelDirectory, config: ModelConfig) -> LabelSet:
    outputs = config.num_labels
    if config.problem_type == REGRESSION and outputs != 1:
        raise ModelError(f"{directory.name}: problem_type 'regression' with {outputs} outputs; a score is one number")
    multi = config.problem_type == MULTI_LABEL
    if directory.metadata is None:
        id2label = {int(index): name for index, name in (config.id2label or {}).items()}
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


def _check_vocabulary(directory: ModelDirectory, parts: Parts) -> None:
    """Every token that the tokenizer knows, or adds, must have an embedding, and odd texts must be encodable."""
    tokenizer = parts.tokenizer
    # Both are set anew by whoever encodes; what the file says may be absurd.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    without_dropout(tokenizer)
    with foreign(f"{directory.name}: its tokenizer does not work"):
        made = [encoding for probes in _PROBES for encoding in tokenizer.encode_batch_fast(list(probes))]
        known = tokenizer.get_vocab(with_added_tokens=True).values()
        highest = max(chain(known, *(encoding.ids for encoding in made)), default=0)
    if highest >= parts.embeddings:
        raise ModelError(
            f"{directory.name}: the tokenizer knows token id {highest}, the model has {parts.embeddings} embeddings"
        )


def _check_temperature(directory: ModelDirectory) -> None:
    """Far outside of what calibration finds, finite logits would give probabilities that are not."""
    temperature = directory.metadata.decision.temperature if directory.metadata is not None else (1.0,)
    if not _COLDEST <= min(temperature) <= max(temperature) <= 1 / _COLDEST:
        raise ModelError(
            f"{directory.name}: temperature {temperature} in {METADATA_FILE}; "
            f"expected {_COLDEST:g} to {1 / _COLDEST:g}; fit the model again"
        )


def _max_length(directory: ModelDirectory, parts: Parts, asked: int | None) -> int:
    limit = parts.positions
    if asked is not None:
        if limit is not None and asked > limit:
            raise ConfigError(f"--max-length {asked}: {directory.name} has {limit} positions")
        return asked
    if directory.metadata is not None:
        length, least = directory.metadata.max_length, 1 + parts.tokenizer.num_special_tokens_to_add(False)
        if limit is not None and length > limit:
            raise ModelError(f"{directory.name}: max_length {length}, but only {limit} positions")
        if length < least:
            raise ModelError(f"{directory.name}: max_length {length}, but special tokens alone take {least - 1}")
        return length
    return min(_own_limit(directory, parts), limit or _DEFAULT_MAX_LENGTH, _DEFAULT_MAX_LENGTH)


def _own_limit(directory: ModelDirectory, parts: Parts) -> int:
    """What tokenizer_config.json says; where it says nothing, transformers has a number beyond all texts."""
    length: Any = parts.longest
    least = 1 + parts.tokenizer.num_special_tokens_to_add(False)
    if not isinstance(length, int | float) or not least <= length:
        raise ModelError(
            f"{directory.name}: model_max_length in tokenizer_config.json; expected {least} or more tokens"
        )
    return int(min(length, _DEFAULT_MAX_LENGTH))
