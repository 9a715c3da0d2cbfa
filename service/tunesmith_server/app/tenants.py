"""Tenants: made, changed, suspended, deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.steering import paused, resumed
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import (
    EtagMismatch,
    FieldImmutable,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceInUse,
)
from tunesmith_server.domain.fine_tune import TENANT_SUSPENDED
from tunesmith_server.domain.names import TenantName, checked_id, owned
from tunesmith_server.domain.naming import NamingPolicy, normalised_suffix
from tunesmith_server.domain.quota import Limits, limit_violations, parse_limit_key, tenant_scope
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import SensitiveDataPolicy, SuspendedRuns, Suspension, Tenant
from tunesmith_server.ports import Artefacts, Clock, Hints, PageOf, Store, TenantScope, Transaction

MOST_LEVELS = 8
"""Tenants from the root of a family to its lowest: each use counts once a level."""
_MANY = 1000


@dataclass(frozen=True)
class Settings:
    """What a platform administrator sets of a tenant; None leaves as it is, or at its default."""

    display_name: str | None = None
    organization: str | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    limits: Limits | None = None
    allowed_base_models: tuple[str, ...] | None = None
    share_weight: int | None = None
    naming: NamingPolicy | None = None
    sensitive_data: SensitiveDataPolicy | None = None
    parent: str | None = None
    """Id of the tenant above; only when a tenant is made."""
    etag: str = ""

    def shown(self) -> str:
        """What is set, for people."""
        given = {name: value for name, value in vars(self).items() if value not in (None, "", {})}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())[:2000]

    def applied(self, tenant: Tenant) -> Tenant:
        """The tenant with these settings, or InvalidArgument with every field at fault."""
        violations = list(limit_violations(self.limits or {}))
        if self.naming:
            violations += self.naming.violations()
        organization = tenant.organization
        if self.organization is not None:
            try:
                organization = normalised_suffix(
                    self.organization or tenant.id, "tenant.organization"
                )
            except InvalidArgument as fault:
                violations += fault.violations
        if violations:
            raise InvalidArgument(violations)
        given = {
            "display_name": self.display_name,
            "labels": None if self.labels is None else dict(self.labels),
            "annotations": None if self.annotations is None else dict(self.annotations),
            "limits": None if self.limits is None else dict(self.limits),
            "allowed_base_models": self.allowed_base_models,
            "share_weight": self.share_weight,
            "naming": self.naming,
            "sensitive_data": self.sensitive_data,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        return replace(tenant, organization=organization, **wanted)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Updated:
    """A tenant after an update."""

    tenant: Tenant
    changed: bool


class Tenants:
    """The use cases of platform administrators."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        artefacts: Artefacts,
        pager: Pager,
        hints: Hints,
        clock: Clock,
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._artefacts = artefacts
        self._pager = pager
        self._hints = hints
        self._clock = clock
        self._new_uid = new_uid

    async def create(self, call: Call, id: str, settings: Settings) -> Tenant:
        """Make a tenant. Raises AlreadyExists and InvalidArgument."""
        now = self._clock.now()
        bare = Tenant(
            id=checked_id(id, "tenant_id"),
            uid=self._new_uid(),
            create_time=now,
            update_time=now,
            parent=settings.parent,
        )
        tenant = replace(settings, organization=settings.organization or "").applied(bare)

        def make(tx: Transaction) -> Tenant:
            _check_family(tx, tenant)
            _check_bases(tx, tenant)
            tx.system.add_tenant(tenant)
            return tenant

        return await self._commands.run(call, "", TenantName(tenant.id), Tenant, make)

    async def get(self, principal: Principal, name: TenantName) -> Tenant:
        """The tenant, or NotFound."""
        id = owned(name.tenant, principal.tenant, str(name))
        return await self._store.peek(lambda tx: tx.system.tenant(id))

    async def list(self, page: PageRequest) -> Page[Tenant]:
        """Every tenant, newest first."""
        of = self._pager.of(page, "tenants", filters.TENANTS)
        found = await self._store.read(lambda tx: tx.system.tenants(of))
        return self._pager.page(page, "tenants", found)

    async def update(self, call: Call, name: TenantName, settings: Settings) -> Updated:
        """The tenant with other settings, and whether that changed anything.

        What runs hold stays held, even above a limit that is lowered: it only keeps new ones out.
        Raises EtagMismatch and InvalidArgument.
        """
        id = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> Updated:
            before = tx.system.tenant(id, lock=True)
            if settings.parent not in (None, before.parent):
                raise FieldImmutable("tenant.parent_tenant", "is fixed once a tenant is made")
            if settings.etag and settings.etag != str(before.version):
                raise EtagMismatch(f"{name} has changed since: read it again, then retry")
            if settings.parent not in (None, before.parent):
                raise FieldImmutable("tenant.parent_tenant", "is fixed once a tenant is made")
            after = settings.applied(before)
            if after == before:
                return Updated(before, changed=False)
            _check_bases(tx, after)
            after = self._put(tx, after)
            self._count_by_base(tx, before, after)
            return Updated(after, changed=True)

        detail = settings.shown()
        updated = await self._commands.run(call, "", TenantName(id), Updated, make, detail=detail)
        self._hints.notify("queue")
        return updated

    async def suspend(
        self, call: Call, name: TenantName, reason: str, running: SuspendedRuns
    ) -> Tenant:
        """Make its runs wait and its mutations fail; a second time changes the policy."""
        id = owned(name.tenant, call.principal.tenant, str(name))
        now = self._clock.now()

        def make(tx: Transaction) -> Tenant:
            before = tx.system.tenant(id, lock=True)
            since = before.suspension.since if before.suspension else now
            after = self._put(tx, replace(before, suspension=Suspension(since, reason, running)))
            if running is SuspendedRuns.PAUSE:
                for scope in _family(tx, id):
                    for run in scope.active_fine_tunes():
                        if run.state in (State.PREPARING, State.RUNNING):
                            current = scope.fine_tune(run.name.id)
                            if current.state in (State.PREPARING, State.RUNNING):
                                paused(
                                    scope, current, self._admission, self._clock, TENANT_SUSPENDED
                                )
            return after

        tenant = await self._commands.run(
            call, "", TenantName(id), Tenant, make, detail=f"{running}: {reason}"
        )
        self._wake()
        return tenant

    async def resume(self, call: Call, name: TenantName) -> Tenant:
        """Take a suspension back; runs that it paused go on from their checkpoints."""
        id = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> Tenant:
            before = tx.system.tenant(id, lock=True)
            if not before.suspension:
                return before
            after = self._put(tx, replace(before, suspension=None))
            now = self._clock.now()
            for scope in _family(tx, id):
                if any(tenant.suspension for tenant in scope.chain()):
                    continue  # one between is suspended by itself
                for run in scope.active_fine_tunes():
                    if run.state is State.PAUSED and run.stopping == TENANT_SUSPENDED:
                        current = scope.fine_tune(run.name.id)
                        self._admission.requeue(scope, current, now)
                        resumed(scope, current, self._clock)
            return after

        tenant = await self._commands.run(call, "", TenantName(id), Tenant, make)
        self._wake()
        return tenant

    async def delete(
        self, call: Call, name: TenantName, *, cascade: bool = False, confirm: str = ""
    ) -> None:
        """Forget a tenant that has nothing any more, or with `cascade` all that it has.

        ResourceInUse lists what is in the way. Tenants below, and runs that have not ended, are in
        the way of a cascade too. `confirm` must then be the tenant's id.
        """
        id = owned(name.tenant, call.principal.tenant, str(name))
        if cascade and confirm != id:
            raise InvalidArgument.of(
                "confirm", f"is {confirm!r}: to delete all that {name} has, repeat its id, {id!r}"
            )
        gone: list[str] = []

        def make(tx: Transaction) -> bool:
            scope = tx.of(id)
            in_the_way = _in_the_way(tx, scope, id, cascade)
            if in_the_way:
                raise ResourceInUse(f"tenants/{id}", f"it still has {'; '.join(in_the_way)}")
            gone[:] = _clear(scope, self._clock, self._admission)
            tx.system.delete_tenant(id)
            return True

        await self._commands.run(call, "", TenantName(id), bool, make, detail=f"cascade={cascade}")
        if not call.validate_only:
            for uid in gone:
                await self._artefacts.delete(uid)

    def _put(self, tx: Transaction, tenant: Tenant) -> Tenant:
        changed = replace(tenant, version=tenant.version + 1, update_time=self._clock.now())
        tx.system.put_tenant(changed)
        return changed

    def _count_by_base(self, tx: Transaction, before: Tenant, after: Tenant) -> None:
        """What is held now counts for limits of one base model from the moment they are set.

        Such counters are kept only where there is a limit; what was used up before is not in them.
        """
        new = [
            parse_limit_key(key) for key in after.limits if "@" in key and key not in before.limits
        ]
        now = self._clock.now()
        for dimension, base in new:
            for scope in _family(tx, after.id):
                own = tenant_scope(scope.tenant().id)
                for run in scope.active_fine_tunes():
                    if run.resolved.base_model != base:
                        continue
                    self._admission.recount(scope, run, dimension, own, after.id, now)

    def _wake(self) -> None:
        for topic in ("runs", "work", "queue"):
            self._hints.notify(topic)


