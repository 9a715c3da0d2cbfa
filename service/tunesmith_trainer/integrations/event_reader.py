"""Reads `events.jsonl` while the trainer writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class EventReader:
    """Gives each whole line once; `rewind` begins again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def rewind(self) -> None:
        """Begin again with the first event."""
        self._offset = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """The events that have come since."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # it is still being written
                self._offset += len(line)
                yield json.loads(line)
