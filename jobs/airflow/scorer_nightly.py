"""A DAG for Airflow 3 (with apache-airflow-providers-standard): the nightly job for each day, late days included.

Airflow decides the day and the tries; scorer resumes what was stopped, so that a retry goes on. With `catchup` Airflow
does days that were missed. Exit code 75 (another run is at work) counts as skipped.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="scorer_nightly",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=True,
    max_active_runs=1,  # the job holds a lock
    default_args={"retries": 3, "retry_delay": timedelta(minutes=15)},
):
    BashOperator(
        task_id="run",
        # {{ ds }} is the day of the run; of Airflow 2 it is the day before.
        # exec: a task that is cleared sends its signal to scorer, not to a shell
        bash_command="exec /opt/scorer/bin/scorer run jobs/nightly.toml --date {{ ds }}",
        cwd="/srv/reviews",
        env={"HF_HUB_OFFLINE": "1"},
        append_env=True,
        skip_on_exit_code=75,
    )
