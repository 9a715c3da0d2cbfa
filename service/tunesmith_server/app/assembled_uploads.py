"""Files that callers send in parts, several at once, and put together at the end."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from tunesmith.dataset_rules import Report

from tunesmith_server.app.admission import UsageRow
from tunesmith_server.app.commands import Call
from tunesmith_server.app.intake import Intake
from tunesmith_server.app.sensitive_data import policy_of
from tunesmith_server.app.versions import NewVersion
from tunesmith_server.app.way_in import Means, Room, WayIn
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import (
    ChecksumMismatch,
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PreconditionFailed,
    Unavailable,
)
from tunesmith_server.domain.names import DatasetName
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.domain.upload import (
    ASSEMBLED_WITHIN,
    MOST_PART_BYTES,
    MOST_PARTS,
    MOST_PENDING,
    AssembledUpload,
    AssemblyState,
    UploadPart,
    check_expiry,
    expiry,
)
from tunesmith_server.ports import BlobWriter, TenantScope, Transaction

T = TypeVar("T")

_NO_LIMIT = UsageRow(Dimension.DATASET_BYTES, "", None, 0, 0, "")
"""The parts are within the quota already when they are put together."""


@dataclass(frozen=True)
class NewAssembly:
    """What the caller says of a file before its first part comes."""

    id: str
    file_name: str
    mime_type: str
    size_bytes: int
    keep_seconds: int | None = None


@dataclass(frozen=True)
class Assembled:
    """An upload that was put together, and what it became; None if that is deleted by now."""

    upload: AssembledUpload
    dataset: Dataset | None


@dataclass(frozen=True)
class _Begun:
    """What there is to know before parts are put together."""

    upload: AssembledUpload
    parts: Sequence[UploadPart]
    policy: SensitiveDataPolicy


class AssembledUploads(WayIn):
    """Takes files in, in parts. What has arrived stays over a restart, and counts as kept."""

    def __init__(
        self,
        means: Means,
        new_uid: Callable[[], str],
        *,
        largest: int,
    ) -> None:
        """`largest` is how many bytes a file may have."""
        super().__init__(means)
        self._new_uid = new_uid
        self._largest = largest

    async def begin(self, call: Call, new: NewAssembly) -> AssembledUpload:
        """An upload without parts. Raises QuotaExceeded where a file of that size cannot fit."""
        tenant, now = _tenant(call), self._clock.now()
        if not 0 < new.size_bytes <= self._largest:
            raise InvalidArgument.of(
                "bytes", f"is {new.size_bytes}; a file here has 1 to {self._largest}"
            )
        check_expiry(new.keep_seconds)
        upload = AssembledUpload(
            tenant=tenant,
            id=new.id,
            principal=call.principal.id,
            file_name=new.file_name,
            mime_type=new.mime_type,
            size_bytes=new.size_bytes,
            keep_seconds=new.keep_seconds,
            create_time=now,
            expire_time=now + ASSEMBLED_WITHIN,
        )

        def make(tx: Transaction) -> AssembledUpload:
            scope = tx.of(tenant)
            if scope.pending_assemblies(now) >= MOST_PENDING:
                raise PreconditionFailed(
                    _name(tenant, new.id),
                    f"{MOST_PENDING} uploads are under way: complete or cancel some of them",
                )
            self._limit(scope, now).admit(new.size_bytes)
            scope.put_assembled_upload(upload)
            return upload

        return await self._run(call, "begin", new.id, AssembledUpload, make)

    async def add(
        self, call: Call, upload: str, part_id: str, pieces: AsyncIterator[bytes]
    ) -> UploadPart:
        """Keep a part, in constant memory; nothing of one that does not arrive whole.

        Raises NotFound, PreconditionFailed where the upload takes no more, and QuotaExceeded.
        """
        tenant, uid = _tenant(call), self._new_uid()

        def look(tx: Transaction) -> tuple[AssembledUpload, Intake]:
            scope, now = tx.of(tenant), self._clock.now()
            return _open(scope.assembled_upload(upload), now), self._limit(scope, now)

        begun, intake = await self._store.read(look)
        hash = hashlib.sha256() if call.request else None
        async with self._blobs.part(uid) as writer:
            try:
                size = await _fill(writer, pieces, begun, intake, hash)
            except BaseException:
                await asyncio.shield(writer.discard())
                raise
        if call.request and hash:  # other bytes under the same key are another request
            body = call.request.body_hash + hash.hexdigest()
            call = replace(call, request=replace(call.request, body_hash=body))
        now = self._clock.now()
        part = UploadPart(tenant, upload, part_id, uid, size, now)

        def make(tx: Transaction) -> UploadPart:
            scope = tx.of(tenant)
            present = scope.assembled_upload(upload)
            _open(present, now)
            others = scope.upload_parts(upload)
            kept = sum(other.size_bytes for other in others) + size
            if len(others) >= MOST_PARTS or kept > 2 * present.size_bytes:
                raise PreconditionFailed(
                    _name(tenant, upload),
                    f"at most {MOST_PARTS} parts are kept, and twice the {present.size_bytes} "
                    "bytes of the whole",
                )
            self._admission.keep_part(scope, part, now)
            scope.add_upload_part(part)
            return part

        try:
            recorded = await self._run(call, "part", upload, UploadPart, make)
        except DomainError:
            await self._discard([part])
            raise
        if recorded.uid != uid:  # the first answer to a repeated call
            await self._discard([part])
        return recorded

    async def complete(
        self,
        call: Call,
        upload: str,
        part_ids: Sequence[str],
        dataset: str,
        md5: str,
        accept: Callable[[Report], None],
    ) -> Assembled:
        """Put the parts together, in this order, as the dataset of this id, inspected.

        `md5`, hex, is of the whole; empty is not checked. `accept` raises what it likes if the
        findings do not please; the upload then stays as it is, as after every error. The same call
        again gets the same answer.
        Raises NotFound, PreconditionFailed, InvalidArgument, ChecksumMismatch and QuotaExceeded.
        """
        tenant = _tenant(call)

        def look(tx: Transaction) -> Assembled | _Begun:
            scope = tx.of(tenant)
            begun = scope.assembled_upload(upload)
            if (done := _done(scope, begun, part_ids)) is not None:
                return done
            _open(begun, self._clock.now())
            return _Begun(begun, scope.upload_parts(upload), policy_of(scope))

        found = await self._store.read(look)
        if isinstance(found, Assembled):
            return found
        begun, parts = found.upload, found.parts
        ordered = _ordered(begun, parts, part_ids)
        hash = hashlib.md5(usedforsecurity=False)
        room = Room(_NO_LIMIT, found.policy)
        intake = self._intake(tenant, room, file_name=begun.file_name)
        async with self._blobs.writer() as writer:
            for part in ordered:
                async with self._blobs.part(part.uid) as kept:
                    async for piece in kept.kept():
                        await intake.take(piece, writer)
                        if md5:
                            await asyncio.to_thread(hash.update, piece)
            if intake.received != begun.size_bytes:
                raise Unavailable("parts are gone; send them again in a new upload", retry_after=1)
            if md5 and hash.hexdigest() != md5.lower():
                words = f"is {md5[:64]}, but the parts in this order have {hash.hexdigest()}"
                raise ChecksumMismatch([FieldViolation("md5", words)])
            report = await intake.finish("", "md5")
            accept(report)
            blob = await writer.commit()
        now = self._clock.now()
        new = NewVersion(
            name=DatasetName(tenant, dataset),
            blob=blob,
            report=report,
            created_by=call.principal.id,
            file_name=begun.file_name,
            expire_time=expiry(begun.keep_seconds, now),
        )

        def make(tx: Transaction) -> Assembled:
            scope = tx.of(tenant)
            present = scope.assembled_upload(upload)
            if (again := _done(scope, present, part_ids)) is not None:
                return again
            _open(present, present.create_time)  # it was in time when it was asked for
            self._admission.parts_gone(scope, scope.upload_parts(upload), now)
            scope.delete_upload_parts(upload)
            version = self._versions.add(tx, new, now)
            present = replace(
                present,
                state=AssemblyState.COMPLETED,
                part_ids=tuple(part_ids),
                dataset=version.name.id,
            )
            scope.put_assembled_upload(present)
            return Assembled(present, version)

        assembled = await self._run(call, "complete", upload, Assembled, make)
        self._versions.announce()
        await self._discard(parts)
        return assembled

    async def cancel(self, call: Call, upload: str) -> AssembledUpload:
        """End an upload and keep nothing of it; one that was completed stays so."""
        tenant, gone = _tenant(call), list[UploadPart]()

        def make(tx: Transaction) -> AssembledUpload:
            scope = tx.of(tenant)
            present = scope.assembled_upload(upload)
            if present.state is AssemblyState.COMPLETED:
                raise PreconditionFailed(_name(tenant, upload), "it is completed")
            parts = scope.upload_parts(upload)
            gone[:] = parts
            self._admission.parts_gone(scope, parts, self._clock.now())
            scope.delete_upload_parts(upload)
            present = replace(present, state=AssemblyState.CANCELLED)
            scope.put_assembled_upload(present)
            return present

        cancelled = await self._run(call, "cancel", upload, AssembledUpload, make)
        await self._discard(gone)
        return cancelled

    async def sweep(self, limit: int) -> bool:
        """Forget uploads whose time is over, with what has arrived; whether there may be more."""
        now = self._clock.now()

        def expire(tx: Transaction) -> tuple[int, list[UploadPart]]:
            gone: list[UploadPart] = []
            over = tx.system.expired_assemblies(now, limit)
            for upload in over:
                scope = tx.of(upload.tenant)  # is there: what a tenant has goes with it
                parts = scope.upload_parts(upload.id)
                self._admission.parts_gone(scope, parts, now)
                scope.delete_assembled_upload(upload.id)
                gone += parts
            return len(over), gone

        found, parts = await self._store.write(expire)
        await self._discard(parts)
        return found == limit

    async def _run(
        self,
        call: Call,
        step: str,
        upload: str,
        kind: type[T],
        make: Callable[[Transaction], T],
    ) -> T:
        if call.request:  # the same Idempotency-Key may not mean another step
            call = replace(call, request=replace(call.request, method=f"{call.method}/{step}"))
        tenant = _tenant(call)
        return await self._commands.run(call, tenant, _name(tenant, upload), kind, make)

    def _limit(self, scope: TenantScope, now: datetime) -> Intake:
        """For its `admit`: whether so many bytes fit."""
        return Intake(scope.tenant().id, self._admission.room_for_bytes(scope, now))

    async def _discard(self, parts: Sequence[UploadPart]) -> None:
        """Remove bytes that no row names any more; what fails the sweeper finds."""
        for part in parts:
            with suppress(DomainError):
                async with self._blobs.part(part.uid) as kept:
                    await kept.discard()


async def _fill(
    writer: BlobWriter,
    pieces: AsyncIterator[bytes],
    upload: AssembledUpload,
    intake: Intake,
    hash: "hashlib._Hash | None",
) -> int:
    """Write all pieces, and hash them if asked to; how many bytes they were."""
    size, most = 0, min(MOST_PART_BYTES, upload.size_bytes)
    async for piece in pieces:
        size += len(piece)
        if size > most:
            raise InvalidArgument.of("data", f"a part of this upload has at most {most} bytes")
        intake.admit(size)
        if hash:
            await asyncio.to_thread(hash.update, piece)
        await writer.write(piece)
    if not size:
        raise InvalidArgument.of("data", "the part is empty")
    return size


def _open(upload: AssembledUpload, now: datetime) -> AssembledUpload:
    """The upload, if it takes parts and can be completed; else PreconditionFailed."""
    name = _name(upload.tenant, upload.id)
    if upload.state is not AssemblyState.PENDING:
        raise PreconditionFailed(name, f"it is {upload.state}")
    if upload.expire_time <= now:
        raise PreconditionFailed(name, f"it expired at {upload.expire_time:%Y-%m-%d %H:%M} UTC")
    return upload


def _done(scope: TenantScope, upload: AssembledUpload, part_ids: Sequence[str]) -> Assembled | None:
    """What was made of these parts already; None if nothing was."""
    if upload.state is not AssemblyState.COMPLETED or list(upload.part_ids) != list(part_ids):
        return None
    assert upload.dataset is not None
    try:
        return Assembled(upload, scope.dataset(upload.dataset))
    except NotFound:
        return Assembled(upload, None)


def _ordered(
    upload: AssembledUpload, parts: Sequence[UploadPart], part_ids: Sequence[str]
) -> list[UploadPart]:
    """The parts in the order asked for; InvalidArgument unless they are the whole."""
    by_id = {part.id: part for part in parts}
    if unknown := [id for id in part_ids if id not in by_id]:
        raise InvalidArgument.of("part_ids", f"no part {unknown[0][:80]!r} of this upload arrived")
    if len(set(part_ids)) != len(part_ids):
        raise InvalidArgument.of("part_ids", "a part is named twice")
    ordered = [by_id[id] for id in part_ids]
    size = sum(part.size_bytes for part in ordered)
    if size != upload.size_bytes:
        raise InvalidArgument.of(
            "part_ids", f"come to {size} bytes, but the upload is of {upload.size_bytes}"
        )
    return ordered


def _tenant(call: Call) -> str:
    """Uploads in parts are made by tenants' own keys alone."""
    if call.principal.tenant is None:
        raise InvalidArgument.of("upload", "a platform administrator's key has no tenant")
    return call.principal.tenant


def _name(tenant: str, upload: str) -> str:
    return f"tenants/{tenant}/uploads/{upload}"
