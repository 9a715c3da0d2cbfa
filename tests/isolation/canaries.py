"""Texts that must not get out, and the search for them."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

EXCERPT = 60
"""Characters of training text that a finding may show, see `dataset_rules/excerpts.py`."""
_GLIMPSE = 12
"""So many characters of a text in a row are no coincidence."""


def a_text() -> str:
    """A training text like no other, longer than any excerpt."""
    return secrets.token_hex(100)


def shown(canary: str, sink: bytes, most: int = 0) -> bool:
    """Whether more than `most` characters in a row of the canary are in the sink."""
    window = most + 1 if most else _GLIMPSE
    raw = canary.encode()
    return any(raw[at : at + window] in sink for at in range(len(raw) - window + 1))


def found(
    canaries: Mapping[str, str], sinks: Mapping[str, bytes], most: Mapping[str, int] | None = None
) -> list[str]:
    """Which canary is in which sink; of those in `most`, some characters may be."""
    return [
        f"{name} in {where}"
        for name, canary in canaries.items()
        for where, sink in sinks.items()
        if shown(canary, sink, (most or {}).get(where, 0))
    ]


def files(folder: Path, *, without: Iterable[str] = ()) -> dict[str, bytes]:
    """Every file below a folder, but for those in some of its folders: path → content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }
