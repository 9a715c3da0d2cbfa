"""The settings of `tunesmithd`: the only module that reads the environment."""

import json
import socket
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ByteSize,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tunesmith_server.domain.access import Role
from tunesmith_server.domain.hosts import AllowedHosts
from tunesmith_server.domain.identity import ClaimRule, is_tamper_proof
from tunesmith_server.domain.tenant import KEY_PREFIX
from tunesmith_server.integration_settings import Integrations


def _with_certificates(file: Path | None) -> Path | None:
    if file:
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"{file} holds no certificates in PEM ({error})") from None
    return file


class Grpc(BaseModel, frozen=True, extra="forbid"):
    """The gRPC port."""

    listen: str = Field("127.0.0.1:50051", description="address and port; port 0 picks a free one")
    max_message_bytes: ByteSize = Field(ByteSize(4 * 2**20), description="largest message taken")
    max_connection_age_seconds: float = Field(
        1800, gt=0, description="connections older than this are asked to come again"
    )
    tls_cert_file: FilePath | None = Field(
        None, description="certificate chain in PEM, the server's first; with it the port is TLS"
    )
    tls_key_file: FilePath | None = Field(None, description="the certificate's private key in PEM")
    client_ca_file: FilePath | None = Field(
        None, description="roots in PEM; with it, callers must show a certificate from them"
    )

    _roots = field_validator("client_ca_file")(_with_certificates)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _check_tls(self.tls_cert_file, self.tls_key_file)
        if self.client_ca_file and not self.tls_cert_file:
            raise ValueError("client_ca_file needs tls_cert_file and tls_key_file")
        return self


def _check_tls(certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) is not (key is None):
        raise ValueError("tls_cert_file and tls_key_file go together: set both or neither")
    if certificate and key:
        check_pair(certificate, key)


def check_pair(certificate: Path, key: Path) -> None:
    """ValueError unless the files are a certificate and its private key."""
    try:
        # the password would be asked for on the terminal; there is none to give
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        raise ValueError(
            f"{certificate} and {key} are no certificate with its unencrypted key, in PEM ({error})"
        ) from None


class Http(BaseModel, frozen=True, extra="forbid"):
    """The OpenAI-compatible HTTP port."""

    listen: str = Field(
        "127.0.0.1:8080", description="address and port; port 0 picks a free one, nothing is none"
    )
    max_body_bytes: ByteSize = Field(ByteSize(16 * 2**20), description="largest JSON body taken")
    max_file_bytes: ByteSize = Field(ByteSize(8 * 2**30), description="largest file taken")
    body_seconds: float = Field(
        60, gt=0, description="a request of which nothing more comes for so long is given up"
    )
    alive_seconds: float = Field(15, gt=0, description="a quiet stream shows life this often")
    head_seconds: float = Field(
        20, gt=0, description="a request line with its headers comes within so long"
    )
    origins: tuple[str, ...] = Field((), description="web origins that may call it; CORS")
    tls_cert_file: FilePath | None = Field(
        None, description="certificate chain in PEM, the server's first; with it the port is HTTPS"
    )
    tls_key_file: FilePath | None = Field(None, description="the certificate's private key in PEM")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _check_tls(self.tls_cert_file, self.tls_key_file)
        return self

    @field_validator("listen")
    @classmethod
    def _address(cls, listen: str) -> str:
        if listen and not listen.rpartition(":")[2].isdecimal():
            raise ValueError(f"{listen!r} is not of the form address:port")
        return listen


class Local(BaseModel, frozen=True, extra="forbid"):
    """Training on this machine."""

    slots: int = Field(1, ge=0, description="runs at once; 0 starts none here")
    threads: int = Field(1, ge=1, description="threads of a run on the CPU")
    node: str = Field(
        default_factory=socket.gethostname, description="name of this machine among the replicas"
    )


class Analysis(BaseModel, frozen=True, extra="forbid"):
    """Counting tokens and looking at whole datasets, in the background."""

    processes: int | None = Field(
        None,
        ge=0,
        description="processes that count; all cores unless set; 0 counts "
        "nothing here, and looks at whole datasets while they are uploaded",
    )
    niceness: int = Field(10, ge=0, le=19, description="how far they stand back behind others")
    attempts: int = Field(3, ge=1, description="a dataset that broke off so often is given up")
    stall_seconds: float = Field(600, gt=0, description="one that shows no progress is ended")
    plan_wait_seconds: float = Field(5, ge=0, description="a plan waits so long for tokens")
    validate_wait_seconds: float = Field(
        30, ge=0, description="ValidateDataset waits so long for the analysis"
    )


class Inference(BaseModel, frozen=True, extra="forbid"):
    """The embedded engine."""

    threads: int = Field(1, ge=1, description="threads of the engine on the CPU")
    idle_seconds: float = Field(600, gt=0, description="an engine unused this long is ended")


class Watch(BaseModel, frozen=True, extra="forbid"):
    """Event streams."""

    bookmark_seconds: float = Field(15, gt=0, description="a quiet stream shows life this often")
    max_age_seconds: float = Field(1500, gt=0, description="a stream older than this is resumed")


class Uploads(BaseModel, frozen=True, extra="forbid"):
    """Files that callers send."""

    chunk_seconds: float = Field(
        60, gt=0, description="a stream of which nothing more comes for so long is ended"
    )


