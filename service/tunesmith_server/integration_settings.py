"""Settings of the services that get the measurements of runs."""

from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from tunesmith_server.domain.integrations import (
    IntegrationPolicy,
    SecretReference,
    parse_grants,
    without_password,
)


class Integrations(BaseModel, frozen=True, extra="forbid"):
    """Services that get the measurements of runs. What is empty allows nothing.

    Each is `TENANT=WHAT` by comma, `*` for the tenants that are not named.
    """

    wandb_keys: str = Field(
        "",
        description="TENANT=env:NAME or TENANT=file:/path by comma: keys of Weights & Biases; *= "
        "is for tenants not named, {tenant} in a path is the tenant",
    )
    wandb_url: str = Field("", description="a Weights & Biases of one's own; wandb.ai unless set")
    mlflow_servers: str = Field(
        "", description="TENANT=URI by comma: MLflow servers that runs may use; * and {tenant} too"
    )
    mlflow_keys: str = Field("", description="as wandb_keys: tokens that are shown to them")
    tensorboard_dir: Path | None = Field(
        None, description="event files of every run go to TENANT/RUN in this folder"
    )

    @field_validator("wandb_keys", "mlflow_keys")
    @classmethod
    def _references(cls, text: str) -> str:
        for grant in parse_grants(text):
            SecretReference.parse(grant.what)  # ValueError for what is none
        return text

    @field_validator("mlflow_servers")
    @classmethod
    def _servers(cls, text: str) -> str:
        for grant in parse_grants(text):
            without_password(grant.what)
        return text

    @field_validator("tensorboard_dir")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return folder and folder.absolute()

    @property
    def policy(self) -> IntegrationPolicy:
        """Who may use what."""
        return IntegrationPolicy(
            parse_grants(self.wandb_keys),
            parse_grants(self.mlflow_servers),
            parse_grants(self.mlflow_keys),
        )
