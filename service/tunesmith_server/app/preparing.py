"""What mends a dataset, and what splits it: proposed, or made into new versions."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tunesmith.dataset_rules import Format, Report, Shape, inspect_file
from tunesmith.dataset_rules.fixes import (
    FIXES,
    Choice,
    Job,
    Outcome,
    Summary,
    next_command,
)
from tunesmith.dataset_rules.split import SplitChoice

from tunesmith_server.app.commands import Call, Commands, refuse_suspended
from tunesmith_server.app.estimates import Estimate, estimates
from tunesmith_server.app.once import remembered
from tunesmith_server.app.scope import scope_of
from tunesmith_server.app.sensitive_data import policy_of, searched
from tunesmith_server.app.versions import NewVersion, Versions
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import DatasetNotReady, FieldViolation, InvalidArgument
from tunesmith_server.domain.names import DatasetName, checked_id, owned
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.ports import BlobRef, Blobs, Clock, Preparation, Scratch, Store, Transaction

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """Which fixes to apply; none: propose only."""

    fixes: tuple[str, ...] = ()
    all_fixes: bool = False

    @property
    def applies(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.fixes) or self.all_fixes

    def choice(self) -> Choice:
        """As the rules take it; InvalidArgument names each code that is not one."""
        if not self.applies:
            return Choice()
        unknown = [
            FieldViolation(f"fixes[{index}]", f"there is no fix {code!r}")
            for index, code in enumerate(self.fixes)
            if code not in FIXES
        ]
        if unknown:
            raise InvalidArgument(unknown)
        return Choice(recommended=self.all_fixes, named=frozenset(self.fixes))


@dataclass(frozen=True)
class PreparedDataset:
    """What was proposed or done."""

    summary: Summary
    applied: bool
    dataset: Dataset | None
    """The dataset with the new version; None if none was made."""
    estimates: tuple[Estimate, ...]
    command: str


@dataclass(frozen=True)
class SplitWanted:
    """How to split, and into which datasets."""

    choice: SplitChoice
    training_id: str = ""
    validation_id: str = ""


@dataclass(frozen=True)
class SplitDataset:
    """Both sides."""

    training: Dataset
    validation: Dataset


class Preparing:
    """The use cases."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        blobs: Blobs,
        versions: Versions,
        preparation: Preparation,
        scratch: Scratch,
        clock: Clock,
    ) -> None:
        self._store = store
        self._commands = commands
        self._blobs = blobs
        self._versions = versions
        self._preparation = preparation
        self._scratch = scratch
        self._clock = clock

    async def prepare(
        self, call: Call, name: DatasetName, version: str, wanted: Wanted
    ) -> PreparedDataset:
        """Propose fixes for a version, or apply them to it, which makes a new version.

        DatasetNotReady if rows are left that nobody but their author can mend.
        """
        choice = wanted.choice()
        tenant = owned(name.tenant, call.principal.tenant, str(name))
        answer, dataset, policy = await self._begin(call, tenant, name, version, PreparedDataset)
        if answer is not None:
            return answer
        async with self._scratch.new() as scratch:
            job = await self._job(dataset, scratch, choice)
            if not wanted.applies:
                outcome = await self._preparation.run(job)
                return await self._store.read(
                    lambda tx: self._told(tx, dataset, outcome, applied=False, made=None)
                )
            out = scratch / "out.jsonl"
            outcome = await self._preparation.run(replace(job, out=(str(out),)))
            if outcome.refused:
                raise DatasetNotReady(str(dataset.name), outcome.refused)
            changes = any(fix.applied for fix in outcome.summary.fixes)
            new = None
            if changes:
                new = await self._kept(call, out, dataset, dataset.name, policy)
        prepared = await self._commands.run(
            call,
            tenant,
            dataset.name,
            PreparedDataset,
            lambda tx: self._told(tx, dataset, outcome, applied=True, made=new),
        )
        self._versions.announce()
        return prepared

    async def split(
        self, call: Call, name: DatasetName, version: str, wanted: SplitWanted
    ) -> SplitDataset:
        """Split a version into two datasets, each of which gets a version.

        InvalidArgument if the rows cannot be split so; DatasetNotReady if they have errors.
        """
        tenant = owned(name.tenant, call.principal.tenant, str(name))
        sides = (
            _side(tenant, name, wanted.training_id, "train", "training_dataset_id"),
            _side(tenant, name, wanted.validation_id, "valid", "validation_dataset_id"),
        )
        if sides[0] == sides[1] or name.id in (sides[0].id, sides[1].id):
            raise InvalidArgument.of(
                "validation_dataset_id",
                "three different datasets are needed, of which one is split",
            )
        answer, dataset, policy = await self._begin(call, tenant, name, version, SplitDataset)
        if answer is not None:
            return answer
        if dataset.state is not DatasetState.READY:
            raise DatasetNotReady(str(dataset.name), "it has errors; prepare it first")
        async with self._scratch.new() as scratch:
            files = (scratch / "training.jsonl", scratch / "validation.jsonl")
            job = await self._job(dataset, scratch, Choice(recommended=False))
            job = replace(job, out=tuple(map(str, files)), split=wanted.choice)
            outcome = await self._preparation.run(job)
            if outcome.refused:
                field = "group_by" if wanted.choice.group_by else "validation_share"
                raise InvalidArgument.of(field, outcome.refused)
            training, validation = [
                await self._kept(call, file, dataset, side, policy)
                for file, side in zip(files, sides, strict=True)
            ]
        now = self._clock.now()

        def make(tx: Transaction) -> SplitDataset:
            return SplitDataset(
                self._versions.add(tx, training, now), self._versions.add(tx, validation, now)
            )

        split = await self._commands.run(call, tenant, dataset.name, SplitDataset, make)
        self._versions.announce()
        return split

    async def _begin(
        self, call: Call, tenant: str, name: DatasetName, version: str, kind: type[T]
    ) -> tuple[T | None, Dataset, SensitiveDataPolicy]:
        """The answer that the request had, if it comes again; the version, the tenant's policy.

        NotFound.
        """

        def read(tx: Transaction) -> tuple[T | None, Dataset, SensitiveDataPolicy]:
            scope = scope_of(tx, tenant, name)
            current = scope.dataset(name.id)
            if call.principal.tenant is not None:
                refuse_suspended(tx, tenant, name)
            dataset = scope.dataset_version(name.id, version) if version else current
            return remembered(tx, tenant, call.request, kind), dataset, policy_of(scope)

        return await self._store.read(read)

    async def _job(self, dataset: Dataset, scratch: Path, choice: Choice) -> Job:
        """The job on the version's file, which is fetched for it."""
        path = scratch / "in"
        await self._blobs.fetch(dataset.digest, path)
        shape = Shape(dataset.shape) if dataset.shape else None
        format = Format(dataset.format) if dataset.format else None
        return Job(str(path), format=format, shape=shape, choice=choice, cores=1)

    async def _kept(
        self,
        call: Call,
        file: Path,
        source: Dataset,
        name: DatasetName,
        policy: SensitiveDataPolicy,
    ) -> NewVersion:
        """A file as a version to be; kept as a blob unless the call is to be checked only."""
        report = await asyncio.to_thread(_inspected, file, policy)
        blob = BlobRef(report.sha256, report.size_bytes)
        if not call.validate_only:
            blob = await self._blobs.put_file(file)
        return NewVersion(
            name=name,
            blob=blob,
            report=report,
            created_by=call.principal.id,
            file_name=f"{name.id}.jsonl",
            parent_digest=source.digest,
        )

    def _told(
        self,
        tx: Transaction,
        dataset: Dataset,
        outcome: Outcome,
        *,
        applied: bool,
        made: NewVersion | None,
    ) -> PreparedDataset:
        scope = tx.of(dataset.name.tenant)
        version = self._versions.add(tx, made, self._clock.now()) if made else None
        summary = outcome.summary
        sides = (f"{dataset.name.id}-train", f"{dataset.name.id}-valid")
        ids = sides if summary.split else (dataset.name.id,)
        return PreparedDataset(
            summary,
            applied,
            version,
            estimates(tx, scope, version or dataset),
            next_command(summary, *ids) if summary.rows_after else "",
        )


def _inspected(file: Path, policy: SensitiveDataPolicy) -> Report:
    """The report on a file, which quotes only what the policy lets be kept.

    Where nobody may train before a version is searched, that is left to those who also redact.
    """
    return inspect_file(file, analyse=not policy.withholds, sensitive=searched(policy))


def _side(tenant: str, name: DatasetName, id: str, kind: str, field: str) -> DatasetName:
    return DatasetName(tenant, checked_id(id or f"{name.id}-{kind}", field))
