"""The server beside a file and beside `scorer predict`: rows a second under load, and the time of one text when idle.

    python jobs/bench/serve_speed.py [--rows 4096] [--rounds 3] [--clients 64] [--idle 200] [--precision auto]

In each round a file is read, scored by a model in memory and written, then clients ask the server for the same texts:
each with one text a request, then with 16. Told is the server's speed as a share of the file's, by the clock and by the
CPU time of server and clients together, which counts on a machine that has other work. Then single texts go in turns to
a `scorer predict` that is warm, through its pipes, and to the server, when nobody else asks. The clients run on the
same cores as the server, and the file has those alone. Texts are those of the workload `mixed`, numbered so that no two
are equal; the model is that of score_speed.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import scorer
from harness.http_load import Client, ServerProcess, load
from harness.model import fitted_model
from overhead_speed import MAX_LENGTH, add_options, mixed

TOGETHER = 16
_UNTIMED = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="scorer serve against a file and against scorer predict")
    add_options(parser, rows=4096)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--idle", type=int, default=200, help="texts that are asked alone")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    texts = mixed(options.rows, options)
    model = options.model or fitted_model(options.cache, options.realdata)
    settings = ("-m", model, "--max-length", MAX_LENGTH, "--precision", options.precision)
    for name, shares in throughput(texts, model, settings, options).items():
        clock, cpu = zip(*shares, strict=True)
        told = f"{statistics.median(clock):.3f} of the file's speed ({min(clock):.3f} to {max(clock):.3f})"
        print(f"{name}: {told}; by CPU time {statistics.median(cpu):.3f} ({min(cpu):.3f} to {max(cpu):.3f})")
    predict, served = idle(texts[: options.idle + _UNTIMED], settings)
    share = statistics.median(served) / statistics.median(predict)
    print(
        f"idle, one text: {statistics.median(served) * 1e3:.2f} ms, warm predict "
        f"{statistics.median(predict) * 1e3:.2f} ms; {share:.3f} of it"
    )


def throughput(
    texts: list[str], model: Path, settings: tuple[object, ...], options: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    """The server's speed as a share of the file's, by the clock and by CPU time, for each way to ask and each round."""
    shares: dict[str, list[tuple[float, float]]] = {}
    loaded = scorer.load(model, max_length=MAX_LENGTH, precision=options.precision)
    with tempfile.TemporaryDirectory() as folder, ServerProcess(*map(str, settings)) as server:
        source, target = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        pq.write_table(pa.table({"text": texts}), source)
        load(server.port, bodies(texts[:256], 1), clients=options.clients)
        for _ in range(options.rounds):
            begun, used = time.perf_counter(), time.process_time()
            pq.write_table(loaded.score_frame(pq.read_table(source)), target)
            file, file_cpu = time.perf_counter() - begun, time.process_time() - used
            told = [f"file {len(texts) / file:.0f} rows/s"]
            for size in (1, TOGETHER):
                used = time.process_time() + server.cpu_seconds
                found = load(server.port, bodies(texts, size), clients=options.clients)
                cpu = time.process_time() + server.cpu_seconds - used
                name = f"{options.clients} clients, {size} a request"
                shares.setdefault(name, []).append((file / found.seconds, file_cpu / cpu))
                slowest = sorted(found.latencies)[int(0.99 * len(found.latencies))]
                told.append(
                    f"{size} a request {len(texts) / found.seconds:.0f} rows/s, "
                    f"median {statistics.median(found.latencies) * 1e3:.0f} ms, p99 {slowest * 1e3:.0f} ms"
                )
            print("; ".join(told), flush=True)
    return shares


def bodies(texts: list[str], size: int) -> list[bytes]:
    """The bodies of requests for so many texts each; a single one is asked as `text`."""
    if size == 1:
        return [json.dumps({"text": text}).encode() for text in texts]
    return [json.dumps({"texts": texts[start : start + size]}).encode() for start in range(0, len(texts), size)]


def idle(texts: list[str], settings: tuple[object, ...]) -> tuple[list[float], list[float]]:
    """Seconds for each of `texts` but the first few, of a warm `scorer predict` and of the server, in turns."""
    with ServerProcess(*map(str, settings)) as server:
        command = [sys.executable, "-m", "scorer", "predict", *map(str, settings)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            return asyncio.run(_in_turns(texts, process, server.port))
        finally:
            process.communicate()


async def _in_turns(texts: list[str], process: subprocess.Popen[bytes], port: int) -> tuple[list[float], list[float]]:
    assert process.stdin is not None
    assert process.stdout is not None
    client = await Client.connect(port)
    predict, served = [], []
    for text in texts:
        begun = time.perf_counter()
        process.stdin.write(text.replace("\n", " ").encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        predict.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        await client.ask(json.dumps({"text": text}).encode())
        served.append(time.perf_counter() - begun)
    await client.close()
    return predict[_UNTIMED:], served[_UNTIMED:]


if __name__ == "__main__":
    main()
