"""What nothing refers to any more goes, after a while, and what was to be kept for a time alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.assembled_uploads import AssembledUploads
from tunesmith_server.app.background import again_and_again
from tunesmith_server.app.commands import Call
from tunesmith_server.app.datasets import Datasets
from tunesmith_server.domain.access import SYSTEM
from tunesmith_server.domain.errors import NotFound, QuotaExceeded, RequestInProgress, StorageFull
from tunesmith_server.domain.upload import KeptUpload
from tunesmith_server.ports import Blobs, Clock, Store, TrainingFiles, Transaction

log = structlog.get_logger(__name__)

_BATCH = 100
_DELETING = Call(SYSTEM, "DatasetService/DeleteDataset")


class Sweeper:
    """Ends uploads and datasets whose time is over, and removes bytes that nothing refers to.

    Safe on several replicas at once: each step looks again before it takes anything.

    Args:
        interval: between two rounds, in seconds.
        age: how long bytes lie untouched before they may go: longer than anybody takes from the
            last byte to the row that refers to them.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        training: TrainingFiles,
        admission: Admission,
        assembled: AssembledUploads,
        datasets: Datasets,
        clock: Clock,
        *,
        interval: float,
        age: timedelta,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._training = training
        self._admission = admission
        self._assembled = assembled
        self._datasets = datasets
        self._clock = clock
        self._interval = interval
        self._age = age

    async def run(self) -> None:
        """Sweep until cancelled."""
        pause = partial(asyncio.sleep, self._interval)
        await pause()
        await again_and_again("sweeper", self.sweep, pause)

    async def sweep(self) -> None:
        """One round."""
        try:
            await self._end_what_is_over()
        except StorageFull:  # not a row can be written: bytes that go may make room for it
            await self._remove_bytes()
            raise
        await self._remove_bytes()

    async def _end_what_is_over(self) -> None:
        """Forget uploads and datasets whose time is over. Their bytes are nobody's from now on."""
        while await self._assembled.sweep(_BATCH):
            pass
        await self._expire()
        after = ""
        while found := await self._page(after):
            for upload in found:
                await self._look_at(upload)
            after = found[-1].uid

    async def _remove_bytes(self) -> None:
        removed = await self._blobs.sweep(self._referred_to, self._age, self._known)
        made = await self._training.sweep(self._referred_to, self._age)
        log.info("swept", removed=len(removed), training_files=made)

    async def _expire(self) -> None:
        """Delete the datasets whose time is over and that no run under way uses."""
        now, after, gone = self._clock.now(), None, 0
        while found := await self._store.read(
            lambda tx, after=after: tx.system.expired_datasets(now, after, _BATCH)  # type: ignore[misc]
        ):
            for _, name in found:
                gone += await self._datasets.expire(_DELETING, name)
            at, name = found[-1]
            after = (at, name.tenant, name.id)
        if gone:
            log.info("datasets_expired", count=gone)

    async def _page(self, after: str) -> Sequence[KeptUpload]:
        return await self._store.read(lambda tx: tx.system.uploads(after, _BATCH))

    async def _look_at(self, upload: KeptUpload) -> None:
        """End an upload, or count what a killed process has left of it."""
        if upload.expire_time > self._clock.now() and upload.kept_bytes:
            return  # nothing to be done about it
        try:
            async with self._blobs.part(upload.uid) as part:
                if not await self._may_stay(replace(upload, kept_bytes=part.offset)):
                    log.info("upload_ended", upload=upload.uid, bytes=part.offset)
                    await part.discard()
        except RequestInProgress:
            pass  # somebody is just sending it

    async def _may_stay(self, found: KeptUpload) -> bool:
        """Whether an upload's time is not over and what has arrived fits; forgets it if not."""

        def look(tx: Transaction) -> bool:
            try:
                scope = tx.of(found.tenant)
            except NotFound:
                return False
            now = self._clock.now()
            upload = scope.upload(found.principal, found.request_id)
            if upload is None or upload.uid != found.uid:
                return False
            self._admission.upload_gone(scope, upload, now)
            if upload.expire_time <= now:
                scope.delete_upload(upload)
                return False
            upload = replace(upload, kept_bytes=found.kept_bytes)
            try:
                self._admission.keep_upload(scope, upload, now)
            except QuotaExceeded:
                scope.delete_upload(upload)
                return False
            return scope.put_upload(upload)

        return await self._store.write(look)

    async def _referred_to(self, digests: Sequence[str]) -> set[str]:
        return await self._store.read(lambda tx: tx.system.referred_to(digests))

    async def _known(self, uids: Sequence[str]) -> set[str]:
        return await self._store.read(lambda tx: tx.system.known_uploads(uids))
