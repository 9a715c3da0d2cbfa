"""Where a blob lies. Only digests and random names become keys."""

import re
import uuid

_PART = re.compile(r"[0-9a-f-]{36}")
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


def part_key(uid: str) -> str:
    """Where what has arrived of an upload lies; ValueError if `uid` is no UUID."""
    if not _PART.fullmatch(uid):
        raise ValueError("an upload's uid is a UUID in lower case")
    return f"parts/{uid}"


def part_of(key: str) -> str | None:
    """The uid of the upload that a key is part of, or None if it is no such key of ours."""
    folder, _, rest = key.partition("/")
    uid = rest.partition("/")[0]
    return uid if folder == "parts" and _PART.fullmatch(uid) else None
