"""What goes wrong with a blob store, in the words of the domain."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

from tunesmith_server.domain.errors import RequestInProgress, StorageFull, Unavailable

_RETRY_AFTER: Final = 5.0
"""Seconds after which a caller may try again."""
_BUSY_FOR: Final = 1.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("os error 28", "os error 122", "QuotaExceeded", "XMinioStorageFull")
"""How obstore's errors, which carry no number, tell of a full disk or bucket."""


class BlobMissing(LookupError):
    """No blob has this digest. Whoever holds the digest expected one: a fault of ours."""


class BlobCorrupt(Exception):
    """The bytes of a blob do not have its digest any more: the disk or somebody changed them."""


@contextmanager
def translated(doing: str, *, blob: bool = False) -> Iterator[None]:
    """Raise the errors of disks and obstore as StorageFull, BlobMissing or Unavailable.

    A part that somebody else writes, too, is RequestInProgress.

    `doing` completes "cannot … the blob store". Paths and endpoints stay in the cause, for the log.
    Where it is about a `blob` that should be there, something not found is that blob.
    """
    try:
        yield
    except (BlockingIOError, AlreadyExistsError) as error:
        raise busy() from error
    except (OSError, BaseError) as error:
        if blob and isinstance(error, FileNotFoundError | NotFoundError):
            raise BlobMissing("there is no such blob") from error
        if getattr(error, "errno", None) in _FULL or any(w in str(error) for w in _FULL_WORDS):
            raise StorageFull("the blob store has no room left") from error
        raise Unavailable(f"cannot {doing} the blob store", retry_after=_RETRY_AFTER) from error


def busy() -> RequestInProgress:
    """The error for who is second to go on with an upload."""
    return RequestInProgress(
        "another stream is sending this upload; try again once it has ended",
        retry_after=_BUSY_FOR,
    )
