"""How rows of a batch are padded in training."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.training.collating import Collator
from scorer.training.pretrained import BaseModel


def test_rows_are_padded_where_scoring_pads_them(tiny_model):
    """A tokenizer that pads on the left would move the words of a BERT: validation would see other logits."""
    directory = tiny_model("bert")
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    collate = Collator(BaseModel("tiny", model, tokenizer))
    short, long = ({"input_ids": tokenizer(text)["input_ids"], "labels": 0} for text in ("good", "a very good room"))
    with torch.inference_mode():
        together, alone = (model(**collate(rows)).logits[0] for rows in ([short, long], [short]))
    torch.testing.assert_close(together, alone)
    assert tokenizer.padding_side == "left"
