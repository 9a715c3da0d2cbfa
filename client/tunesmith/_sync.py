"""The client for programs without an event loop: the same code, run in place by `_blocking`.

What is written here is only which method is which; signatures and docstrings are those of the
asynchronous ones.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar

from tunesmith import _config
from tunesmith._blocking import Blocking, BlockingTransport, run
from tunesmith._channel import target
from tunesmith._resources.base_models import BaseModels as AsyncBaseModels
from tunesmith._resources.datasets import Datasets as AsyncDatasets
from tunesmith._resources.fine_tunes import FineTunes as AsyncFineTunes
from tunesmith._resources.keys import Keys as AsyncKeys
from tunesmith._resources.models import Models as AsyncModels
from tunesmith._resources.tenants import Tenants as AsyncTenants
from tunesmith._transport import Calls
from tunesmith._watch import Watch, WatchAll
from tunesmith.v1 import event_pb2, fine_tune_pb2, tenant_pb2

Inner = TypeVar("Inner")
P = ParamSpec("P")
T = TypeVar("T")


class WatchIterator(Blocking[event_pb2.Event]):
    """The events of one run, once and in order, until the run ends. See `Watch`."""

    def __init__(self, inner: Watch) -> None:
        super().__init__(inner)
        self._watch = inner

    @property
    def cursor(self) -> str:
        """Where another watch can go on from."""
        return self._watch.cursor

    @property
    def snapshot(self) -> fine_tune_pb2.FineTune | None:
        """The run when the watch began or was last resumed."""
        return self._watch.snapshot

    @property
    def resuming(self) -> bool:
        """Whether the connection is broken at present and being taken up again."""
        return self._watch.resuming


class WatchAllIterator(Blocking[event_pb2.Event]):
    """The events of all runs of a tenant, without end. See `WatchAll`."""

    def __init__(self, inner: WatchAll) -> None:
        super().__init__(inner)
        self._watch = inner

    @property
    def cursor(self) -> str:
        """Where another watch can go on from."""
        return self._watch.cursor

    @property
    def resuming(self) -> bool:
        """Whether the connection is broken at present and being taken up again."""
        return self._watch.resuming

    @property
    def runs(self) -> dict[str, fine_tune_pb2.FineTune]:
        """By name, each run as it was when the watch began or when the run was made."""
        return self._watch.runs


class Facade(Generic[Inner]):
    """The blocking face of one class of `_resources`."""

    def __init__(self, inner: Inner) -> None:
        self._inner = inner


def _call(
    method: Callable[Concatenate[Inner, P], Awaitable[T]],
) -> Callable[Concatenate[Facade[Inner], P], T]:
    @wraps(method)
    def call(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(facade._inner, *args, **kwargs))

    return call


def _iterate(
    method: Callable[Concatenate[Inner, P], AsyncIterator[T]],
) -> Callable[Concatenate[Facade[Inner], P], Iterator[T]]:
    @wraps(method)
    def iterate(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return Blocking(method(facade._inner, *args, **kwargs))

    return iterate


def _watching(
    method: Callable[Concatenate[Inner, P], Watch],
) -> Callable[Concatenate[Facade[Inner], P], WatchIterator]:
    @wraps(method)
    def watch(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> WatchIterator:
        return WatchIterator(method(facade._inner, *args, **kwargs))

    return watch


def _watching_all(
    method: Callable[Concatenate[Inner, P], WatchAll],
) -> Callable[Concatenate[Facade[Inner], P], WatchAllIterator]:
    @wraps(method)
    def watch(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> WatchAllIterator:
        return WatchAllIterator(method(facade._inner, *args, **kwargs))

    return watch


class Datasets(Facade[AsyncDatasets]):
    """The datasets of a tenant. A name is `tickets` or `tenants/acme/datasets/tickets`."""

    upload = _call(AsyncDatasets.upload)
    import_from = _call(AsyncDatasets.import_from)
    get = _call(AsyncDatasets.get)
    versions = _iterate(AsyncDatasets.versions)
    descendants = _iterate(AsyncDatasets.descendants)
    download = _call(AsyncDatasets.download)
    list = _iterate(AsyncDatasets.list)
    delete = _call(AsyncDatasets.delete)
    statistics = _call(AsyncDatasets.statistics)
    prepare = _call(AsyncDatasets.prepare)
    split = _call(AsyncDatasets.split)
    validate = _iterate(AsyncDatasets.validate)


class FineTunes(Facade[AsyncFineTunes]):
    """The runs of a tenant. A name is `support-bot` or `tenants/acme/fineTunes/support-bot`."""

    plan = _call(AsyncFineTunes.plan)
    create = _call(AsyncFineTunes.create)
    get = _call(AsyncFineTunes.get)
    list = _iterate(AsyncFineTunes.list)
    update = _call(AsyncFineTunes.update)
    pause = _call(AsyncFineTunes.pause)
    resume = _call(AsyncFineTunes.resume)
    cancel = _call(AsyncFineTunes.cancel)
    delete = _call(AsyncFineTunes.delete)
    explain = _call(AsyncFineTunes.explain)
    watch = _watching(AsyncFineTunes.watch)
    watch_all = _watching_all(AsyncFineTunes.watch_all)
    wait = _call(AsyncFineTunes.wait)
    events = _iterate(AsyncFineTunes.events)
    checkpoints = _iterate(AsyncFineTunes.checkpoints)
    results = _iterate(AsyncFineTunes.results)


class Models(Facade[AsyncModels]):
    """The tuned models of a tenant."""

    get = _call(AsyncModels.get)
    list = _iterate(AsyncModels.list)
    delete = _call(AsyncModels.delete)
    share = _call(AsyncModels.share)
    accept_share = _call(AsyncModels.accept_share)
    unshare = _call(AsyncModels.unshare)
    shares = _iterate(AsyncModels.shares)
    complete = _call(AsyncModels.complete)
    stream_complete = _iterate(AsyncModels.stream_complete)


class BaseModels(Facade[AsyncBaseModels]):
    """Base models. A name is `ada` or `baseModels/ada`."""

    get = _call(AsyncBaseModels.get)
    list = _iterate(AsyncBaseModels.list)


class Tenants(Facade[AsyncTenants]):
    """Tenants. A name is `acme` or `tenants/acme`."""

    create = _call(AsyncTenants.create)
    get = _call(AsyncTenants.get)
    list = _iterate(AsyncTenants.list)
    update = _call(AsyncTenants.update)
    set_limits = _call(AsyncTenants.set_limits)
    suspend = _call(AsyncTenants.suspend)
    resume = _call(AsyncTenants.resume)
    delete = _call(AsyncTenants.delete)
    usage = _call(AsyncTenants.usage)
    ledger = _iterate(AsyncTenants.ledger)
    audit = _iterate(AsyncTenants.audit)


class Keys(Facade[AsyncKeys]):
    """The API keys of a tenant. A name is `tenants/acme/apiKeys/k1`, or `k1` for an own one."""

    create = _call(AsyncKeys.create)
    list = _iterate(AsyncKeys.list)
    rotate = _call(AsyncKeys.rotate)
    revoke = _call(AsyncKeys.revoke)
    whoami = _call(AsyncKeys.whoami)


class Client:
    """A connection to a Tunesmith service. `AsyncClient` tells what the arguments mean.

    Example:
        with Client("localhost:50051", api_key="sk-ts-…") as client:
            run = client.fine_tunes.create("tickets", "ada")
            for event in client.fine_tunes.watch(run.name):
                print(event.message)
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        context: str | None = None,
        tls: bool | None = None,
        tls_ca_file: str | Path | None = None,
        tls_cert_file: str | Path | None = None,
        tls_key_file: str | Path | None = None,
    ) -> None:
        files = _config.TlsFiles(
            str(tls_ca_file or ""), str(tls_cert_file or ""), str(tls_key_file or "")
        )
        found = _config.endpoint(address, api_key, context, tls=files)
        calls = Calls(BlockingTransport(target(found, tls)))
        self._calls = calls
        self.datasets = Datasets(AsyncDatasets(calls))
        self.fine_tunes = FineTunes(AsyncFineTunes(calls))
        self.models = Models(AsyncModels(calls))
        self.base_models = BaseModels(AsyncBaseModels(calls))
        self.tenants = Tenants(AsyncTenants(calls))
        self.keys = Keys(AsyncKeys(calls))

    @property
    def address(self) -> str:
        """Where the service is."""
        return self._calls.transport.target.address

    def whoami(self) -> tenant_pb2.WhoAmIResponse:
        """Whose key this is: principal, tenant and role."""
        return self.keys.whoami()

    def close(self) -> None:
        """Give the connection back."""
        run(self._calls.transport.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
