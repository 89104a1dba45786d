"""The files for schedulers and containers are what their programs take, and call commands that there are."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scorer.automation.job_file import read_job
from scorer.cli.serve import serve
from tests.jobs.conftest import JOBS
from tests.test_documents import wrong_with

FILES = ["cron/crontab", "cron/scorer.service", "airflow/scorer_nightly.py", "github/refit.yml"]


def read(name: str) -> str:
    return (JOBS / name).read_text(encoding="utf-8")


def commands(text: str) -> Iterator[list[str]]:
    """The calls of `scorer` in a file, without what the shell does with their streams."""
    for line in text.splitlines():
        if found := re.search(r"(?:^|[ /])scorer run [^>\"]*", line.partition("#")[0]):
            yield ["scorer", *shlex.split(found[0])[1:]]


@pytest.mark.parametrize("name", FILES)
def test_the_commands_are_there_and_so_are_their_jobs(name):
    found = list(commands(read(name)))
    assert found
    for words in found:
        assert wrong_with([word for word in words if "{{" not in word]) is None
        assert (JOBS.parent / words[2]).is_file()


def test_the_crontab_has_five_times_and_a_command():
    lines = [line for line in read("cron/crontab").splitlines() if line and not re.match(r"#|[A-Z]+=", line)]
    assert len(lines) == 2
    for line in lines:
        *times, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*/,-]+", part) for part in times)
        assert command.startswith("cd /srv/reviews && /opt/scorer/bin/scorer run ")
        assert "%" not in command  # which cron takes for the end of a line
        assert re.search(r" >> logs/\w+\.jsonl 2>> logs/\w+\.log$", command)


def test_logrotate_takes_its_file(program, tmp_path):
    text = read("cron/logrotate").replace("/srv/reviews", str(tmp_path)).replace("0640 reviews reviews", "0640")
    (tmp_path / "conf").write_text(text)
    (tmp_path / "conf").chmod(0o644)
    command = [program("logrotate"), "--debug", "--state", str(tmp_path / "state"), str(tmp_path / "conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr


def test_systemd_takes_the_service_and_the_timer(program, tmp_path):
    """As they stand, but for the place of the program, which has to be there."""
    text = read("cron/scorer.service")
    assert text.count("/opt/scorer/bin/scorer ") == 1
    (tmp_path / "scorer.service").write_text(text.replace("/opt/scorer/bin/scorer ", f"{shutil.which('true')} "))
    shutil.copy(JOBS / "cron/scorer.timer", tmp_path)
    units = [str(tmp_path / name) for name in ("scorer.service", "scorer.timer")]
    command = [program("systemd-analyze"), "verify", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("scorer.")]
    assert (done.returncode, ours) == (0, [])
    (tmp_path / "scorer.service").write_text(text.replace("Type=oneshot", "Type=onceshot"))
    broken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "onceshot" in broken.stderr


def test_kubernetes_takes_the_cron_job(program):
    command = [program("kubernetes-validate"), "--strict", str(JOBS / "kubernetes/cronjob.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def cron_job() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The configuration map, the cron job and its pod."""
    configuration, job = yaml.safe_load_all(read("kubernetes/cronjob.yaml"))
    return configuration, job, job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_cron_job_mounts_what_its_job_file_names(tmp_path):
    configuration, job, pod = cron_job()
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert sorted(mounts.values()) == sorted(volumes)
    (name, text), *others = configuration["data"].items()
    assert not others
    assert container["args"] == ["run", f"/etc/scorer/{name}"]
    assert volumes[mounts["/etc/scorer"]]["configMap"]["name"] == configuration["metadata"]["name"]
    said = tomllib.loads(text)
    assert said["folder"] in mounts
    assert said["steps"] == tomllib.loads(read("nightly.toml"))["steps"]
    assert "runs" in said  # beside the job file nothing may be written
    (tmp_path / name).write_text(text)
    read_job(tmp_path / name)
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


def test_what_the_cron_job_does_not_try_again_is_no_passing_trouble():
    _, job, pod = cron_job()
    fail, ignore = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert (fail["action"], ignore["action"]) == ("FailJob", "Ignore")
    assert fail["onExitCodes"]["containerName"] == pod["containers"][0]["name"]
    assert not {69, 74, 75, 129, 130, 137, 143} & set(fail["onExitCodes"]["values"])
    assert pod["restartPolicy"] == "Never"  # which such a policy needs


