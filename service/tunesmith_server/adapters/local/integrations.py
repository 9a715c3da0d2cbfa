"""The integrations of a run for its trainer: what goes into `run.json`, and what is handed over."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith_server.adapters.local.environment import network_environment
from tunesmith_server.adapters.local.secrets import SecretMissing, read_secret
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.integrations import (
    Integration,
    IntegrationPolicy,
    MlflowIntegration,
    SecretReference,
    WandbIntegration,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ForTrainer:
    """`specs`: the entries of `run.json`, without a secret; `handed`: what the trainer reads from
    its standard input, None if it needs nothing."""

    specs: list[dict[str, Any]] = field(default_factory=list)
    handed: bytes | None = None


class TrainerIntegrations:
    """Resolves references at the start of an attempt, by the grants as they are then.

    `tensorboard`: a folder that gets the event files of every run, in a folder each.
    """

    def __init__(
        self,
        policy: IntegrationPolicy,
        *,
        wandb_url: str = "",
        tensorboard: Path | None = None,
    ) -> None:
        self._policy = policy
        self._wandb_url = wandb_url
        self._tensorboard = tensorboard

    def of(self, run: FineTune) -> ForTrainer:
        """Those of a run. What cannot be resolved is logged, and told by the trainer; no error."""
        specs: list[dict[str, Any]] = []
        keys: list[str | None] = []
        for each in run.spec.integrations:
            spec, reference = self._spec(run, each)
            specs.append(spec)
            keys.append(_secret(run, reference))
        if self._tensorboard:
            folder = self._tensorboard / run.name.tenant / run.name.id
            specs.append({"type": "tensorboard", "folder": str(folder)})
        if not run.spec.integrations:
            return ForTrainer(specs)
        handed = {"keys": keys, "environment": network_environment()}
        return ForTrainer(specs, json.dumps(handed).encode())

    def _spec(
        self, run: FineTune, integration: Integration
    ) -> tuple[dict[str, Any], SecretReference | None]:
        tenant = run.name.tenant
        if integration.wandb:
            wanted = integration.wandb
            return self._wandb(run, wanted), self._policy.wandb_key(tenant, wanted)
        assert integration.mlflow  # it is one of the two
        key = self._policy.mlflow_key(tenant)
        allowed = self._policy.allows(tenant, integration)
        # A server that was taken from the tenant meanwhile is shown nothing.
        spec = self._mlflow(run, integration.mlflow, needs_key=key is not None or not allowed)
        return spec, key if allowed else None

    def _wandb(self, run: FineTune, wanted: WandbIntegration) -> dict[str, Any]:
        return {
            "type": "wandb",
            "project": wanted.project,
            "name": wanted.display_name or run.display_name or run.name.id,
            "entity": wanted.entity or None,
            "tags": list(wanted.tags),
            "url": self._wandb_url or None,
            "credentials": "stdin",
        }

    def _mlflow(
        self, run: FineTune, wanted: MlflowIntegration, *, needs_key: bool
    ) -> dict[str, Any]:
        return {
            "type": "mlflow",
            "tracking_uri": wanted.tracking_uri,
            "experiment": wanted.experiment or "Default",
            "name": run.display_name or run.name.id,
            "credentials": "stdin",
            "needs_key": needs_key,
        }


def _secret(run: FineTune, reference: SecretReference | None) -> str | None:
    if reference is None:
        return None
    try:
        return read_secret(reference)
    except SecretMissing as error:
        log.warning("integration_key_missing run=%s %s", run.name, error)
        return None
