"""The catalogue of base models."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import allowed, base_named
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.catalogue import BUILT_IN
from tunesmith_server.domain.errors import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    ResourceInUse,
)
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.ports import Store, Transaction


class Catalogue:
    """The use cases around base models."""

    def __init__(self, store: Store, commands: Commands, pager: Pager) -> None:
        self._store = store
        self._commands = commands
        self._pager = pager

    async def install(self) -> None:
        """Record the built-in entries that are missing; entries that were edited stay.

        A name that somebody has made another entry's alias is not missing.
        """

        def work(tx: Transaction) -> None:
            for base in BUILT_IN:
                try:
                    base_named(tx, base.id)
                except NotFound:
                    tx.system.put_base_model(base)

        await self._store.write(work)

    async def entry(self, id: str) -> BaseModel:
        """The entry, whoever may use it, or NotFound."""
        return await self._store.peek(lambda tx: tx.system.base_model(id))

    async def get(self, principal: Principal, id: str) -> BaseModel:
        """The entry, or NotFound: also for one that the caller's tenant may not use."""

        def work(tx: Transaction) -> BaseModel:
            base = tx.system.base_model(id)
            return allowed(tx.of(principal.tenant), base) if principal.tenant else base

        return await self._store.read(work)

    async def list(self, principal: Principal, page: PageRequest) -> Page[BaseModel]:
        """The entries that are not hidden and that the caller's tenant may use, by id."""
        bound = f"{principal.tenant or '*'}/baseModels"
        of = self._pager.of(page, bound)

        def work(tx: Transaction) -> list[BaseModel]:
            shown = [base for base in tx.system.base_models() if not base.hidden]
            if principal.tenant is None:
                return shown
            scope, found = tx.of(principal.tenant), []
            for base in shown:
                with contextlib.suppress(NotFound):
                    found.append(allowed(scope, base))
            return found

        found = [(base.id, base) for base in await self._store.read(work) if base.id > of.after]
        return self._pager.page(page, bound, found[: of.limit])

    async def update(
        self, call: Call, id: str, changes: Mapping[str, object]
    ) -> tuple[BaseModel, bool]:
        """The entry with these fields changed, and whether that changed anything.

        Runs that were submitted keep the price and the defaults that they were submitted with.
        InvalidArgument for aliases that are not free.
        """
        changed = False

        def make(tx: Transaction) -> BaseModel:
            nonlocal changed
            before = tx.system.base_model(id)
            after = replace(before, **changes)  # type: ignore[arg-type]
            changed = after != before
            if changed:
                _check_aliases(tx, after)
                tx.system.put_base_model(after)
            return after

        detail = ", ".join(f"{field}={value!r}" for field, value in changes.items())
        shown = f"baseModels/{id}"
        base = await self._commands.run(call, "", shown, BaseModel, make, detail=detail[:2000])
        return base, changed

    async def delete(self, call: Call, id: str) -> None:
        """Forget an entry that no model and no run needs any more, else ResourceInUse."""

        def make(tx: Transaction) -> bool:
            tx.system.base_model(id)
            if users := tx.system.base_model_users(id):
                raise ResourceInUse(f"baseModels/{id}", f"{users} runs or models are made with it")
            tx.system.delete_base_model(id)
            return True

        await self._commands.run(call, "", f"baseModels/{id}", bool, make)

    async def create(self, call: Call, base: BaseModel) -> BaseModel:
        """Add an entry, or AlreadyExists: any Hugging Face id or folder, where machines have it.

        InvalidArgument for aliases that are not free. An id may not be another entry's alias.
        """

        def make(tx: Transaction) -> BaseModel:
            try:
                there = base_named(tx, base.id)
            except NotFound:
                _check_aliases(tx, base)
                tx.system.put_base_model(base)
                return base
            raise AlreadyExists(f"baseModels/{there.id}")

        return await self._commands.run(call, "", f"baseModels/{base.id}", BaseModel, make)


def _check_aliases(tx: Transaction, base: BaseModel) -> None:
    """InvalidArgument unless each alias means this entry and no other."""
    for place, alias in enumerate(base.aliases):
        where = f"base_model.aliases[{place}]"
        if alias == base.id or alias in base.aliases[:place]:
            raise InvalidArgument.of(where, f"{alias!r} is there already")
        try:
            other = base_named(tx, alias)
        except NotFound:
            continue
        if other.id != base.id:
            raise InvalidArgument.of(where, f"{alias!r} is a name of baseModels/{other.id} already")
