"""What a tenant shares with others, and others with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.sharing import ModelShare
from tunesmith_server.ports.rows import PageOf


class TenantShares(Protocol):
    """The shares that one tenant is a party of; the one way to what is another tenant's."""

    def find(self, model: ModelName, tenant: str, checkpoint: int | None) -> ModelShare | None:
        """The share of just this with just that tenant, if the scope's is one of the two."""
        ...

    def given(self, page: PageOf, model: str | None = None) -> Sequence[tuple[str, ModelShare]]:
        """What the tenant shares with others, perhaps of one model, newest first."""
        ...

    def received(
        self, page: PageOf, model: ModelName | None = None
    ) -> Sequence[tuple[str, ModelShare]]:
        """What others share with the tenant, perhaps one model, newest first."""
        ...

    def standing(self, model: str, now: datetime) -> Sequence[ModelShare]:
        """Offers and shares of a model of the tenant's that have not expired.

        In a write transaction, no other one can share or delete the model until it ends.
        """
        ...

    def put(self, share: ModelShare) -> None:
        """Record a share of the tenant's own model, new or changed; NotFound if it has none."""
        ...

    def accept(self, share: ModelShare) -> None:
        """Record what the tenant has consented to."""
        ...

    def delete(self, share: ModelShare) -> None:
        """Forget a share that the tenant is a party of."""
        ...

    def lent(self, name: ModelName | str, now: datetime) -> Model:
        """The other tenant's model of a resource, public or legacy name that may be asked now.

        As `domain.sharing.lent` shows it; NotFound.
        """
        ...

    def models(self, page: PageOf, now: datetime) -> Sequence[tuple[str, Model]]:
        """The tenant's own models and those that it may ask now, newest first."""
        ...
