"""Moving the bytes of datasets, over lost connections."""

import hashlib
import io
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from tunesmith._errors import (
    InvalidArgumentError,
    NotFoundError,
    TunesmithError,
    UnavailableError,
)
from tunesmith._transport import Calls
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import dataset_pb2_grpc as rpc

CHUNK = 1 << 20
_PATIENCE = 120.0
"""For how long (seconds of waiting) it is tried again while nothing more gets through."""
_LONGEST_PAUSE = 8.0

Progress = Callable[[int, int], object]


class _Patience:
    """Pauses between tries: longer each time, until something gets through or none is left."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._come_to = -1
        self._tries = 0
        self._waited = 0.0

    async def after(self, error: TunesmithError, come_to: int) -> None:
        """Wait, or raise the error if there was enough of that. `come_to` is how far it came."""
        if come_to > self._come_to:
            self._come_to, self._tries, self._waited = come_to, 0, 0.0
        pause = min(_LONGEST_PAUSE, 0.5 * 2**self._tries) * random.uniform(0.75, 1)
        pause = max(pause, error.retry_after or 0)
        if self._waited + pause > _PATIENCE:
            raise error
        self._calls.saw(error)
        self._tries += 1
        self._waited += pause
        await self._calls.transport.sleep(pause)


class Upload:
    """One file on its way to the service."""

    def __init__(
        self,
        calls: Calls,
        stub: rpc.DatasetServiceStub,
        file: BinaryIO,
        header: pb.UploadHeader,
        on_progress: Progress | None,
    ) -> None:
        self._calls = calls
        self._stub = stub
        self._file = _File(file)
        self._header = header
        self._on_progress = on_progress or (lambda sent, total: None)

    async def run(self, *, begun: bool, resume: bool) -> pb.Dataset:
        """The dataset. `begun` if something may have arrived before, `resume` to go on by itself.

        Whatever the last attempt failed with is raised; an error of the file before all others.
        """
        patience, offset = _Patience(self._calls), 0
        while True:
            parts = None
            try:
                if begun:
                    offset = await self._arrived()
                parts = _Parts(self._calls, self._file, self._header, self._on_progress, offset)
                sent = await self._calls.send(self._stub.UploadDataset, aiter(parts))
                return sent.dataset
            except TunesmithError as error:
                if parts and parts.error:  # that is why the upload broke off
                    raise parts.error from None
                if not (resume and self._file.seekable and _passes(error)):
                    raise
                await patience.after(error, offset)
            except Exception:
                if parts and parts.error:
                    raise parts.error from None
                raise
            begun = True

    async def _arrived(self) -> int:
        """Where to go on from."""
        request = pb.GetUploadRequest(
            parent=self._header.parent, request_id=self._header.request_id
        )
        try:
            return (await self._calls.unary(self._stub.GetUpload, request)).offset
        except NotFoundError:
            return 0


def _passes(error: TunesmithError) -> bool:
    """Whether another attempt may do: the connection was lost, or bytes on the way."""
    if isinstance(error, InvalidArgumentError):
        spoilt = any(violation.field == "chunk.crc32c" for violation in error.violations)
        return spoilt or error.reason == "OFFSET_MISMATCH"
    return isinstance(error, UnavailableError)


class _File:
    """A file to be read at any place, also while an attempt given up still reads it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()
        self.seekable = file.seekable()
        self._start = file.tell() if self.seekable else 0

    def read(self, offset: int) -> bytes:
        """The next bytes from `offset` on; of a pipe, those that come next."""
        with self._lock:
            if self.seekable:
                self._file.seek(self._start + offset)
            return self._file.read(CHUNK)


class _Parts:
    """An upload as the contract wants it: a header, chunks in order, the digest of the whole."""

    def __init__(
        self,
        calls: Calls,
        file: _File,
        header: pb.UploadHeader,
        on_progress: Progress,
        start: int,
    ) -> None:
        self.error: Exception | None = None
        self._calls, self._file, self._header = calls, file, header
        self._on_progress = on_progress
        self._start = start

    async def __aiter__(self) -> AsyncIterator[pb.UploadDatasetRequest]:
        import google_crc32c  # not with every import of the client

        # An error here would reach the caller as a cancellation. It is kept, and the upload ends
        # without its finish, which no service takes for a whole file.
        try:
            digest, offset = hashlib.sha256(), 0
            while offset < self._start:  # what the service has is not sent, but part of the whole
                data = await self._calls.transport.blocking(self._file.read, offset)
                if not data:
                    raise ValueError(
                        f"the file has {offset} bytes, but {self._start} of it were sent before: "
                        "it is not the same"
                    )
                data = data[: self._start - offset]
                digest.update(data)
                offset += len(data)
            yield pb.UploadDatasetRequest(header=self._header)
            while data := await self._calls.transport.blocking(self._file.read, offset):
                digest.update(data)
                chunk = pb.UploadChunk(offset=offset, data=data, crc32c=google_crc32c.value(data))
                yield pb.UploadDatasetRequest(chunk=chunk)
                offset += len(data)
                self._on_progress(offset, self._header.size_bytes)
            yield pb.UploadDatasetRequest(finish=pb.UploadFinish(sha256=digest.hexdigest()))
        except Exception as error:
            self.error = error


class Download:
    """One version on its way from the service."""

    def __init__(
        self,
        calls: Calls,
        stub: rpc.DatasetServiceStub,
        dataset: pb.Dataset,
        on_progress: Progress | None,
    ) -> None:
        self._calls = calls
        self._stub = stub
        self._dataset = dataset
        self._on_progress = on_progress or (lambda come, total: None)
        self._digest = hashlib.sha256()

    async def run(self, to: str | os.PathLike[str] | BinaryIO) -> None:
        """Write it; TunesmithError if what came has another digest."""
        if not isinstance(to, str | os.PathLike):
            await self._write(to, 0)
            self._check()
            return
        path = Path(to)
        part = path.with_name(f"{path.name}.part")
        with part.open("a+b") as file:
            await self._write(file, await self._calls.transport.blocking(self._known, file))
            if self._digest.hexdigest() != self._dataset.digest and file.tell():
                file.truncate(0)  # of another version, or spoilt: from the beginning, once
                self._digest = hashlib.sha256()
                await self._write(file, 0)
        try:
            self._check()
        except TunesmithError:
            part.unlink()
            raise
        part.replace(path)

    def _known(self, file: BinaryIO) -> int:
        """Read what an earlier download has left; how much it is."""
        size = file.seek(0, io.SEEK_END)
        if size > self._dataset.size_bytes:
            file.truncate(0)
            return 0
        file.seek(0)
        while data := file.read(CHUNK):
            self._digest.update(data)
        return size

    async def _write(self, file: BinaryIO, offset: int) -> None:
        patience = _Patience(self._calls)
        while offset < self._dataset.size_bytes:
            request = pb.DownloadDatasetRequest(
                name=self._dataset.name, version=self._dataset.digest, offset=offset
            )
            try:
                stream = self._calls.stream(self._stub.DownloadDataset, request)
                async with aclosing(stream) as responses:
                    async for response in responses:
                        await self._calls.transport.blocking(file.write, response.data)
                        self._digest.update(response.data)
                        offset += len(response.data)
                        self._on_progress(offset, self._dataset.size_bytes)
                break
            except UnavailableError as error:
                await patience.after(error, offset)

    def _check(self) -> None:
        if self._digest.hexdigest() != self._dataset.digest:
            raise TunesmithError(
                f"what came of {self._dataset.name} has the digest {self._digest.hexdigest()}, "
                f"not {self._dataset.digest}: download it again"
            )
