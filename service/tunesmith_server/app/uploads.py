"""Files that callers send, in one go or several."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import structlog
from tunesmith.dataset_rules import Format, Report, Shape

from tunesmith_server.app.commands import Call, refuse_suspended
from tunesmith_server.app.intake import Intake
from tunesmith_server.app.once import Once
from tunesmith_server.app.versions import NewVersion
from tunesmith_server.app.way_in import Means, Room, WayIn
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import (
    ChecksumMismatch,
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OffsetMismatch,
    QuotaExceeded,
    RequestIdReused,
    StorageFull,
    Unavailable,
)
from tunesmith_server.domain.names import DatasetName, TenantName, owned
from tunesmith_server.domain.upload import (
    KEPT_FOR,
    KeptUpload,
    check_expiry,
    expiry,
)
from tunesmith_server.ports import BlobWriter, TenantScope, Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Upload:
    """What the caller says of the bytes before they come."""

    parent: TenantName
    id: str
    file_name: str = ""
    display_name: str = ""
    labels: Mapping[str, str] | None = None
    shape: Shape | None = None
    format: Format | None = None
    size_bytes: int = 0
    """Of the whole; 0 if it is not known."""
    request_id: str = ""
    """With one, what has arrived is kept when the stream breaks off."""
    hash: str = ""
    """Of all of this but the request_id."""


@dataclass(frozen=True)
class Piece:
    """Some bytes and where they begin."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Sent:
    """What the caller sends; what it says at the end can be asked for once all was read."""

    pieces: AsyncIterator[Piece]
    sha256: Callable[[], str]
    """What the whole is to have; empty if nothing is said."""
    keep_seconds: Callable[[], int | None] = lambda: None
    """How long the dataset is to be kept; None is for good."""
    accept: Callable[[Report], None] = lambda report: None
    """Raises what it likes if the findings do not please: then nothing becomes a version."""


@dataclass(frozen=True)
class Progress:
    """How far an upload has come."""

    offset: int
    expire_time: datetime


@dataclass(frozen=True)
class _Begun:
    """What there is to know before the first byte."""

    room: Room
    upload: KeptUpload | None = None
    answer: Dataset | None = None


