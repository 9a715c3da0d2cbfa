"""Which kind of source a URI names."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tunesmith_server.adapters.sources.buckets import Buckets
from tunesmith_server.adapters.sources.faults import refused, shown, too_large
from tunesmith_server.adapters.sources.folders import Folders
from tunesmith_server.adapters.sources.web import Web
from tunesmith_server.domain.errors import SourceUnreadable
from tunesmith_server.domain.hosts import AllowedHosts
from tunesmith_server.ports import Source, Sources


class UriSources:
    """The Sources port.

    Args:
        folders: that files may be read from; `{tenant}` in one stands for the caller's tenant.
        hosts: that may be asked: names, `*.names`, `*` for everything public, and networks.
        buckets: `s3://bucket/prefix`, with `{tenant}` as in `folders`.
        most_bytes: of one file.
        seconds: that reading one file may take.
    """

    def __init__(
        self,
        *,
        folders: Sequence[str] = (),
        hosts: Sequence[str] = (),
        buckets: Sequence[str] = (),
        most_bytes: int,
        seconds: float,
    ) -> None:
        web = Web(AllowedHosts(hosts))
        self._kinds: dict[str, Sources] = {
            "file": Folders(folders),
            "http": web,
            "https": web,
            "s3": Buckets(buckets),
        }
        self._most_bytes = most_bytes
        self._seconds = seconds

    @asynccontextmanager
    async def open(self, uri: str, tenant: str) -> AsyncIterator[Source]:
        """The file at `uri` for a caller of `tenant`."""
        try:
            scheme = urlsplit(uri).scheme
        except ValueError as error:
            raise refused(f"is no URI: {error}") from None
        kind = self._kinds.get(scheme)
        if kind is None or not uri.isprintable():
            raise refused("is no URI of the kind file:, https:, http: or s3:")
        try:
            async with asyncio.timeout(self._seconds), kind.open(uri, tenant) as source:
                if source.size is not None and source.size > self._most_bytes:
                    raise too_large(source.size, self._most_bytes)
                name = "".join(filter(str.isprintable, source.file_name))[:1024]
                yield Source(name, source.size, self._bounded(source))
        except TimeoutError:
            raise SourceUnreadable(
                shown(uri), f"was not read within {self._seconds:g} seconds"
            ) from None

    async def _bounded(self, source: Source) -> AsyncIterator[bytes]:
        """What comes, as long as it is not too much."""
        came = 0
        async for chunk in source.chunks:
            came += len(chunk)
            if came > self._most_bytes:
                raise too_large(source.size, self._most_bytes)
            yield chunk