@pytest.mark.parametrize(
    ("schema", "name"), [("compose-spec", "containers/compose.yaml"), ("github-workflows", "github/refit.yml")]
)
def test_the_schema_takes_the_file(program, schema, name):
    command = [program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", str(JOBS / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_takes_the_dockerfile(program):
    done = subprocess.run([program("hadolint"), str(JOBS / "containers/Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_builds_the_stages_and_reserves_a_gpu():
    services = yaml.safe_load(read("containers/compose.yaml"))["services"]
    stages = re.findall(r"^FROM \S+ AS (\w+)$", read("containers/Dockerfile"), re.MULTILINE)
    assert stages == ["base", "cpu", "cuda"]
    for service, target in (("nightly", "cpu"), ("nightly-gpu", "cuda"), ("server", "cpu"), ("server-gpu", "cuda")):
        build = services[service]["build"]
        assert (build["target"], services[service]["image"]) == (target, f"scorer:{target}")
        assert (JOBS / "containers" / build["context"]).resolve() == JOBS.parent
        assert (JOBS.parent / build["dockerfile"]).is_file()
    for name in ("nightly", "server"):
        (device,) = services[f"{name}-gpu"]["deploy"]["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        assert "deploy" not in services[name]
    assert (JOBS.parent / services["nightly"]["command"][1]).is_file()


def test_the_server_of_the_compose_file_is_one_that_there_is():
    """Its command is taken, and only whoever has the token reaches it from outside."""
    server = yaml.safe_load(read("containers/compose.yaml"))["services"]["server"]
    command, *arguments = server["command"]
    context = serve.make_context(command, arguments)
    assert context.params["host"] == "0.0.0.0"
    assert str(context.params["token"]) == "/run/secrets/token"
    assert server["secrets"] == ["token"]
    assert server["ports"] == [f"127.0.0.1:{context.params['port']}:{context.params['port']}"]
    # The container is given more time than the server takes to answer what has arrived.
    assert (server["stop_grace_period"], context.params["drain_seconds"]) == ("2m", 30.0)


def test_the_image_is_made_of_files_that_there_are():
    kept = [line[1:] for line in read("containers/Dockerfile.dockerignore").splitlines() if line.startswith("!")]
    copied = [
        word
        for line in read("containers/Dockerfile").splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    ]
    assert sorted(kept) == sorted(copied)
    assert [name for name in copied if not (JOBS.parent / name).exists()] == []
    extras = set(re.findall(r"'\.\[(.+?)\]'", read("containers/Dockerfile")))
    known = tomllib.loads((JOBS.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {name for extra in extras for name in extra.split(",")} <= known.keys()


def test_the_dag_is_one_operator_with_the_day_of_airflow():
    tree = ast.parse(read("airflow/scorer_nightly.py"))
    (operator,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "BashOperator"
    )
    said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in operator.keywords}
    assert said["bash_command"].startswith("exec ")
    assert said["bash_command"].endswith("--date {{ ds }}")
    assert (said["skip_on_exit_code"], said["append_env"]) == (75, True)


def test_the_workflow_installs_what_the_refit_needs():
    job = yaml.safe_load(read("github/refit.yml"))["jobs"]["refit"]
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs == ["pip install -c constraints.txt '.[fit,bundled]'", "scorer run jobs/weekly.toml"]


def test_the_workflow_reads_its_model_more_often_than_every_seven_days_and_misses_it():
    """GitHub deletes a cache that nobody reads for seven days, and a gate with nothing to compare lets all in."""
    document = yaml.safe_load(read("github/refit.yml"))
    days = sorted(int(timer["cron"].split()[4]) for timer in document[True]["schedule"])  # `on` is true in YAML 1.1
    gaps = [after - before for before, after in itertools.pairwise([*days, days[0] + 7])]
    assert max(gaps) <= 5
    restored = {
        name: step["with"]
        for name, job in document["jobs"].items()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/cache/restore@")
    }
    conditions = [document["jobs"][name]["if"] for name in ("keep", "refit")]
    schedule = document[True]["schedule"][1]["cron"]
    assert conditions == [f"github.event.schedule {sign} '{schedule}'" for sign in ("==", "!=")]
    assert restored["keep"].pop("fail-on-cache-miss") is True
    assert restored["refit"].pop("fail-on-cache-miss") == "${{ github.event_name == 'schedule' }}"
    assert restored["keep"] == restored["refit"], "another path is another cache"


def test_every_folder_of_jobs_has_its_line():
    page = read("README.md")
    folders = {path.name for path in JOBS.iterdir() if path.is_dir() and path.name not in ("runs", "__pycache__")}
    files = {path.name for path in JOBS.glob("*.toml")}
    assert {name for name in folders | files if f"]({name}" not in page and f"`{name}`" not in page} == set()
