"""A program in the place of `scorer`, that starts in milliseconds and does what the folder it runs in tells it.

It writes its arguments into `calls` and looks into `told.json` for its command: `exit` is its exit code, `reason` what
it says of that, `kill` a signal that it ends by; `wait` lets it stand still until a signal comes (then it ends as
scorer does, or with `stop`) or the file `go` does. What a command writes, it makes: the model of a fit, a report.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def stand_still() -> None:
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: stopped.append(number))
    Path("waiting").touch()
    while not stopped and not Path("go").exists():
        time.sleep(0.005)
    if stopped:
        sys.exit(told.get("stop", 128 + stopped[0]))


def fail(code: int, reason: str) -> None:
    print(f"scorer: error: {reason}", file=sys.stderr)  # noqa: T201  as scorer does
    Path(os.environ["SCORER_REASON"]).write_text(reason, encoding="utf-8")
    sys.exit(code)


def write(flag: str, value: str) -> None:
    if flag == "--output":
        Path(value).mkdir(parents=True, exist_ok=True)
        (Path(value) / "config.json").write_text(value)
    elif flag in ("--report", "--rows"):
        Path(value).touch()


command, *arguments = sys.argv[1:]
with Path("calls").open("a", encoding="utf-8") as calls:
    calls.write(" ".join([command, *arguments]) + "\n")
told = json.loads(Path("told.json").read_text()).get(command, {}) if Path("told.json").exists() else {}
if told.get("wait"):
    stand_still()
if told.get("kill"):
    os.kill(os.getpid(), told["kill"])
if told.get("exit"):
    fail(told["exit"], told.get("reason", ""))
for argument in arguments:
    write(argument.partition("=")[0], argument.partition("=")[2])
print(json.dumps({"command": command, "quiet": os.environ.get("SCORER_QUIET")}))  # noqa: T201  as scorer does
