"""Tunesmith: train, watch and ask models from Python.

    from tunesmith import Client

    with Client() as client:
        dataset = client.datasets.upload("tickets.jsonl", id="tickets")
        run = client.fine_tunes.create(dataset.name, "ada", suffix="support")
        for event in client.fine_tunes.watch(run.name):
            print(event.message)

`AsyncClient` is the same with `await` and `async for`. What calls return are the messages of
`tunesmith.v1`; what they raise is listed below `TunesmithError`.

Names are imported when first used: `import tunesmith` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith._client import AsyncClient
    from tunesmith._errors import (
        AlreadyExistsError,
        AuthenticationError,
        ConfigurationError,
        ConflictError,
        InvalidArgumentError,
        NotBuiltYetError,
        NotFoundError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitedError,
        StorageFullError,
        TunesmithError,
        UnavailableError,
        Violation,
    )
    from tunesmith._sync import Client, WatchAllIterator, WatchIterator
    from tunesmith._watch import Watch, WatchAll

__all__ = [
    "AlreadyExistsError",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "InvalidArgumentError",
    "NotBuiltYetError",
    "NotFoundError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitedError",
    "StorageFullError",
    "TunesmithError",
    "UnavailableError",
    "Violation",
    "Watch",
    "WatchAll",
    "WatchAllIterator",
    "WatchIterator",
]

_HOMES = {
    "AsyncClient": "_client",
    "Client": "_sync",
    "Watch": "_watch",
    "WatchAll": "_watch",
    "WatchAllIterator": "_sync",
    "WatchIterator": "_sync",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tunesmith")
    if name not in __all__:
        raise AttributeError(f"module 'tunesmith' has no attribute {name!r}")
    value = getattr(import_module(f"tunesmith.{_HOMES.get(name, '_errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