def _check_family(tx: Transaction, tenant: Tenant) -> None:
    if tenant.parent is None:
        return
    try:
        chain = tx.of(tenant.parent).chain()
    except NotFound:
        raise InvalidArgument.of(
            "tenant.parent_tenant", f"there is no tenant {tenant.parent!r}"
        ) from None
    if len(chain) >= MOST_LEVELS:
        raise InvalidArgument.of(
            "tenant.parent_tenant", f"{tenant.parent!r} is at the lowest of {MOST_LEVELS} levels"
        )


def _check_bases(tx: Transaction, tenant: Tenant) -> None:
    known = {base.id for base in tx.system.base_models()}
    named = {
        "tenant.allowed_base_models": set(tenant.allowed_base_models),
        "tenant.limits": {key.partition("@")[2] for key in tenant.limits if "@" in key},
    }
    violations = [
        FieldViolation(
            field, f"{base!r} is not in the catalogue, which has: {', '.join(sorted(known))}"
        )
        for field, bases in named.items()
        for base in sorted(bases - known)
    ]
    if violations:
        raise InvalidArgument(violations)


def _family(tx: Transaction, id: str) -> list[TenantScope]:
    """The tenant and all below it."""
    found, ids = [], [id]
    while ids:
        scope = tx.of(ids.pop())
        found.append(scope)
        ids += tx.system.children(scope.tenant().id)
    return found


