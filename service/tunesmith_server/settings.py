"""The settings of `tunesmithd`: the only module that reads the environment."""

import socket
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ByteSize, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Grpc(BaseModel, frozen=True, extra="forbid"):
    """The gRPC port."""

    listen: str = Field("127.0.0.1:50051", description="address and port; port 0 picks a free one")
    max_message_bytes: ByteSize = Field(ByteSize(4 * 2**20), description="largest message taken")
    max_connection_age_seconds: float = Field(
        1800, gt=0, description="connections older than this are asked to come again"
    )


class Local(BaseModel, frozen=True, extra="forbid"):
    """Training on this machine."""

    slots: int = Field(1, ge=0, description="runs at once; 0 starts none here")
    threads: int = Field(1, ge=1, description="threads of a run on the CPU")
    node: str = Field(
        default_factory=socket.gethostname, description="name of this machine among the replicas"
    )


class Inference(BaseModel, frozen=True, extra="forbid"):
    """The embedded engine."""

    threads: int = Field(1, ge=1, description="threads of the engine on the CPU")
    idle_seconds: float = Field(600, gt=0, description="an engine unused this long is ended")


class Watch(BaseModel, frozen=True, extra="forbid"):
    """Event streams."""

    bookmark_seconds: float = Field(15, gt=0, description="a quiet stream shows life this often")
    max_age_seconds: float = Field(1500, gt=0, description="a stream older than this is resumed")


class DefaultLimits(BaseModel, frozen=True, extra="forbid"):
    """What a tenant without limits of its own may use. None is unlimited."""

    fine_tunes_running: int | None = Field(None, ge=0)
    fine_tunes_queued: int | None = Field(100, ge=0)
    trained_tokens_per_job: int | None = Field(None, ge=0)
    trained_tokens_per_month: int | None = Field(None, ge=0)


class Settings(BaseSettings):
    """Every setting, with its default. Environment: `TUNESMITH_…`, nested by `__`."""

    model_config = SettingsConfigDict(
        env_prefix="TUNESMITH_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    data_dir: Path = Field(Path("data"), description="database, blobs, runs and models live here")
    database_url: str = Field("", description="sqlite:///… or postgresql://…; SQLite in data_dir")
    blobs_url: Annotated[str, Field(description="a folder; data_dir/blobs unless set")] = ""
    bases_dir: Path | None = Field(None, description="base models; data_dir/bases unless set")
    bootstrap_admin_key: SecretStr | None = Field(
        None, description="the first platform-admin key, made on a database that lacks it"
    )
    grpc: Grpc = Grpc()
    local: Local = Local()
    inference: Inference = Inference()
    watch: Watch = Watch()
    default_limits: DefaultLimits = DefaultLimits()
    drain_seconds: float = Field(10, ge=0, description="time for calls under way after SIGTERM")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'tunesmith.db'}"
