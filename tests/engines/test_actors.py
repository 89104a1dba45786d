"""How many actors a Ray cluster gets, how many cores each, and what becomes of errors of Ray, by a stand-in for Ray."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from scorer.engines.ray import Actors, RayWorker
from scorer.errors import DeviceError


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class RayActorError(RayError):
    pass


class OutOfMemoryError(RayError):
    """What Ray's memory monitor leaves in the place of an answer."""


class RaySystemError(RayError):
    pass


class LocalRayletDiedError(RayError):
    pass


EXCEPTIONS = SimpleNamespace(
    RayError=RayError,
    RayTaskError=RayTaskError,
    RayActorError=RayActorError,
    RaySystemError=RaySystemError,
    LocalRayletDiedError=LocalRayletDiedError,
)


class Ray:
    """A cluster of nodes, each with so many cores and GPUs. All answers have come, and each is raised."""

    exceptions = EXCEPTIONS

    def __init__(self, *nodes: tuple[int, int]) -> None:
        self.had = list(nodes)

    def nodes(self):
        named = [{"CPU": float(cores), "GPU": float(gpus)} for cores, gpus in self.had]
        return [{"Alive": True, "Resources": {name: n for name, n in node.items() if n}} for node in named] + [
            {"Alive": False, "Resources": {"CPU": 128.0, "GPU": 8.0}}
        ]

    def remote(self, **options):
        self.options = options
        return lambda kind: kind

    def wait(self, answers, **_):
        return answers, []

    def get(self, answer):
        raise answer


def room(ray: Ray, crew: Actors) -> int:
    """How many actors begin when each is put on the first node that has room for it."""
    left, begun = [list(node) for node in ray.had], 0
    for _ in range(crew.places):
        fits = [node for node in left if node[0] >= crew.cores and node[1] >= crew.gpu]
        if fits:
            fits[0][0] -= crew.cores
            fits[0][1] -= crew.gpu
            begun += 1
    return begun


CPU, GPU = False, True


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "places", "cores"),
    [
        # The cluster of jobs/ray/kubernetes.yaml, whose head takes no work.
        ([(0, 0), (8, 0), (8, 0), (8, 0), (8, 0)], None, CPU, 4, 8),
        ([(2, 0)], 2, CPU, 2, 1),
        ([(16, 0)], None, CPU, 1, 16),
        ([(4, 0), (16, 0), (16, 0)], None, CPU, 9, 4),
        ([(64, 0), (8, 0), (8, 0)], None, CPU, 10, 8),
        # A node that is too small for an actor of the others takes no work from them.
        ([(64, 0)] * 10 + [(4, 0)], None, CPU, 10, 64),
        ([(8, 0), (8, 0), (8, 0), (2, 0)], None, CPU, 3, 8),
        ([(4, 0), (16, 0), (16, 0)], 3, CPU, 3, 8),
        ([(8, 0), (8, 0)], 3, CPU, 3, 4),
        # More workers than cores: they share them.
        ([(2, 0)], 5, CPU, 5, 0),
        ([(0, 0)], None, CPU, 1, 0),
        ([(16, 0), (8, 1), (8, 1)], None, GPU, 2, 8),
        ([(8, 0), (8, 4)], None, GPU, 4, 2),
        ([(8, 0), (8, 4)], 2, GPU, 2, 4),
        # No more workers than GPUs, of which each has one.
        ([(8, 0), (8, 4)], 9, GPU, 4, 2),
        ([(16, 4), (4, 4)], None, GPU, 8, 1),
        ([(2, 4)], None, GPU, 4, 0),
    ],
)
def test_all_actors_have_room_at_once(nodes, workers, gpu, places, cores):
    ray = Ray(*nodes)
    crew = Actors.of(ray, workers=workers, gpu=gpu)
    assert (crew.places, crew.cores, crew.gpu) == (places, cores, gpu)
    assert room(ray, crew) == places
    assert (ray.options["num_cpus"], ray.options["num_gpus"]) == (cores, gpu)


def test_a_cluster_without_a_gpu_is_told():
    with pytest.raises(DeviceError, match="no node of the cluster has a GPU; --device cpu"):
        Actors.of(Ray((8, 0), (8, 0)), workers=None, gpu=True)


def test_a_node_that_is_gone_for_good_is_not_waited_for():
    ray = Ray((64, 0), (8, 0))
    crew = Actors.of(ray, workers=1, gpu=False)
    assert crew.cores == 64
    crew._check_nodes(1_000.0)
    del ray.had[0]
    # Nobody has looked for hours; another node may come in its place.
    crew._check_nodes(9_000.0)
    crew._check_nodes(9_800.0)
    with pytest.raises(DeviceError, match="no node of the cluster has 64 cores any more"):
        crew._check_nodes(9_950.0)
    ray.had.append((64, 0))
    crew._check_nodes(9_960.0)
    ray.had.clear()
    with pytest.raises(DeviceError, match="no node of the cluster is alive"):
        crew._check_nodes(9_970.0)


@pytest.mark.parametrize("error", [OutOfMemoryError("killed by its monitor.\nLong advice"), RayActorError()])
def test_an_actor_that_ray_ended_is_dead(error):
    crew = Actors.of(Ray((8, 0)), workers=None, gpu=False)
    worker = RayWorker(actor=None, answer=error)
    assert crew.answers([worker], 0.0) == [(worker, None)]
    assert worker.how == (str(error).partition(".")[0] or "RayActorError")


def test_a_bug_in_an_actor_is_a_bug():
    crew = Actors.of(Ray((8, 0)), workers=None, gpu=False)
    with pytest.raises(RayTaskError):
        crew.answers([RayWorker(actor=None, answer=RayTaskError("in score()"))], 0.0)


@pytest.mark.parametrize("error", [RaySystemError("gone"), LocalRayletDiedError("gone")])
def test_without_ray_the_run_ends(error):
    crew = Actors.of(Ray((8, 0)), workers=None, gpu=False)
    with pytest.raises(DeviceError, match=r"Ray ended on this machine \(gone\)"):
        crew.answers([RayWorker(actor=None, answer=error)], 0.0)
