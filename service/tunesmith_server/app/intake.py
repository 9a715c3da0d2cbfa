"""How bytes come in, wherever from: inspected and kept at once, a piece at a time, within quota."""

import asyncio
from collections.abc import AsyncIterator

from tunesmith.dataset_rules import Format, Inspector, Report, Shape
from tunesmith.dataset_rules.sensitive import Policy

from tunesmith_server.app.admission import UsageRow
from tunesmith_server.domain.errors import (
    ChecksumMismatch,
    FieldViolation,
    QuotaExceeded,
    QuotaViolation,
)
from tunesmith_server.ports import BlobWriter


class Intake:
    """The bytes of one version on their way into the blob store.

    Args:
        tenant: whose they are.
        room: how many bytes may come.
        shape: of the rows, if the caller says; so is `format` of the file.
        file_name: tells the format, where nobody says.
        sensitive: what to make of secrets and personal data, where the whole is looked at at once,
            as nobody does it in the background.
    """

    def __init__(
        self,
        tenant: str,
        room: UsageRow,
        *,
        shape: Shape | None = None,
        format: Format | None = None,
        file_name: str = "",
        sensitive: Policy | None = None,
    ) -> None:
        self._tenant = tenant
        self._room = room
        self._inspector = Inspector(
            shape=shape,
            format=format,
            file_name=file_name,
            analyse=sensitive is not None,
            sensitive=sensitive or Policy.OFF,
        )
        self.received = 0

    def admit(self, size: int) -> None:
        """QuotaExceeded if so many bytes in all do not fit."""
        room = self._room
        if room.remaining is not None and size > room.remaining:
            violation = QuotaViolation(
                room.dimension, room.used + room.reserved, size, room.limit or 0, room.source
            )
            raise QuotaExceeded(self._tenant, [violation])

    async def reread(self, kept: AsyncIterator[bytes]) -> None:
        """Take what had arrived before, which the blob store has."""
        async for piece in kept:
            await asyncio.to_thread(self._inspector.feed, piece)
            self.received += len(piece)

    async def take(self, piece: bytes, writer: BlobWriter) -> None:
        """Inspect a piece and write it. QuotaExceeded, StorageFull, Unavailable."""
        self.admit(self.received + len(piece))
        # in a thread: a mebibyte takes about ten milliseconds, which others would wait for
        await asyncio.gather(asyncio.to_thread(self._inspector.feed, piece), writer.write(piece))
        self.received += len(piece)

    async def finish(self, sha256: str, field: str) -> Report:
        """What the inspection found.

        ChecksumMismatch names `field` if the bytes do not have the digest `sha256`; empty is not
        checked.
        """
        report = await asyncio.to_thread(self._inspector.finish)
        if sha256 and sha256.lower() != report.sha256:
            raise ChecksumMismatch(
                [FieldViolation(field, f"is {sha256}, but what arrived has {report.sha256}")]
            )
        return report
