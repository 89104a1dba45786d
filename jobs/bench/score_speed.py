"""scorer's speed beside what people use today: the same rows, from file to file, in the same rounds.

    python jobs/bench/score_speed.py                                    # the mixed workload, every peer
    python jobs/bench/score_speed.py --workload all --write             # the published results
    python jobs/bench/score_speed.py --peers scorer openvino-bf16 --rounds 5
    python jobs/bench/score_speed.py --limit 64 --rounds 1              # does it run at all?

The environment variable SCORER_REALDATA names the folder of real data sets; without it the texts are generated ones.
What is measured, and how, stands in jobs/bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
from pathlib import Path

from harness import workloads
from harness.measurement import Conditions, measure
from harness.model import fitted_model
from harness.page import page
from harness.peers import PEERS, REUSE_PEERS, REUSE_WORKLOAD
from harness.results import WorkloadResult

FOLDER = Path(__file__).parent
CACHE = FOLDER.parents[1] / ".cache" / "bench"


def main() -> None:
    options = _options()
    # Whatever is measured is on this machine: nothing may ask the hub.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    model = options.model or fitted_model(options.cache, options.realdata)
    conditions = Conditions(model=model, cache=options.cache, rounds=options.rounds, threads=options.threads)
    results: list[WorkloadResult] = []
    versions: dict[str, str] = {}
    for name in options.workload:
        workload = workloads.make_workload(
            name, folder=options.cache / "workloads", realdata=options.realdata, limit=options.limit
        )
        result, found = measure(workload, _peers(name, options.peers), conditions)
        results.append(result)
        versions |= found
    _publish(results, versions, options)


def _peers(workload: str, asked: list[str]) -> list[str]:
    """The peers that run on a workload: reuse has one of its own."""
    if workload == REUSE_WORKLOAD:
        return list(REUSE_PEERS)
    return [name for name in asked if name == "scorer-job" or name not in REUSE_PEERS]


def _publish(results: list[WorkloadResult], versions: dict[str, str], options: argparse.Namespace) -> None:
    """Print the page, or write it with its picture; exit 1 when a peer that is installed failed."""
    command = shlex.join(["python", "jobs/bench/score_speed.py", *sys.argv[1:]])
    text = page(results, machine=_machine(options), versions=dict(sorted(versions.items())), command=command)
    if options.write:
        from harness.picture import draw

        draw(results, FOLDER / "results.png")
        picture = "![Real tokens a second, every peer](results.png)"
        (FOLDER / "RESULTS.md").write_text(f"{text}\n{picture}\n", encoding="utf-8")
    print(text)
    failures = [peer.failure for result in results for peer in result.peers if peer.failure is not None]
    if any(not failure.startswith("needs ") for failure in failures):
        sys.exit(1)


def _machine(options: argparse.Namespace) -> dict[str, str]:
    processors = Path("/proc/cpuinfo")
    lines = processors.read_text(encoding="utf-8").splitlines() if processors.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "threads": str(options.threads),
        "rounds": f"{options.rounds}; the median is told, interleaved, one process a peer",
        "python": platform.python_version(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scoring speed, scorer's and its peers'.")
    parser.add_argument("--workload", nargs="+", default=["mixed"], choices=[*workloads.names(), "all"])
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS), metavar="PEER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=int, metavar="ROWS", help="score only so many rows of each workload")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a model directory; the default is fitted for it")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="what is made once (default: .cache)")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and results.png")
    options = parser.parse_args()
    if "all" in options.workload:
        options.workload = workloads.names()
    folder = os.environ.get("SCORER_REALDATA")
    options.realdata = Path(folder) if folder else None
    return options


if __name__ == "__main__":
    main()
