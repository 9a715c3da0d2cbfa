"""Integrations between the domain and the contract."""

from collections.abc import Iterable

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import fine_tune_pb2 as pb

from tunesmith_server.domain.errors import NotBuiltYet
from tunesmith_server.domain.integrations import (
    Integration,
    MlflowIntegration,
    SecretReference,
    SecretSource,
    WandbIntegration,
)


def integrations_of(messages: Iterable[pb.Integration]) -> tuple[Integration, ...]:
    """Those that a request carries."""
    return tuple(_integration(message) for message in messages)


def _integration(message: pb.Integration) -> Integration:
    if message.HasField("wandb"):
        asked = message.wandb
        return Integration(
            wandb=WandbIntegration(
                project=asked.project,
                display_name=asked.display_name,
                entity=asked.entity,
                tags=tuple(asked.tags),
                api_key=_reference(asked.api_key) if asked.HasField("api_key") else None,
            )
        )
    return Integration(
        mlflow=MlflowIntegration(message.mlflow.tracking_uri, message.mlflow.experiment)
    )


def _reference(message: common.SecretReference) -> SecretReference:
    if message.HasField("kubernetes_secret"):
        raise NotBuiltYet(
            "kubernetes_secret is in the contract but not in this version: mount the Secret, and"
            " name its file"
        )
    if message.HasField("file"):
        return SecretReference(SecretSource.FILE, message.file)
    return SecretReference(SecretSource.ENVIRONMENT, message.environment_variable)


def integration_messages(integrations: Iterable[Integration]) -> list[pb.Integration]:
    """They as the contract shows them."""
    return [_message(each) for each in integrations]


def _message(integration: Integration) -> pb.Integration:
    if integration.mlflow:
        wanted = integration.mlflow
        return pb.Integration(
            mlflow=pb.MlflowIntegration(
                tracking_uri=wanted.tracking_uri, experiment=wanted.experiment
            )
        )
    assert integration.wandb  # it is one of the two
    asked = integration.wandb
    message = pb.WandbIntegration(
        project=asked.project,
        display_name=asked.display_name,
        entity=asked.entity,
        tags=asked.tags,
    )
    if asked.api_key:
        message.api_key.CopyFrom(_reference_message(asked.api_key))
    return pb.Integration(wandb=message)


def _reference_message(reference: SecretReference) -> common.SecretReference:
    if reference.source is SecretSource.FILE:
        return common.SecretReference(file=reference.place)
    return common.SecretReference(environment_variable=reference.place)
