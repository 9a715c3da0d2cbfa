"""Where a blob lies. Only digests and random names become keys."""

import re
import uuid

_DIGEST = re.compile(r"[0-9a-f]{64}")


def key_of(digest: str) -> str:
    """The key of the blob of this digest; ValueError if it is no sha256 in lower-case hex."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a digest is 64 lower-case hex digits")
    return f"sha256/{digest[:2]}/{digest}"


def digest_of(key: str) -> str | None:
    """The digest of the blob under this key, or None if no blob of ours could lie there."""
    digest = key.rpartition("/")[2]
    return digest if _DIGEST.fullmatch(digest) and key_of(digest) == key else None


def temporary_key() -> str:
    """A key that nobody else uses, for what is not complete yet."""
    return f"tmp/{uuid.uuid4().hex}"
