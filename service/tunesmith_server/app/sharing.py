"""Sharing models between tenants: offered by one, accepted by the other, ended by either."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.errors import InvalidArgument, NotFound, PreconditionFailed
from tunesmith_server.domain.names import OWN_TENANT, ModelName, TenantName, owned
from tunesmith_server.domain.sharing import MOST_SHARES, ModelShare, ShareState
from tunesmith_server.ports import Clock, Store, Transaction


class Sharing:
    """The use cases around shares.

    Who offers is not told whether there is a tenant of the name: it is not looked for.
    """

    def __init__(
        self,
        store: Store,
        commands: Commands,
        pager: Pager,
        clock: Clock,
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._commands = commands
        self._pager = pager
        self._clock = clock
        self._new_uid = new_uid

    async def share(
        self,
        call: Call,
        name: ModelName,
        receivers: Sequence[TenantName],
        *,
        checkpoint: int | None = None,
        expire_time: datetime | None = None,
        field: str = "tenant",
    ) -> list[ModelShare]:
        """Offer a model, or a checkpoint of it alone, to tenants, until `expire_time`.

        To all of them or none. What is offered or shared already gets the new expiry, and stays
        accepted if it was. `field` is where the request names them.
        """
        owner = owned(name.tenant, call.principal.tenant, str(name))
        if any(receiver.tenant in (owner, OWN_TENANT) for receiver in receivers):
            raise InvalidArgument.of(field, "has the model's own tenant: name others")
        now = self._clock.now()
        if expire_time is not None and expire_time <= now:
            raise InvalidArgument.of("expire_time", f"{expire_time.isoformat()} is past")
        name = ModelName(owner, name.id)

        def make(tx: Transaction) -> list[ModelShare]:
            scope = scope_of(tx, owner, name)
            model = scope.model(name.id)
            if not model.has(checkpoint):
                raise NotFound(f"{name}#{checkpoint}")
            standing = len(scope.shares.standing(name.id, now))
            shares = []
            for receiver in receivers:
                share = scope.shares.find(name, receiver.tenant, checkpoint)
                if share is None or share.state(now) is ShareState.EXPIRED:
                    standing += 1
                    public, uid = model.public_name_of(checkpoint), self._new_uid()
                    share = ModelShare(uid, name, public, receiver.tenant, checkpoint, now)
                share = replace(share, expire_time=expire_time)
                scope.shares.put(share)
                self._tell(tx, call, share, receiver.tenant, owner, _until("offered", share))
                shares.append(share)
            if standing > MOST_SHARES:
                raise PreconditionFailed(
                    str(name),
                    f"it would be shared {standing} times, and {MOST_SHARES} are allowed; take "
                    "some back first",
                )
            return shares

        until = f" until {expire_time.isoformat()}" if expire_time else ""
        detail = f"to {', '.join(map(str, receivers))}{until}"
        shown = name if checkpoint is None else f"{name}#{checkpoint}"
        return await self._commands.run(call, owner, shown, list[ModelShare], make, detail=detail)

    async def accept(
        self, call: Call, receiver: TenantName, model: ModelName, *, checkpoint: int | None = None
    ) -> ModelShare:
        """Consent to an offer; NotFound where none stands. Twice is once."""
        tenant = owned(receiver.tenant, call.principal.tenant, str(receiver))
        now = self._clock.now()
        shown = str(model) if checkpoint is None else f"{model}#{checkpoint}"

        def make(tx: Transaction) -> ModelShare:
            scope = tx.of(tenant)
            offer = scope.shares.find(model, tenant, checkpoint)
            if offer is None or offer.tenant != tenant or offer.state(now) is ShareState.EXPIRED:
                raise NotFound(f"an offer of {shown}")
            if offer.accept_time:
                return offer
            accepted = replace(offer, accept_time=now)
            scope.shares.accept(accepted)
            self._tell(tx, call, accepted, model.tenant, tenant, "accepted")
            return accepted

        return await self._commands.run(call, tenant, shown, ModelShare, make, detail="accepted")

    async def unshare(
        self, call: Call, name: ModelName, receiver: TenantName, *, checkpoint: int | None = None
    ) -> None:
        """End a share or an offer, as the model's owner or as the one that it is shared with."""
        own = call.principal.tenant
        owner = own if name.tenant == OWN_TENANT and own else name.tenant
        tenant = own if receiver.tenant == OWN_TENANT and own else receiver.tenant
        name = ModelName(owner, name.id)
        shown = str(name) if checkpoint is None else f"{name}#{checkpoint}"
        absent = NotFound(f"a share of {shown} with tenants/{tenant}")
        if own not in (None, owner, tenant):
            raise absent
        party, other = (owner, tenant) if own in (None, owner) else (tenant, owner)

        def make(tx: Transaction) -> bool:
            try:
                scope = tx.of(party)
            except NotFound:
                raise absent from None
            share = scope.shares.find(name, tenant, checkpoint)
            if share is None:
                raise absent
            scope.shares.delete(share)
            self._tell(tx, call, share, other, party, "ended")
            return True

        detail = f"with tenants/{tenant}"
        await self._commands.run(call, party, shown, bool, make, detail=detail)

    async def list(
        self,
        principal: Principal,
        parent: TenantName,
        page: PageRequest,
        *,
        received: bool = False,
        model: ModelName | None = None,
    ) -> Page[ModelShare]:
        """What a tenant shares with others, or others with it, newest first; perhaps one model."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        if model and not received:
            model = ModelName(owned(model.tenant, tenant, str(model)), model.id)
        bound = f"{tenant}/shares?{received},{model or ''}"
        of = self._pager.of(page, bound)

        def work(tx: Transaction) -> Sequence[tuple[str, ModelShare]]:
            scope = tx.of(tenant)
            if not received:
                return scope.shares.given(of, scope.model(model.id).name.id if model else None)
            found = scope.shares.received(of, model)
            if model and not found and not of.after:
                raise NotFound(str(model))
            return found

        return self._pager.page(page, bound, await self._store.read(work))

    def now(self) -> datetime:
        """The moment by which shares are looked at."""
        return self._clock.now()

    def _tell(
        self, tx: Transaction, call: Call, share: ModelShare, to: str, by: str, what: str
    ) -> None:
        """Put it on record with the other side, which learns of the tenant but not of its keys."""
        side = Call(Principal(f"tenants/{by}", by, Role.TENANT_ADMIN), call.method)
        self._commands.done(tx, side, to, share, what)


def _until(what: str, share: ModelShare) -> str:
    return f"{what} until {share.expire_time.isoformat()}" if share.expire_time else what
