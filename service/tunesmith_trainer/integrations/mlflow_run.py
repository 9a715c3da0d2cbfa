"""MLflow, by its own library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from tunesmith_trainer.integrations.tracker import End, Facts, Measured, Refused
from tunesmith_trainer.spec import MlflowIntegration

_TAG = "tunesmith.run"
_MOST_METRICS = 1000
_MOST_PARAMETERS = 100
_STATUS = {"succeeded": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}


class MlflowRun:
    """A run there, found again by a tag with the run's id: every attempt goes on with it."""

    def __init__(self, wanted: MlflowIntegration, key: str | None) -> None:
        self._wanted = wanted
        self._key = key
        self._client: Any = None
        self._run_id = ""

    def open(self, facts: Facts) -> int:
        """Begin or go on; what the run has of training losses says where."""
        wanted = self._wanted
        if wanted.credentials == "stdin":
            if wanted.needs_key and self._key is None:
                raise Refused("its key could not be read; an administrator finds why in the log")
            os.environ["NETRC"] = os.devnull  # passwords of the service's own user are not for runs
        os.environ |= _QUIET
        if self._key:
            os.environ["MLFLOW_TRACKING_TOKEN"] = self._key
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = client = MlflowClient(tracking_uri=wanted.tracking_uri)
        experiment = client.get_experiment_by_name(wanted.experiment)
        experiment_id = (
            experiment.experiment_id if experiment else client.create_experiment(wanted.experiment)
        )
        quoted = facts.id.replace("'", "")
        found = client.search_runs([experiment_id], f"tags.`{_TAG}` = '{quoted}'", max_results=1)
        if found:
            self._run_id = found[0].info.run_id
            client.update_run(self._run_id, status="RUNNING")
            history = client.get_metric_history(self._run_id, "training_loss")
            return max((metric.step for metric in history), default=0)
        run = client.create_run(experiment_id, tags={_TAG: quoted}, run_name=wanted.name)
        self._run_id = run.info.run_id
        parameters = [Param(name, str(value)[:6000]) for name, value in facts.config.items()]
        for batch in _batches(parameters, _MOST_PARAMETERS):
            client.log_batch(self._run_id, params=batch)
        return 0

    def log(self, measurements: Sequence[Measured]) -> None:
        """Send them, as many at once as a request may hold."""
        from mlflow.entities import Metric

        metrics = [
            Metric(name, float(value), int(each.time * 1000), each.step)
            for each in measurements
            for name, value in each.values.items()
        ]
        for batch in _batches(metrics, _MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=batch)

    def close(self, end: End | None) -> None:
        """Say how it ended."""
        for name, value in end.summary.items() if end else ():
            self._client.set_tag(self._run_id, f"tunesmith.{name}", str(value))
        self._client.set_terminated(self._run_id, _STATUS[end.status] if end else "KILLED")


def _batches(things: list[Any], size: int) -> Iterator[list[Any]]:
    return (things[start : start + size] for start in range(0, len(things), size))