def _in_the_way(tx: Transaction, scope: TenantScope, id: str, cascade: bool) -> list[str]:
    """What keeps a tenant from being deleted, for people."""
    found = []
    if children := tx.system.children(id):
        found.append(f"tenants below it: {', '.join(children)}")
    if active := scope.active_fine_tunes():
        names = ", ".join(run.name.id for run in active[:10])
        found.append(f"{len(active)} runs that have not ended ({names})")
    if cascade:
        return found
    page = PageOf(_MANY)
    counts = {
        "runs": len(scope.fine_tunes(page)),
        "datasets": len(scope.datasets(page)),
        "models": len(scope.models(page)),
    }
    shown = (f"{_MANY} or more" if n >= _MANY else str(n) for n in counts.values())
    found += [f"{n} {what}" for n, what in zip(shown, counts, strict=True) if n != "0"]
    if found:
        found.append("delete those first, or ask for `cascade`")
    return found


def _clear(scope: TenantScope, clock: Clock, admission: Admission) -> list[str]:
    """Delete all that a tenant has; the uids of its models, whose artefacts have to go too."""
    page, gone, now = PageOf(_MANY), [], clock.now()
    while runs := scope.fine_tunes(page):
        for _, run in runs:
            scope.delete_fine_tune(run)
    while models := scope.models(page):
        for _, model in models:
            admission.model_deleted(scope, model.uid, now)
            scope.delete_model(model.name.id)
            gone.append(model.uid)
    while datasets := scope.datasets(page):
        for _, dataset in datasets:
            admission.dataset_deleted(scope, dataset, now)
            scope.delete_dataset(dataset.name.id)
    for upload in scope.uploads():
        admission.upload_gone(scope, upload, now)
    for assembled in scope.assembled_uploads():
        admission.parts_gone(scope, scope.upload_parts(assembled.id), now)
        scope.delete_assembled_upload(assembled.id)
    return gone
