"""Every architecture that transformers classifies sequences with: no row's score depends on the rows beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from scorer.classifier.independence import TESTED
from tests.architectures import LEFT_OUT, SHORT, make_architecture, measure

README = Path(__file__).parents[3] / "scorer/classifier/README.md"
MOST = 1e-5


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=[] if name in SHORT else pytest.mark.slow) for name in sorted(TESTED)],
)
@pytest.mark.filterwarnings("ignore")  # what forty architectures warn of themselves
def test_rows_have_the_probabilities_that_they_have_alone(architecture, tmp_path):
    found = measure(make_architecture(tmp_path, architecture))
    assert found[-1].backend == "padded"
    assert max(one.difference for one in found) < MOST
    assert found[-1].batches in (TESTED[architecture], "equal lengths")
    assert table()[architecture] == found[-1].batches


def test_the_table_and_the_lists_agree():
    assert table().keys() == TESTED.keys()
    assert not TESTED.keys() & LEFT_OUT.keys()
    # Newer versions of transformers know more; a model of theirs is tried out when it is loaded.
    assert LEFT_OUT.keys() <= MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.keys()


def table() -> dict[str, str]:
    rows = re.findall(r"^\| (\S+) \| (?:\w+ \de-\d+(?:, )?)+ \| ([a-z ]+) \|$", README.read_text(), re.MULTILINE)
    return dict(rows)
