"""Secrets, read from their places on each use."""

import os
from pathlib import Path

from tunesmith_server.domain.integrations import SecretReference, SecretSource

_MOST_BYTES = 4096


class SecretMissing(Exception):
    """There is no secret at the place; the text names it, for whoever runs the service."""


def read_secret(reference: SecretReference) -> str:
    """The secret, without the line break at its end. Raises SecretMissing."""
    if reference.source is SecretSource.ENVIRONMENT:
        secret = os.environ.get(reference.place, "")
    else:
        try:
            with Path(reference.place).open(encoding="utf-8") as file:
                secret = file.read(_MOST_BYTES).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is no text"
            raise SecretMissing(f"{reference}: {words}") from None
    if not secret:
        raise SecretMissing(f"{reference}: it is empty or not set")
    return secret
