"""Every peer that is installed, on a tiny model: the same token ids and answers as one row at a time."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from harness.answers import compare
from harness.expected import check_ids, expected_ids
from harness.peers import PEERS, Setup
from harness.reference import Reference
from harness.workloads import COLUMN, make_workload, texts_of

# The widest difference of a probability from fp32 that each arithmetic may cause here.
TOLERANCE = {"fp32": 1e-5, "bf16": 0.1, "int8": 0.5}
# auto is bf16 where the processor has it.
PRECISIONS = {"crossencoder-best": "bf16", "scorer": "bf16", "scorer-job": "bf16", "scorer-job-reuse": "bf16"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("peers")


@pytest.fixture(scope="module")
def setup(folder, tiny_model):
    return Setup(
        model=tiny_model(max_positions=256), exports=folder / "exports", column=COLUMN, max_length=256, threads=1
    )


@pytest.fixture(scope="module")
def workload(folder):
    return make_workload("mixed", folder=folder, realdata=None, limit=24)


@pytest.fixture(scope="module")
def expected(folder, setup, workload):
    return Reference(setup.model, folder / "reference", 1).expected(workload.path, workload.max_length)


# Exporters and pipelines warn of their own affairs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(PEERS))
def test_a_peer_gives_the_model_its_own_tokens_and_finds_the_same(name, setup, workload, expected, tmp_path):
    entry = PEERS[name]
    if entry.missing():
        pytest.skip(f"{', '.join(entry.missing())} not installed: the extra bench")
    entry.prepare(setup)
    peer = entry.load(setup)
    check_ids(peer.token_ids(texts_of(workload.path)), expected_ids(expected.file, range(workload.rows)))
    peer.choose(peer.choices[-1])
    target = tmp_path / "scored.parquet"
    peer.score(workload.path, target)

    assert pq.read_table(target, columns=["id", COLUMN]).equals(pq.read_table(workload.path))
    precision = PRECISIONS.get(name, name.rpartition("-")[2])
    agreement = compare(target, expected.probabilities, expected.labels)
    assert agreement.largest_difference <= TOLERANCE[precision]
    assert agreement.flips == 0 or precision != "fp32"
    assert peer.computed_tokens is None or peer.computed_tokens >= expected.tokens
    assert peer.about


def test_other_token_ids_are_an_error(expected, workload):
    ids = expected_ids(expected.file, range(workload.rows))
    other = [list(row) for row in ids]
    other[3][1] += 1
    with pytest.raises(ValueError, match="in 1 rows of 24; row 3 has"):
        check_ids(other, ids)
    with pytest.raises(ValueError, match="23 rows of token ids, 24 expected"):
        check_ids(ids[1:], ids)
