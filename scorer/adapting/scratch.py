"""A WordPiece tokenizer and a small BERT from nothing but texts, of whatever language.

The vocabulary has the characters of the texts, the most frequent first, and grows by merging the pair of pieces that is
most frequent, as the tokenizers library does it. A Chinese character is a word of its own, as BERT's pre-tokenizer has
it. Accents and vowel signs stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertTokenizer, set_seed

from scorer.adapting.corpus import Corpus
from scorer.adapting.masked_model import MaskedModel
from scorer.config import AdaptConfig
from scorer.errors import DataError, UsageError

NAME = "from scratch"

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_INNER = "##"
# Texts of so many characters tell the frequencies of a language's words.
_MOST_CHARACTERS = 1 << 30
_FEWEST = 2


def make_model(corpus: Corpus, config: AdaptConfig) -> MaskedModel:
    """A new model for the texts of `corpus`, of the shape that `config` names; the same texts and seed make the same.
    DataError when the texts have no characters, UsageError when the shape is impossible."""
    shape = config.shape
    if shape["hidden"] % shape["heads"]:
        raise UsageError(f"--hidden {shape['hidden']}: not a multiple of --heads {shape['heads']}")
    tokenizer = make_tokenizer(corpus, shape["vocab_size"], where=corpus.where)
    tokenizer.model_max_length = config.max_length
    set_seed(config.seed)
    network = (BertForPreTraining if config.nsp else BertForMaskedLM)(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape["hidden"],
            num_hidden_layers=shape["layers"],
            num_attention_heads=shape["heads"],
            intermediate_size=4 * shape["hidden"],
            # A place that no block has would never be learned.
            max_position_embeddings=config.max_length,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    return MaskedModel(NAME, network, tokenizer, new_head=True, besides={})


def make_tokenizer(texts: Iterable[str], size: int, *, where: str) -> BertTokenizer:
    """A tokenizer of at most `size` tokens for the `texts`, which are read twice. DataError when they have no
    characters."""
    cut = Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]", continuing_subword_prefix=_INNER))
    cut.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    cut.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    counts, total = _characters(texts, cut)
    first, inner = _alphabet(counts, cut, room=size - len(_SPECIAL))
    if not first:
        raise DataError(f"{where}: no character is in {_FEWEST} texts, so there is nothing to make a tokenizer of")
    trainer = WordPieceTrainer(
        vocab_size=size,
        min_frequency=_FEWEST,
        # The library numbers pieces within words as it meets them, in an order that changes from run to run, and draws
        # level pairs by number. Named here, they have their numbers before.
        special_tokens=[*_SPECIAL, *inner],
        initial_alphabet=first,
        limit_alphabet=len(first),
        continuing_subword_prefix=_INNER,
        show_progress=False,
    )
    cut.train_from_iterator(_share(texts, total), trainer)
    vocabulary = cut.get_vocab()
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, strip_accents=False, tokenize_chinese_chars=True)


def _characters(texts: Iterable[str], tokenizer: Tokenizer) -> tuple[Counter[str], int]:
    """In how many of the texts each character is, as the tokenizer writes it; and how many characters they have."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += len(text)
        counts.update(set(tokenizer.normalizer.normalize_str(text)))
    return counts, total


def _alphabet(counts: Counter[str], tokenizer: Tokenizer, *, room: int) -> tuple[list[str], list[str]]:
    """The characters that get tokens, the most frequent first, and the tokens of those that may stand within a word.
    Each is in two texts at least; together they have `room`."""
    first: list[str] = []
    inner: list[str] = []
    for count, character in sorted(((-count, character) for character, count in counts.items())):
        # The normalizer puts spaces around Chinese characters.
        twice = tokenizer.normalizer.normalize_str(character * 2)
        words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(twice)]
        tokens = 1 + (len(words) == 1)
        if -count < _FEWEST or len(first) + len(inner) + tokens > room:
            break
        if words:
            first.append(character)
            inner += [_INNER + character] if len(words) == 1 else []
    return first, inner


def _share(texts: Iterable[str], characters: int) -> Iterator[str]:
    """The `texts` that a tokenizer is made of: all, or a share of them where they have very many `characters`."""
    share = min(_MOST_CHARACTERS / max(characters, 1), 1.0)
    generator = np.random.default_rng(0)
    return (text for text in texts if share == 1.0 or generator.random() < share)
