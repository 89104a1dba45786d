"""The cluster files of `jobs/ray` name commands and settings that there are."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
import yaml

from scorer.config import ScoreConfig

FOLDER = Path(__file__).parents[2] / "jobs" / "ray"


def commands(text: str) -> list[list[str]]:
    """The calls of scorer in a file, from the name of the command on."""
    found = [line.partition("scorer score ")[2].rstrip("'") for line in text.splitlines() if "scorer score " in line]
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("name", ["cluster.yaml", "kubernetes.yaml"])
def test_every_flag_in_a_cluster_file_is_a_setting(name: str) -> None:
    settings = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(ScoreConfig)}
    (arguments,) = commands((FOLDER / name).read_text())
    flags = {argument for argument in arguments if argument.startswith("--")}
    assert {"--engine", "--address"} <= flags <= settings


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("cluster.yaml", ["scorer[ray]", "ray[default]"]),
        ("kubernetes.yaml", ["FROM rayproject/ray:", "/src[ray]", "ray[default]", "wget"]),
        ("README.md", ["`scorer[ray]`", "`ray[default]`", "`wget`"]),
    ],
)
def test_what_has_to_be_installed_is_said(name: str, needed: list[str]) -> None:
    """Ray's core alone has no dashboard, to which KubeRay submits a job and which its probes ask with wget."""
    text = (FOLDER / name).read_text()
    assert [words for words in needed if words not in text] == []


def test_the_job_of_kubernetes_has_workers_that_see_the_lake() -> None:
    job = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    for pod in pods:
        volumes = {volume["name"] for volume in pod["volumes"]}
        (container,) = pod["containers"]
        assert [mount["name"] for mount in container["volumeMounts"]] == sorted(volumes)
    assert "/lake/" in job["spec"]["entrypoint"]


def test_the_cluster_of_machines_has_a_head_and_workers() -> None:
    cluster = yaml.safe_load((FOLDER / "cluster.yaml").read_text())
    assert len(cluster["provider"]["worker_ips"]) == cluster["max_workers"] == 2
    assert any("--head" in command for command in cluster["head_start_ray_commands"])
    assert any("$RAY_HEAD_IP" in command for command in cluster["worker_start_ray_commands"])
