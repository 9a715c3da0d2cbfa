"""Where datasets can be imported from."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Source:
    """A file elsewhere, open for reading."""

    file_name: str
    """Data, never a path."""
    size: int | None
    """In bytes, where it is told beforehand; if other than what comes, reading fails."""
    chunks: AsyncIterator[bytes]


class Sources(Protocol):
    """Opens what a URI names, if the installation allows it."""

    def open(self, uri: str, tenant: str) -> AbstractAsyncContextManager[Source]:
        """The file at `uri` for a caller of `tenant`.

        Raises InvalidArgument that names `uri` where it is malformed or not allowed,
        PayloadTooLarge where it is larger than the installation takes, and SourceUnreadable where
        it is not there or cannot be read, also while it is read.
        """
        ...
