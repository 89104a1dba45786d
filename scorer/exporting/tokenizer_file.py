"""The exported tokenizer: one file, with which the tokenizers library alone gives the ids that scorer gives a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from scorer.classifier.feeding import Feed
from scorer.classifier.loading import LoadedModel
from scorer.classifier.sequences import EncodedInputs, TokenSequences
from scorer.errors import ModelError
from scorer.exporting.texts import UNENCODABLE, Texts

TOKENIZER_FILE: Final = "tokenizer.json"
_TOGETHER: Final = 32
# What tokenizers says of what is no text.
_REFUSALS: Final = (TypeError, UnicodeEncodeError)

Encode = Callable[..., EncodedInputs]
"""What makes our token sequences of texts, or of pairs."""


def write_tokenizer(loaded: LoadedModel, path: Path) -> None:
    """Write the tokenizer of `loaded` to the file `path`: it cuts long texts, and pads rows, as scorer does.

    ModelError where long texts are read in a way that the library does not know.
    """
    metadata = loaded.directory.metadata
    if metadata is not None and metadata.long_text.strategy != "truncate":
        raise ModelError(
            f"{loaded.directory.name}: reads long texts by --long-text {metadata.long_text.strategy}, which no "
            "exported tokenizer does; fit a model that truncates them"
        )
    tokenizer = loaded.tokenizer
    tokenizer.enable_truncation(loaded.max_length, strategy="longest_first", direction=loaded.truncation_side, stride=0)
    token = tokenizer.id_to_token(loaded.pad_id) or "[PAD]"
    tokenizer.enable_padding(direction="right", pad_id=loaded.pad_id, pad_token=token, pad_type_id=0)
    tokenizer.save(str(path), pretty=False)


def compare_tokenizer(path: Path, encode: Encode, feed: Feed, texts: Texts) -> None:
    """Compare the ids, masks and types that the file `path` gives `texts` with ours, by `encode`.

    ModelError for the first text that differs, which a message calls by its name or its number.
    """
    tokenizer = Tokenizer.from_file(str(path))
    for start in range(0, len(texts), _TOGETHER):
        rows = slice(start, start + _TOGETHER)
        encodings = tokenizer.encode_batch(texts.rows[rows])
        second = None if texts.second is None else texts.second[rows]
        ours = encode(texts.first[rows], second).sequences
        for place, (theirs, own) in enumerate(zip(_rows(encodings, feed), _own(ours, feed), strict=True), start):
            if theirs != own:
                name = texts.names[place] if texts.names else f"{texts.source} text {place + 1}"
                raise _differs(f"{name}: {_first_difference(theirs, own)}")
        if _padded(encodings, feed) != {name: array.tolist() for name, array in feed.arguments(ours).items()}:
            raise _differs("rows of unlike lengths are filled up in another way")


def refuse_unlike_refusals(path: Path, encode: Encode) -> None:
    """ModelError where the tokenizer in the file `path` reads what is no text, or where ours does."""
    tokenizer = Tokenizer.from_file(str(path))
    for name, text in UNENCODABLE.items():
        if not (_refuses(tokenizer.encode_batch, text) and _refuses(encode, text)):
            raise _differs(f"{name} is read, and not refused")


def _refuses(encode: Callable[[list[str]], object], text: str) -> bool:
    try:
        encode([text])
    except _REFUSALS:
        return True
    return False


def _differs(what: str) -> ModelError:
    return ModelError(
        f"the exported tokenizer differs from scorer's: {what}; nothing was written; score with scorer itself"
    )


def _rows(encodings: Sequence[Any], feed: Feed) -> list[tuple[list[int], list[int]]]:
    """The ids and types of each encoding without its padding; types where the model is told them."""
    found = []
    for encoding in encodings:
        used = sum(encoding.attention_mask)
        found.append((encoding.ids[:used], encoding.type_ids[:used] if feed.token_types else []))
    return found


def _own(sequences: TokenSequences, feed: Feed) -> list[tuple[list[int], list[int]]]:
    ids, types, offsets = sequences.ids.tolist(), sequences.types.tolist(), sequences.offsets.tolist()
    return [
        (ids[start:stop], types[start:stop] if feed.token_types else []) for start, stop in itertools.pairwise(offsets)
    ]


def _padded(encodings: Sequence[Any], feed: Feed) -> dict[str, list[list[int]]]:
    arrays = {
        "input_ids": [encoding.ids for encoding in encodings],
        "attention_mask": [encoding.attention_mask for encoding in encodings],
    }
    return arrays | {"token_type_ids": [encoding.type_ids for encoding in encodings]} if feed.token_types else arrays


def _first_difference(theirs: tuple[list[int], list[int]], own: tuple[list[int], list[int]]) -> str:
    if len(theirs[0]) != len(own[0]):
        return f"{len(theirs[0])} tokens, not {len(own[0])}"
    if theirs[0] == own[0]:
        return "other types of token"
    place = next(index for index, (one, other) in enumerate(zip(theirs[0], own[0], strict=True)) if one != other)
    return f"token {place + 1} has the id {theirs[0][place]}, not {own[0][place]}"
