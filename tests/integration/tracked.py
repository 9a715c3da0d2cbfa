"""What Weights & Biases, MLflow and TensorBoard have of a run, read by their own libraries."""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

Curve = dict[int, float]
_BLOCK, _WHOLE, _LAST = 32768, 1, 4


def in_wandb(file: Path) -> tuple[dict[str, Any], dict[str, Curve], dict[str, Any], Any]:
    """Of an offline run's file: the configuration, the curves, the summary, the run's record."""
    from wandb.proto import wandb_internal_pb2

    config, summary, curves, run = {}, {}, dict[str, Curve](), None
    for data in _logged(file):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        match record.WhichOneof("record_type"):
            case "run":
                run = record.run
                config |= {item.key: json.loads(item.value_json) for item in run.config.update}
            case "config":
                config |= {i.key: json.loads(i.value_json) for i in record.config.update}
            case "history":
                items = record.history.item
                values = {
                    (i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in items
                }
                for name, value in values.items():
                    if not name.startswith("_"):
                        curves.setdefault(name, {})[values["_step"]] = value
            case "summary":
                items = record.summary.update
                summary |= {
                    (i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in items
                }
    return config, curves, summary, run


def _logged(file: Path) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, behind W&B's seven bytes."""
    content, offset, record = file.read_bytes(), 7, b""
    assert content.startswith(b":W&B")
    while offset + 7 <= len(content):
        left = _BLOCK - offset % _BLOCK
        if left < 7:
            offset += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, offset)
        record += content[offset + 7 : offset + 7 + length]
        offset += 7 + length
        if kind in (_WHOLE, _LAST):
            yield record
            record = b""


def in_mlflow(uri: str, experiment: str) -> list[tuple[Any, dict[str, list[tuple[int, float]]]]]:
    """The runs of an experiment, each with every point of its curves."""
    from mlflow.tracking import MlflowClient

    with patch.dict(os.environ, MLFLOW_ALLOW_FILE_STORE="true"):
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        return [
            (
                run,
                {
                    name: sorted(
                        (m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)
                    )
                    for name in run.data.metrics
                },
            )
            for run in client.search_runs([found.experiment_id])
        ]


def in_tensorboard(folder: Path) -> dict[str, Curve]:
    """The curves that TensorBoard shows of a folder; AssertionError for two points at a step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    seen.Reload()
    curves = {}
    for name in seen.Tags()["scalars"]:
        points = seen.Scalars(name)
        curves[name] = {point.step: point.value for point in points}
        assert len(curves[name]) == len(points), name
    return curves
