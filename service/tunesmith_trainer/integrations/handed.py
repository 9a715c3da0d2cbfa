"""What a run's integrations are handed on the standard input of the trainer.

Keys are on no disk, in no environment and in no process list: the service writes one JSON object
to the pipe and closes it. `{"keys": ["…", null], "environment": {"HTTPS_PROXY": "…"}}`, the keys in
the order of `integrations` in `run.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

MOST_BYTES = 65_536
"""More than that is no handful of keys; it is also what a pipe takes without a reader."""


@dataclass(frozen=True)
class Handed:
    """`keys`: one for each integration, None where there is none; `environment`: for reaching the
    services, such as a proxy."""

    keys: Sequence[str | None] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def key(self, number: int) -> str | None:
        """The key of the integration with this number, from 0."""
        return self.keys[number] if number < len(self.keys) else None


def read_handed(stream: IO[bytes]) -> Handed:
    """What the stream has up to its end; nothing if it is no such object."""
    try:
        content = json.loads(stream.read(MOST_BYTES))
        keys = [key if isinstance(key, str) else None for key in content.get("keys", [])]
        environment = {str(name): str(value) for name, value in content["environment"].items()}
        return Handed(keys, environment)
    except (ValueError, AttributeError, TypeError, KeyError):
        return Handed()