def _each(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


class Imports(BaseModel, frozen=True, extra="forbid"):
    """Files that the service fetches itself. What is empty allows nothing."""

    file_roots: str = Field(
        "",
        description="folders that file: may read from, by comma; {tenant} is the caller's tenant",
    )
    http_allow: str = Field(
        "",
        description="hosts that https: and http: may ask, by comma: names, *.names and * for "
        "public addresses, networks such as 10.1.0.0/16 for any",
    )
    s3_allow: str = Field(
        "", description="s3://bucket/prefix, by comma, that s3: may read; {tenant} as above"
    )
    max_bytes: ByteSize = Field(ByteSize(5 * 2**30), description="largest file taken")
    seconds: float = Field(3600, gt=0, description="time that fetching one file may take")

    @field_validator("file_roots")
    @classmethod
    def _absolute(cls, text: str) -> str:
        if relative := [entry for entry in _each(text) if not Path(entry).is_absolute()]:
            raise ValueError(f"{relative[0]!r} is no absolute path")
        return text

    @field_validator("http_allow")
    @classmethod
    def _hosts(cls, text: str) -> str:
        AllowedHosts(_each(text))  # ValueError for a network that is too wide
        return text

    @field_validator("s3_allow")
    @classmethod
    def _prefixes(cls, text: str) -> str:
        if other := [entry for entry in _each(text) if not entry.startswith("s3://")]:
            raise ValueError(f"{other[0]!r} is not of the form s3://bucket/prefix")
        return text

    @property
    def folders(self) -> tuple[str, ...]:
        """Each of `file_roots`."""
        return _each(self.file_roots)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Each of `http_allow`."""
        return _each(self.http_allow)

    @property
    def buckets(self) -> tuple[str, ...]:
        """Each of `s3_allow`."""
        return _each(self.s3_allow)


class Sweeper(BaseModel, frozen=True, extra="forbid"):
    """What nothing refers to any more."""

    interval_seconds: float = Field(3600, gt=0, description="time between two rounds")
    age_seconds: float = Field(
        3600, gt=0, description="bytes lie so long before they may go; longer than any commit takes"
    )


class DefaultLimits(BaseModel, frozen=True, extra="forbid"):
    """What a tenant without limits of its own may use. None is unlimited."""

    fine_tunes_running: int | None = Field(None, ge=0)
    fine_tunes_queued: int | None = Field(100, ge=0)
    trained_tokens_per_job: int | None = Field(None, ge=0)
    trained_tokens_per_month: int | None = Field(None, ge=0)


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Asymmetric ones alone: never `none`, and never HS…, whose key we would have to share."""


class Rule(BaseModel, frozen=True, extra="forbid"):
    """Whom a token stands for, if its claims match: see `domain/identity.py`."""

    match: dict[str, str] = Field({}, description="claim path → text or pattern")
    tenant: str | None = Field(description="an id, text around one {claim.path}, or null")
    role: Role

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self.claim_rule()
        return self

    def claim_rule(self) -> ClaimRule:
        """The rule as the domain has it."""
        return ClaimRule(self.match, self.tenant, self.role)


class Issuer(BaseModel, frozen=True, extra="forbid"):
    """An issuer whose tokens are taken."""

    issuer: str = Field(min_length=1, description="exactly as in the claim `iss`")
    audience: tuple[str, ...] = Field(description="one of these must be in the claim `aud`")
    rules: tuple[Rule, ...] = Field(description="the first that applies decides")
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
    jwks_url: str | None = Field(None, description="the keys; found by OIDC discovery unless set")
    ca_file: FilePath | None = Field(None, description="roots for asking the issuer")
    token_file: FilePath | None = Field(None, description="a token to show at jwks_url")
    leeway_seconds: float = Field(30, ge=0, le=300)
    refresh_seconds: float = Field(300, gt=0)
    cool_down_seconds: float = Field(10, gt=0)
    keep_seconds: float = Field(86400, gt=0)

    _roots = field_validator("ca_file")(_with_certificates)

    @field_validator("audience", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _usable(self) -> Self:
        asked, name = (self.jwks_url, "jwks_url") if self.jwks_url else (self.issuer, "issuer")
        if not is_tamper_proof(asked):
            raise ValueError(
                f"{name} {asked!r} is no https URL, and keys that come over plain http prove "
                "nothing; http is for this machine alone"
                + ("" if self.jwks_url else ". If this issuer is no URL, set jwks_url")
            )
        if self.token_file and not self.jwks_url:
            # a place that was found by discovery must not be shown our token
            raise ValueError("token_file needs jwks_url: the token is shown there and nowhere else")
        for name in ("audience", "rules", "algorithms"):
            if not all(getattr(self, name)) or not getattr(self, name):
                raise ValueError(f"{name} is empty: no token would be taken")
        return self


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
    issuers: Annotated[tuple[Issuer, ...], NoDecode] = Field(
        (), description="JSON: whose tokens are taken besides API keys, and for whom"
    )
    grpc: Grpc = Grpc()
    http: Http = Http()
    local: Local = Local()
    analysis: Analysis = Analysis()
    inference: Inference = Inference()
    watch: Watch = Watch()
    uploads: Uploads = Uploads()
    imports: Imports = Imports()
    integrations: Integrations = Integrations()
    sweeper: Sweeper = Sweeper()
    default_limits: DefaultLimits = DefaultLimits()
    drain_seconds: float = Field(10, ge=0, description="time for calls under way after SIGTERM")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @field_validator("bootstrap_admin_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not key.get_secret_value().startswith(KEY_PREFIX):
            raise ValueError(f"a key begins with {KEY_PREFIX}; other credentials are tokens")
        return key

    @field_validator("issuers", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        # here and not by pydantic-settings, whose error would not say where the JSON is broken
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None

    @field_validator("issuers")
    @classmethod
    def _each_once(cls, issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        names = [issuer.issuer for issuer in issuers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"{twice[0]} is there twice: give it once, with all of its audiences and rules"
            )
        return issuers

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'tunesmith.db'}"
