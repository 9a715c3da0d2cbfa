"""The catalogue of base models."""

from collections.abc import Sequence

from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.domain.catalogue import BUILT_IN
from tunesmith_server.domain.errors import AlreadyExists, NotFound
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.ports import Store, Transaction


class Catalogue:
    """The use cases around base models."""

    def __init__(self, store: Store, commands: Commands) -> None:
        self._store = store
        self._commands = commands

    async def install(self) -> None:
        """Record the built-in entries that are missing; entries that were edited stay."""

        def work(tx: Transaction) -> None:
            for base in BUILT_IN:
                try:
                    tx.system.base_model(base.id)
                except NotFound:
                    tx.system.put_base_model(base)

        await self._store.write(work)

    async def get(self, id: str) -> BaseModel:
        """The entry, or NotFound."""
        return await self._store.read(lambda tx: tx.system.base_model(id))

    async def list(self) -> Sequence[BaseModel]:
        """The entries that are not hidden, by id."""
        found = await self._store.read(lambda tx: tx.system.base_models())
        return [base for base in found if not base.hidden]

    async def create(self, call: Call, base: BaseModel) -> BaseModel:
        """Add an entry, or AlreadyExists: any Hugging Face id or folder, where machines have it."""

        def make(tx: Transaction) -> BaseModel:
            try:
                tx.system.base_model(base.id)
            except NotFound:
                tx.system.put_base_model(base)
                return base
            raise AlreadyExists(f"baseModels/{base.id}")

        return await self._commands.run(call, "", f"baseModels/{base.id}", BaseModel, make)
