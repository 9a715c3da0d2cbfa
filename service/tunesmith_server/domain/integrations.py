"""Services that get the measurements of a run besides, and who may use which with what key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from tunesmith_server.domain.errors import DomainError, InvalidArgument, PermissionDenied

_FIELD = "fine_tune.spec.integrations"


class SecretSource(StrEnum):
    """Where a secret lies."""

    ENVIRONMENT = "env"
    """In a variable of the service's environment."""
    FILE = "file"


@dataclass(frozen=True)
class SecretReference:
    """A place of a secret, never the secret."""

    source: SecretSource
    place: str

    @classmethod
    def parse(cls, text: str) -> "SecretReference":
        """From `env:NAME` or `file:/absolute/path`; ValueError for anything else."""
        source, _, place = text.partition(":")
        if source == SecretSource.ENVIRONMENT and place.isidentifier() and place.isascii():
            return cls(SecretSource.ENVIRONMENT, place)
        if source == SecretSource.FILE and place.startswith("/"):
            return cls(SecretSource.FILE, place)
        raise ValueError(f"{text!r} is neither env:NAME nor file:/absolute/path")

    def __str__(self) -> str:
        return f"{self.source}:{self.place}"


@dataclass(frozen=True)
class WandbIntegration:
    """A run in Weights & Biases."""

    project: str
    display_name: str = ""
    entity: str = ""
    tags: tuple[str, ...] = ()
    api_key: SecretReference | None = None
    """None: the first that the tenant may use."""


@dataclass(frozen=True)
class MlflowIntegration:
    """A run in MLflow."""

    tracking_uri: str
    experiment: str = ""


@dataclass(frozen=True)
class Integration:
    """One of the two."""

    wandb: WandbIntegration | None = None
    mlflow: MlflowIntegration | None = None


@dataclass(frozen=True)
class Grant:
    """What one tenant may use, or, with `*`, every tenant that is not named anywhere."""

    tenant: str
    what: str
    """With `{tenant}` for the tenant's id."""


EVERY = "*"


def granted(grants: Sequence[Grant], tenant: str) -> tuple[str, ...]:
    """What the tenant may use, in the order of the grants.

    One that is named has its own alone, not what every other has.
    """
    own = [grant for grant in grants if grant.tenant == tenant]
    others = [grant for grant in grants if grant.tenant == EVERY]
    return tuple(grant.what.replace("{tenant}", tenant) for grant in own or others)


def parse_grants(text: str) -> tuple[Grant, ...]:
    """From `TENANT=WHAT`, by comma; ValueError for anything else."""
    grants = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        tenant, equals, what = (part.strip() for part in entry.partition("="))
        if not (equals and tenant and what):
            raise ValueError(f"{entry!r} is not of the form TENANT=…, or *=… for the others")
        grants.append(Grant(tenant, what))
    return tuple(grants)


def without_password(uri: str) -> str:
    """`uri`, or ValueError if a password is in it: it would be shown."""
    if "@" in urlsplit(uri).netloc:
        raise ValueError("holds credentials, which would be shown: give them as a key")
    return uri


@dataclass(frozen=True)
class IntegrationPolicy:
    """Who may use what. Of what is not granted to a tenant, nothing is used for it."""

    wandb_keys: tuple[Grant, ...] = ()
    mlflow_servers: tuple[Grant, ...] = ()
    mlflow_keys: tuple[Grant, ...] = ()

    def wandb_key(self, tenant: str, wanted: WandbIntegration) -> SecretReference | None:
        """The key of a run of the tenant; None if it may use none, or not the one it names."""
        keys = [SecretReference.parse(key) for key in granted(self.wandb_keys, tenant)]
        if wanted.api_key is None:
            return keys[0] if keys else None
        return wanted.api_key if wanted.api_key in keys else None

    def mlflow_key(self, tenant: str) -> SecretReference | None:
        """The token that the tenant's runs show to a server, if any."""
        keys = granted(self.mlflow_keys, tenant)
        return SecretReference.parse(keys[0]) if keys else None

    def allows(self, tenant: str, integration: Integration) -> bool:
        """Whether a run of the tenant may use it, as the grants are now."""
        if integration.wandb:
            return self.wandb_key(tenant, integration.wandb) is not None
        assert integration.mlflow  # it is one of the two
        return integration.mlflow.tracking_uri in granted(self.mlflow_servers, tenant)

    def faults(
        self, tenant: str, integrations: Sequence[Integration], *, by_platform: bool
    ) -> Iterator[DomainError]:
        """What is wrong with the integrations that a run of the tenant asks for.

        `by_platform`: a platform administrator asks, who alone may choose among keys.
        """
        for number, each in enumerate(integrations):
            where = f"{_FIELD}[{number}]"
            if each in integrations[:number]:
                yield InvalidArgument.of(where, "is there twice: give it once")
            if each.wandb:
                yield from self._wandb_faults(tenant, each.wandb, f"{where}.wandb", by_platform)
            elif each.mlflow and not self.allows(tenant, each):
                servers = ", ".join(granted(self.mlflow_servers, tenant)) or "none"
                yield InvalidArgument.of(
                    f"{where}.mlflow.tracking_uri",
                    f"is no server that this tenant may use; those are: {servers}",
                )

    def _wandb_faults(
        self, tenant: str, wanted: WandbIntegration, where: str, by_platform: bool
    ) -> Iterator[DomainError]:
        if wanted.api_key and not by_platform:
            yield PermissionDenied(
                f"{where}.api_key: it names a place in the service's own environment, which a"
                " platform administrator alone may; leave it out for the key of the tenant"
            )
        elif self.wandb_key(tenant, wanted) is None:
            field = f"{where}.api_key" if wanted.api_key else where
            what = "this key is not" if wanted.api_key else "no key of Weights & Biases is"
            yield InvalidArgument.of(
                field,
                f"{what} set up for this tenant; whoever runs the service does that by"
                " TUNESMITH_INTEGRATIONS__WANDB_KEYS",
            )
