"""Transactions, and the store that runs them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from tunesmith_server.ports.system_scope import SystemScope
from tunesmith_server.ports.tenant_scope import TenantScope

T = TypeVar("T")


class Transaction(Protocol):
    """All of its writes happen, or none."""

    @property
    def system(self) -> SystemScope: ...

    def of(self, tenant: str) -> TenantScope:
        """The rows of a tenant; NotFound if there is no such tenant."""
        ...


class Store(Protocol):
    """Keeps what the platform knows.

    `work` is a plain function that runs in a thread with a transaction; it must do nothing but
    read, compute and write through it, since it may run again after a conflict. Nothing else can
    be awaited inside, by construction.
    """

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent snapshot."""
        ...

    async def peek(self, work: Callable[[Transaction], T]) -> T:
        """As `read`, for a few look-ups by key, which may be made without a thread."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction and return once it is durable."""
        ...

    async def jot(self, work: Callable[[Transaction], T]) -> T:
        """As `write`, for a few rows by key, which may be written without a thread."""
        ...

    async def close(self) -> None: ...