class Uploads(WayIn):
    """Takes files in.

    Args:
        patience: how long the next piece may take to come, in seconds.
    """

    def __init__(
        self,
        means: Means,
        new_uid: Callable[[], str],
        *,
        patience: float,
    ) -> None:
        super().__init__(means)
        self._new_uid = new_uid
        self._patience = patience

    async def take(self, call: Call, upload: Upload, sent: Sent) -> Dataset:
        """Keep the bytes as a new version, inspected while they stream; memory stays constant.

        The version is READY, or INVALID with the report that says why. The same bytes under the
        same name change nothing. A stream that breaks off leaves nothing, unless there is a
        request_id: then another one with the same header goes on where this one ended. What can
        never become a version, for its checksum or for the quota, is not kept.
        """
        tenant = owned(upload.parent.tenant, call.principal.tenant, str(upload.parent))
        name = self._versions.name(tenant, upload.id, "dataset_id")
        begin = self._begin if upload.request_id else self._look
        begun = await begin(call, tenant, upload)
        if begun.answer is not None:
            return await self._repeated(begun.answer, sent)
        intake = self._intake(
            tenant,
            begun.room,
            shape=upload.shape,
            format=upload.format,
            file_name=upload.file_name,
        )
        if begun.upload is None:
            async with self._blobs.writer() as writer:
                return await self._finished(call, name, upload, sent, intake, writer, None)
        return await self._go_on(call, name, upload, sent, intake, begun.upload)

    async def progress(self, principal: Principal, parent: TenantName, request_id: str) -> Progress:
        """How far the caller's upload of this request_id has come, or NotFound."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))

        def look(tx: Transaction) -> KeptUpload | Dataset | None:
            kept = tx.of(tenant).upload(principal.id, request_id)
            if kept is not None:
                return kept
            answer = _answer(tx, tenant, request_id)
            return answer if answer and answer.created_by == principal.id else None

        found = await self._store.read(look)
        if isinstance(found, Dataset):  # all of it
            return Progress(found.size_bytes, found.version_time + KEPT_FOR)
        if found is None or found.expire_time <= self._clock.now():
            raise NotFound(f"tenants/{tenant}/uploads/{request_id}")
        return Progress(await self._blobs.part_size(found.uid), found.expire_time)

    async def _look(self, call: Call, tenant: str, upload: Upload) -> _Begun:
        return await self._store.read(lambda tx: _Begun(self._room(tx, call, tenant)))

    async def _begin(self, call: Call, tenant: str, upload: Upload) -> _Begun:
        """Find the upload that goes on, or the answer that it had, or record a new one."""
        now = self._clock.now()
        new = KeptUpload(
            tenant,
            call.principal.id,
            upload.request_id,
            self._new_uid(),
            upload.hash,
            0,
            now + KEPT_FOR,
        )

        def begin(tx: Transaction) -> _Begun:
            scope = tx.of(tenant)
            answer = _answer(tx, tenant, upload.request_id, call.method, upload.hash)
            if answer is not None:
                return _Begun(self._room(tx, call, tenant), answer=answer)
            if call.principal.tenant is not None:
                refuse_suspended(tx, tenant, f"tenants/{tenant}")
            kept = new
            if not scope.add_upload(new):
                kept = scope.upload(call.principal.id, upload.request_id) or new
                if kept.header_hash != upload.hash:
                    raise _reused("of an upload with another header")
                self._admission.upload_gone(scope, kept, now)  # it goes on, within what is left
                kept = replace(kept, kept_bytes=0, expire_time=now + KEPT_FOR)
                scope.put_upload(kept)
            return _Begun(self._room(tx, call, tenant), kept)

        return await self._store.write(begin)

    async def _go_on(
        self,
        call: Call,
        name: DatasetName,
        upload: Upload,
        sent: Sent,
        intake: Intake,
        kept: KeptUpload,
    ) -> Dataset:
        """Take what comes after what has arrived."""
        arrived = 0
        try:
            async with self._blobs.part(kept.uid) as part:
                try:
                    await intake.reread(part.kept())
                    dataset = await self._finished(call, name, upload, sent, intake, part, kept)
                except (QuotaExceeded, StorageFull, _Hopeless):
                    await part.discard()
                    raise
                finally:
                    arrived = part.offset
        except _Hopeless as hopeless:
            await asyncio.shield(self._left(kept, 0))
            raise hopeless.why from None
        except (QuotaExceeded, StorageFull):
            await asyncio.shield(self._left(kept, 0))
            raise
        except BaseException:  # a lost connection is a cancellation
            if arrived:
                await asyncio.shield(self._left(kept, arrived))
            raise
        return dataset

    async def _finished(
        self,
        call: Call,
        name: DatasetName,
        upload: Upload,
        sent: Sent,
        intake: Intake,
        writer: BlobWriter,
        kept: KeptUpload | None,
    ) -> Dataset:
        """Take all pieces and make the version."""
        intake.admit(upload.size_bytes)
        async for piece in self._patiently(sent.pieces):
            if piece.offset != intake.received:
                raise OffsetMismatch(piece.offset, intake.received)
            if upload.size_bytes and intake.received + len(piece.data) > upload.size_bytes:
                raise _Hopeless(_other_size(upload.size_bytes, "more bytes come"))
            await intake.take(piece.data, writer)
        if upload.size_bytes and intake.received != upload.size_bytes:
            raise _Hopeless(_other_size(upload.size_bytes, f"{intake.received} bytes came"))
        try:
            report = await intake.finish(sent.sha256(), "finish.sha256")
        except ChecksumMismatch as error:
            raise _Hopeless(error) if kept else error from None
        check_expiry(keep := sent.keep_seconds())
        sent.accept(report)
        now = self._clock.now()
        new = NewVersion(
            name=name,
            blob=await writer.commit(),
            report=report,
            created_by=call.principal.id,
            file_name=upload.file_name,
            display_name=upload.display_name,
            labels=upload.labels or {},
            expire_time=expiry(keep, now),
        )
        if upload.request_id:
            hash = upload.hash + new.blob.digest
            call = replace(call, request=Once(upload.request_id, call.method, hash))
        elif call.request:  # other bytes under the same key are another request
            hash = call.request.body_hash + new.blob.digest
            call = replace(call, request=replace(call.request, body_hash=hash))

        def make(tx: Transaction) -> Dataset:
            scope = tx.of(name.tenant)
            if kept is not None:
                self._forget(scope, kept, now)
            return self._versions.add(tx, new, now)

        return await self._keep(call, name.tenant, name, Dataset, make)

    async def _patiently(self, pieces: AsyncIterator[Piece]) -> AsyncGenerator[Piece, None]:
        """The pieces, each of which must come in time."""
        while True:
            try:
                async with asyncio.timeout(self._patience):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Unavailable(
                    f"no more of the upload came for {self._patience:g} seconds; with a request_id "
                    "it goes on where it ended, see GetUpload",
                    retry_after=1,
                ) from None
            yield piece

    async def _repeated(self, answer: Dataset, sent: Sent) -> Dataset:
        """The first answer again, to a caller that sends nothing more, or the same once more."""
        came, hash = 0, hashlib.sha256()
        async for piece in self._patiently(sent.pieces):
            if piece.offset not in (came, answer.size_bytes):
                raise OffsetMismatch(piece.offset, answer.size_bytes)
            await asyncio.to_thread(hash.update, piece.data)
            came += len(piece.data)
        if (sent.sha256() or answer.digest) != answer.digest or (
            came and hash.hexdigest() != answer.digest
        ):
            raise _reused("of an upload of other bytes")
        return answer

    async def _left(self, kept: KeptUpload, arrived: int) -> None:
        """Count what stays against the quota, or throw it away where it does not fit."""
        now = self._clock.now()
        left = replace(kept, kept_bytes=arrived, expire_time=now + KEPT_FOR)

        def leave(tx: Transaction) -> bool:
            """Whether it may stay."""
            scope = tx.of(kept.tenant)
            if not arrived:
                self._forget(scope, kept, now)
            elif not scope.put_upload(left):
                return False  # the sweeper was here, or the next stream has ended already
            else:
                self._admission.upload_gone(scope, left, now)
                self._admission.keep_upload(scope, left, now)
            return True

        try:
            try:
                stays = await self._store.write(leave)
            except QuotaExceeded:
                stays = False
                await self._left(kept, 0)
            if not stays:
                async with self._blobs.part(kept.uid) as part:
                    await part.discard()
        except DomainError as error:  # the sweeper counts it later
            log.warning("upload_not_counted", upload=kept.uid, error=str(error))

    def _forget(self, scope: TenantScope, kept: KeptUpload, now: datetime) -> None:
        """It is a version, or nothing. A stream before may have counted what it left only now."""
        self._admission.upload_gone(scope, kept, now)
        scope.delete_upload(kept)


class _Hopeless(Exception):
    """What has arrived can never become a version."""

    def __init__(self, why: DomainError) -> None:
        self.why = why


def _other_size(said: int, found: str) -> InvalidArgument:
    return InvalidArgument.of("header.size_bytes", f"is {said}, but {found}; nothing was kept")


def _reused(how: str) -> RequestIdReused:
    return RequestIdReused([FieldViolation("header.request_id", f"is that {how}: make a new one")])


def _answer(
    tx: Transaction, tenant: str, request_id: str, method: str = "", header: str = ""
) -> Dataset | None:
    """The version that this request_id made already; RequestIdReused if by something else."""
    first = tx.system.remembered(tenant, request_id)
    if first is None:
        return None
    if method and (first.method != method or not first.body_hash.startswith(header)):
        raise _reused("of another call")
    if not first.method.endswith("/UploadDataset") or not first.answer:
        return None
    return msgspec.json.decode(first.answer, type=Dataset)
