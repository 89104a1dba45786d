"""The page of a score job: made when the output stands, whoever scored it, and nothing of the output depends on it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES, Profile
from scorer.engines.summary import ScoreSummary
from scorer.errors import DataError, OutputRefused, UsageError
from tests.models import FIVE_STARS, sentences
from tests.reports.markup import checked
from tests.reports.samples import HOSTILE
from tests.scoring.files import write
from tests.stores.buckets import Bucket

ROWS = 40
Run = Callable[..., ScoreSummary]


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory) -> Path:
    """A model that says what its training data looked like."""
    directory: Path = shutil.copytree(tiny_model("bert"), tmp_path_factory.mktemp("profiled") / "model")
    profile = Profile(
        training_labels=(80, 80, 80, 80, 80, 0),
        rows=400,
        lengths=(100, 100, 100, 100, *[0] * (len(LENGTH_EDGES) - 3)),
        truncated_share=0.0,
        unknown_token=1,
        unknown_share=0.0,
        unknowns=(400, 0, 0, 0, 0, 0),
        validation_rows=400,
        true_labels=(80, 80, 80, 80, 80, 0),
        predicted_labels=(80, 80, 80, 80, 80, 0),
        confidences=(*[0] * 5, *[50] * 6, 100),
    )
    assert len(profile.confidences) == len(CONFIDENCE_EDGES) + 1
    metadata = ModelMetadata(
        base_model="some/base",
        text_columns=("text",),
        label_column="stars",
        labels=LabelSet.from_values([1, 2, 3, 4, 5]),
        max_length=64,
        metrics={"accuracy": 0.75},
        profile=profile,
    )
    metadata.write(directory)
    return directory


def table(rows: int = ROWS, *, seed: int = 5) -> pa.Table:
    texts: list[str | None] = [*sentences(rows - 2, seed=seed), None, " "]
    days = pa.array([20_000 + i for i in range(rows)], pa.int32()).cast(pa.date32())
    return pa.table({"day": days, "shop": [f"shop {i % 3}" for i in range(rows)], "text": pa.array(texts, pa.string())})


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Run:
    def run(source: str = "in.parquet", target: str = "out.parquet", **options: Any) -> ScoreSummary:
        fixed = {"model": str(model), "precision": "fp32", "batch_tokens": 1, "report_html": tmp_path / "page.html"}
        place = target if "://" in target else f"{tmp_path}/{target}"
        return scorer.score(f"{tmp_path}/{source}", place, **fixed | options)

    return run


def page(tmp_path: Path) -> str:
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    checked(html)
    return html


def section(html: str, name: str) -> str:
    return html.split(f'<section id="{name}">')[1].split("</section>")[0]


def without_lineage(html: str) -> str:
    """The page without what says where it came from, and without the names of input and output."""
    return html.split("</header>")[1].split('<section id="model">')[0]


def labels_of(html: str) -> dict[str, int]:
    found = re.findall(r'<th scope="row"><bdi>(\d)</bdi></th><td>([\d,]+)</td>', section(html, "labels"))
    return {name: int(count) for name, count in found}


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl", "arrow"])
def test_every_format_gives_the_same_page(tmp_path: Path, run: Run, ending: str) -> None:
    write(tmp_path / "in.parquet", table())
    run(target=f"out.{ending}")
    html = page(tmp_path)
    (tmp_path / "page.html").unlink()
    run(target="again.parquet")
    assert without_lineage(html) == without_lineage(page(tmp_path))
    found = Counter(map(str, pq.read_table(tmp_path / "again.parquet")["score"].drop_null().to_pylist()))
    assert labels_of(html) == {name: found[name] for name in FIVE_STARS}
    assert {"Before you read on", "Labels over time", "Drift", "Examples", "Lineage"} <= set(
        re.findall("<h2>(.*?)</h2>", html)
    )
    assert "some/base" in html
    assert "accuracy 0.7500" in html


def test_the_page_changes_no_byte_and_a_run_that_finds_all_finished_makes_it_too(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "in.parquet", table())
    run(report_html=None)
    before = (tmp_path / "out.parquet").read_bytes()
    assert not (tmp_path / "page.html").exists()
    assert run().finished_before
    found = page(tmp_path)
    assert (tmp_path / "out.parquet").read_bytes() == before
    run(force=True, report_by="shop")
    assert "Labels by shop" in page(tmp_path)
    run(target="other.parquet")
    assert (tmp_path / "other.parquet").read_bytes() == before
    # Lengths and unknown tokens do not stand in the output; all else is told as when it was scored.
    fresh = page(tmp_path)
    for name in ("labels", "confidence", "labels-over-time", "statuses", "examples"):
        assert section(found, name) == section(fresh, name)
    assert section(found, "drift").count("<figure") == 2
    assert section(fresh, "drift").count("<figure") == 5


def test_a_run_that_was_stopped_before_its_page_makes_it_the_next_time(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scorer.engines import outcome_page

    write(tmp_path / "in.parquet", table())
    whole = outcome_page.write_whole

    def full(target: Path, _content: str) -> None:
        raise OutputRefused(f"{target}: the disk is full")

    monkeypatch.setattr(outcome_page, "write_whole", full)
    with pytest.raises(OutputRefused, match="the disk is full"):
        run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]
    monkeypatch.setattr(outcome_page, "write_whole", whole)
    assert run().finished_before
    page(tmp_path)


def test_texts_of_rows_cannot_become_markup(tmp_path: Path, run: Run) -> None:
    texts = [text.encode(errors="replace").decode() for text in HOSTILE if text.strip()]
    rows = pa.table({"text": texts, "<i>shop</i>": texts})
    write(tmp_path / "in.parquet", rows)
    run(report_by="<i>shop</i>")
    found = checked(page(tmp_path))
    assert not {"script", "img"} & set(found.tags)
    assert found.tags.count("i") == len(re.findall('<i class="(?:one|two)"', page(tmp_path))), "those of bars"
    assert any("<script>alert(" in text for text in found.texts), "shown as it is written"


def test_a_folder_its_partitions_and_what_is_wrong_with_it(tmp_path: Path, run: Run) -> None:
    for number in range(4):
        (tmp_path / f"in/region={number % 2}").mkdir(parents=True, exist_ok=True)
        write(tmp_path / f"in/region={number % 2}/part-{number}.csv", table(12, seed=number).drop_columns(["day"]))
    run("in", "out/")
    html = page(tmp_path)
    assert sum(labels_of(html).values()) == 40
    assert len(re.findall(r"region=\d/<wbr>part|region=\d/part", section(html, "labels-by-file"))) == 4
    assert section(html, "drift").count("<figure") == 5
    first = without_lineage(html)
    summary = run("in", "out/")
    assert summary.parts is not None
    assert (summary.parts["scored"], without_lineage(page(tmp_path))) == (0, first), "a run that scores nothing"

    (tmp_path / "in/region=0/part-0.csv").write_text('text\n"unclosed\n')
    (tmp_path / "in/region=1/part-1.csv").unlink()
    with pytest.raises(DataError, match="could not be scored"):
        run("in", "out/", on_error="quarantine", report_by="region")
    html = page(tmp_path)
    assert "Files that could not be scored: region=0/part-0.csv." in html
    assert "Parts whose input is gone: region=1/part-1.csv." in html
    groups = re.findall(r'<th scope="row"><bdi>(\d)</bdi></th><td>(\d+)</td>', section(html, "labels-by-region"))
    assert groups == [("0", "24"), ("1", "24")]


def test_a_folder_of_files_whose_names_tell_no_format(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b"):
        write(tmp_path / "in" / "c.csv", pa.table({"text": sentences(5)})).rename(tmp_path / "in" / name)
    assert run("in", "out/", input_format="csv").rows == 10
    assert "a.txt" in page(tmp_path)


def test_a_folder_in_which_nothing_stands_has_no_page(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text('text\n"unclosed\n')
    with pytest.raises(DataError, match=r"a\.csv could not be scored"):
        run("in", "out/", on_error="quarantine")
    assert not (tmp_path / "page.html").exists()


def test_parts_in_files_of_their_own(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/a.parquet", table())
    run("in", "plain/", report_by="shop")
    plain = page(tmp_path)
    run("in", "laid/", rows_per_file=9, partition_by=("score",), report_by="shop")
    laid = page(tmp_path)
    for name in ("labels", "labels-by-shop", "statuses"):
        assert section(laid, name) == section(plain, name)


def test_a_bucket(tmp_path: Path, run: Run, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/a.parquet", table())
    for target in ("out/", "out.parquet"):
        source = "in" if target == "out/" else "in/a.parquet"
        run(source, target)
        here = page(tmp_path)
        for _ in range(2):
            (tmp_path / "page.html").unlink()
            run(source, f"s3://{bucket.name}/{target}")
            assert section(page(tmp_path), "examples") == section(here, "examples")
            assert labels_of(page(tmp_path)) == labels_of(here)


def test_several_labels_and_numbers(tmp_path: Path, run: Run, model: Path, tiny_model: Any) -> None:
    write(tmp_path / "in.parquet", table())
    several = shutil.copytree(model, tmp_path / "several")
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    many = LabelSet(metadata.labels.names, "int", multi=True)
    config = json.loads((several / "config.json").read_text()) | {"problem_type": "multi_label_classification"}
    (several / "config.json").write_text(json.dumps(config))
    dataclasses.replace(metadata, labels=many, decision=Decision((1.0,) * 5, (0.6,) * 5)).write(several)
    for ending in ("parquet", "csv", "jsonl"):
        run(target=f"several.{ending}", model=str(several))
        html = page(tmp_path)
        lists = pq.read_table(tmp_path / "several.parquet")["score"].drop_null().to_pylist()
        found = Counter(str(label) for labels in lists for label in labels)
        assert labels_of(html) == {name: found[name] for name in FIVE_STARS}
        assert f"{lists.count([])} scored rows have none" in html
    one = tiny_model("bert", labels=("score",))
    for ending in ("parquet", "csv"):
        run(target=f"number.{ending}", model=str(one))
        numbers = pq.read_table(tmp_path / "number.parquet")["score"].drop_null().to_pylist()
        html = page(tmp_path)
        assert f"number {max(numbers):.4g}"[:8] in html
        assert "The model says nothing of its training data" in html


def test_labels_that_look_like_numbers_are_those_of_the_model(tmp_path: Path, run: Run, tiny_model: Any) -> None:
    write(tmp_path / "in.parquet", table())
    for ending in ("csv", "jsonl", "parquet"):
        run(target=f"out.{ending}", model=str(tiny_model("bert", labels=("1.0", "2.0", "true"))))
        found = set(re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th>', section(page(tmp_path), "labels")))
        assert found == {"1.0", "2.0", "true"}


def test_rows_without_any_score(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "in.parquet", pa.table({"text": pa.array(["", None], pa.string()), "day": ["2026-03-01"] * 2}))
    for ending in ("csv", "jsonl", "parquet"):
        run(target=f"out.{ending}")
        assert labels_of(page(tmp_path)) == dict.fromkeys(FIVE_STARS, 0)


def test_pairs_of_texts(tmp_path: Path, run: Run, tiny_model: Any) -> None:
    rows = table().append_column("answer", pa.array(sentences(ROWS, seed=9)))
    write(tmp_path / "in.parquet", rows)
    run(model=str(tiny_model("bert")), text_column=("text", "answer"))
    examples = section(page(tmp_path), "examples")
    assert examples.count("<blockquote>") == 2 * examples.count("<li>") > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report_html": None, "report_by": "shop"}, "--report-by: says what --report-html shows"),
        ({"report_by": "shopp"}, "--report-by: .*: no column 'shopp'; did you mean 'shop'"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused_before_anything_is_scored(
    tmp_path: Path, run: Run, options: dict[str, Any], message: str
) -> None:
    write(tmp_path / "in.parquet", table())
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder/a.parquet", table())
    for source, target in (("in.parquet", "out.parquet"), ("folder", "out/")):
        with pytest.raises(UsageError, match=message):
            run(source, target, **options)
    assert not (tmp_path / "out.parquet").exists()
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_column_whose_values_are_no_groups_is_refused_before_anything_is_scored(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "in.parquet", table().append_column("tags", pa.array([["a"]] * ROWS)))
    with pytest.raises(UsageError, match=r"--report-by tags: the column of .* is list<.*>; name one of dates, texts"):
        run(report_by="tags")
    assert not (tmp_path / "out.parquet").exists()


def test_where_a_page_cannot_be(tmp_path: Path, run: Run, model: Path) -> None:
    write(tmp_path / "in.parquet", table())
    with pytest.raises(OutputRefused, match="no/such"):
        run(report_html=tmp_path / "no/such/page.html")
    with pytest.raises(UsageError, match="named twice"):
        run(report_html=tmp_path / "out.parquet")
    with pytest.raises(UsageError, match="--report-html: OUT is read again for it"):
        scorer.score(tmp_path / "in.parquet", "-", model=str(model), report_html=tmp_path / "page.html")
    assert not (tmp_path / "out.parquet").exists()


def test_no_rows(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "in.parquet", table()[:0])
    run()
    assert "0 rows of" in page(tmp_path)
