"""A score job from and into a bucket on loopback (moto), against the same job on this machine's disk.

    python jobs/bench/object_stores.py --rows 300000 --distinct 2000 --rounds 3

The input is Parquet without compression. Where few of the texts are distinct, each of these is scored once, so that
the job is reading, writing and little else. Each job is a process of its own; the rounds alternate. Told are the median
of the rows a second from start to end, the median of the CPU seconds of the process, and its largest peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
GROUP_ROWS = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--distinct", type=int, default=2000, help="so many texts, which come again and again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", help="a model directory; the bundled MiniLM with a fresh head when not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = asked.model or str(fresh_model(work / "model"))
        make_input(work / "in.parquet", asked.rows, asked.distinct)
        print(f"input: {asked.rows:,} rows, {(work / 'in.parquet').stat().st_size / 2**20:,.0f} MiB")
        server, endpoint = start_server()
        try:
            send(endpoint, work / "in.parquet")
            environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint, "XDG_CACHE_HOME": f"{work}/cache"}
            measured: dict[str, list[tuple[float, float, float]]] = {"disk": [], "bucket": []}
            for number in range(asked.rounds):
                for where, root in (("disk", str(work)), ("bucket", "s3://bench")):
                    job = [f"{root}/in.parquet", f"{root}/out-{number}.parquet", "-m", model]
                    measured[where].append(run(job, environment, asked.rows))
        finally:
            server.kill()
            server.wait()
    rows, seconds, memory = ({where: tell(of, place) for where, of in measured.items()} for place in range(3))
    for where in measured:
        print(f"{where:>7}: {rows[where]:8,.1f} rows/s  {seconds[where]:7.1f} CPU s  {memory[where]:7,.0f} MiB")
    print(f"speed {rows['bucket'] / rows['disk']:.2f}; memory {memory['bucket'] - memory['disk']:+,.0f} MiB")


def tell(of: list[tuple[float, float, float]], place: int) -> float:
    values = [one[place] for one in of]
    return max(values) if place == 2 else statistics.median(values)


def run(job: list[str], environment: dict[str, str], rows: int) -> tuple[float, float, float]:
    """Rows a second from the first row that is read to the output that stands there; CPU seconds; peak MiB."""
    report = Path(environment["XDG_CACHE_HOME"]).with_name("report.json")
    command = [sys.executable, "-m", "scorer", "score", *job, "--report", str(report), "--quiet"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    _, status, usage = os.wait4(process.pid, 0)
    whole = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    told = json.loads(report.read_text())
    print(f"  {job[0]}: {whole:.1f} s, stream {told['stream_seconds']} s", flush=True)
    return rows / whole, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def make_input(path: Path, rows: int, distinct: int) -> None:
    chance = np.random.default_rng(17)
    words = [
        "good",
        "bad",
        "room",
        "clean",
        "staff",
        "noisy",
        "view",
        "breakfast",
        "late",
        "quiet",
        "street",
        "bed",
        "large",
        "small",
        "never",
        "again",
    ]
    texts = [" ".join(chance.choice(words, size=int(chance.integers(4, 40)))) for _ in range(distinct)]
    table = pa.table({"id": range(rows), "text": pa.array(texts).take(pa.array(chance.integers(0, distinct, rows)))})
    pq.write_table(table, path, row_group_size=GROUP_ROWS, use_dictionary=False, compression="none")


def fresh_model(folder: Path) -> Path:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from scorer.classifier.base_model import bundled_directory

    bundled = bundled_directory()
    assert bundled is not None, "the extra `bundled` is not installed; name a model with --model"
    AutoModelForSequenceClassification.from_pretrained(bundled, num_labels=5).save_pretrained(folder)
    AutoTokenizer.from_pretrained(bundled).save_pretrained(folder)
    return folder


def start_server() -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    return server, f"http://127.0.0.1:{port}"


def send(endpoint: str, path: Path) -> None:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="bench")
    client.upload_file(str(path), "bench", path.name)


if __name__ == "__main__":
    main()
