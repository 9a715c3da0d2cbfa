"""Files in S3-compatible buckets that an operator has opened for imports."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from tunesmith_server.adapters.sources.faults import refused
from tunesmith_server.domain.errors import SourceUnreadable
from tunesmith_server.ports import Source

_CHUNK = 2**20
_SCHEME = "s3://"


class Buckets:
    """Reads objects under some prefixes, with the credentials of the surroundings (AWS_…)."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        self._prefixes = tuple(prefix.removeprefix(_SCHEME).strip("/") for prefix in prefixes)

    @asynccontextmanager
    async def open(self, uri: str, tenant: str) -> AsyncIterator[Source]:
        """The object at an `s3:` URI."""
        bucket, key = self._place(uri, tenant)
        try:
            found = await obstore.get_async(S3Store(bucket), key)
        except (OSError, BaseError) as error:
            raise _unreadable(uri, error) from None
        yield Source(key.rpartition("/")[2], found.meta["size"], _chunks(uri, found))

    def _place(self, uri: str, tenant: str) -> tuple[str, str]:
        place = uri.removeprefix(_SCHEME)
        bucket, _, key = place.partition("/")
        segments = key.split("/")
        if not uri.startswith(_SCHEME) or not bucket or {"", ".", ".."} & set(segments):
            raise refused("is not of the form s3://bucket/key")
        prefixes = [prefix.replace("{tenant}", tenant) for prefix in self._prefixes]
        if not any(place.startswith(f"{prefix}/") for prefix in prefixes):
            raise refused(
                "is in no bucket that may be imported from; an operator opens one with "
                "TUNESMITH_IMPORTS__S3_ALLOW"
            )
        return bucket, key


async def _chunks(uri: str, found: Any) -> AsyncIterator[bytes]:
    try:
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)
    except (OSError, BaseError) as error:
        raise _unreadable(uri, error) from None


def _unreadable(uri: str, error: OSError | BaseError) -> SourceUnreadable:
    match error:
        case NotFoundError() | FileNotFoundError():  # obstore raises either
            return SourceUnreadable(uri, "is not there", status="404")
        case PermissionDeniedError() | UnauthenticatedError() | PermissionError():
            return SourceUnreadable(uri, "this service may not read it", status="403")
        case _:  # its words hold the store's addresses
            return SourceUnreadable(uri, f"cannot be read ({type(error).__name__})")
