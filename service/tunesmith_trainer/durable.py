"""Files that are either whole or not there, also after the power has gone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def sync_directory(path: Path) -> None:
    """Make the names in the folder `path` durable (a rename alone is not)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` and to the disk; not atomic by itself."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_json(path: Path, value: Any) -> None:
    """Put `value` as JSON at `path`, atomically: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_bytes(temporary, json_bytes(value))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # give the disk its room back
        raise
    sync_directory(path.parent)


def json_bytes(value: Any) -> bytes:
    """`value` as indented JSON with sorted keys, the same bytes for the same value."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def publish_directory(temporary: Path, final: Path) -> None:
    """Give the finished folder `temporary` its name `final`, with everything in it on disk."""
    for file in files_under(temporary):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for folder, _, _ in os.walk(temporary):
        sync_directory(Path(folder))
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync_directory(final.parent)


def files_under(folder: Path) -> list[Path]:
    """Every regular file below `folder`, in the order of the names."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(hashes: Iterable[tuple[str, str]]) -> str:
    """`sha256:` of a set of files, given as (name, SHA-256 in hex).

    It is the SHA-256 of the lines `<hash>  <name>`, sorted by name: what `sha256sum * | sha256sum`
    prints in the folder, so that anybody can check it without us.
    """
    lines = "".join(f"{value}  {name}\n" for name, value in sorted(hashes))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def folder_digest(folder: Path) -> str:
    """The digest (see `digest_of`) of everything below `folder`."""
    return digest_of(
        (str(file.relative_to(folder)), sha256_of(file)) for file in files_under(folder)
    )


def folder_size(folder: Path) -> int:
    """Bytes in the files below `folder`."""
    return sum(file.stat().st_size for file in files_under(folder))
