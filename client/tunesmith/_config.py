"""Whom to call and with which key: arguments, then the environment, then the configuration file.

The only module of the client that reads the environment. The file is
`~/.config/tunesmith/config.toml` (`$XDG_CONFIG_HOME` moves it, `TUNESMITH_CONFIG` names another):

    current = "work"

    [contexts.work]
    address = "https://tunesmith.example.com"
    api_key = "sk-ts-…"
    tls_ca_file = "ca.pem"      # beside this file; also tls_cert_file and tls_key_file

Instead of `api_key`, `api_key_file` names a file that holds the key or token.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith._errors import ConfigurationError

DEFAULT_ADDRESS = "127.0.0.1:50051"


@dataclass(frozen=True)
class TlsFiles:
    """Files in PEM for TLS. Empty is none."""

    ca: str = ""
    """Roots to trust instead of the system's."""
    cert: str = ""
    """A certificate to show, for a service that asks for one."""
    key: str = ""
    """The private key of `cert`."""


@dataclass(frozen=True)
class Endpoint:
    """Whom to call."""

    address: str
    api_key: str = ""
    api_key_file: str = ""
    """A file to read the key from on each call, instead of `api_key`."""
    tls: TlsFiles = TlsFiles()


_ABSENT = TlsFiles()


def endpoint(
    address: str | None = None,
    api_key: str | None = None,
    context: str | None = None,
    *,
    tls: TlsFiles = _ABSENT,
) -> Endpoint:
    """The endpoint that the arguments, the environment and the file together say.

    A context that is asked for by name wins over the environment. ConfigurationError if it is not
    there or the file cannot be read as one.
    """
    environment = {} if context else os.environ
    from_outside = address or environment.get("TUNESMITH_ADDRESS")
    key_from_outside = api_key or environment.get("TUNESMITH_API_KEY")
    key_file = "" if key_from_outside else environment.get("TUNESMITH_API_KEY_FILE", "")
    chosen: dict[str, str] = {}
    if context or not (from_outside and (key_from_outside or key_file)):
        chosen = _context(context or os.environ.get("TUNESMITH_CONTEXT"))
    if from_outside and not context and from_outside != chosen.get("address"):
        # a key in the file is for the file's address: it is not shown to anybody else
        chosen = {}
    if not (key_from_outside or key_file):
        key_from_outside, key_file = chosen.get("api_key"), chosen.get("api_key_file", "")
    return Endpoint(
        from_outside or chosen.get("address") or DEFAULT_ADDRESS,
        key_from_outside or "",
        "" if key_from_outside else key_file,
        TlsFiles(
            *(
                given or environment.get(f"TUNESMITH_TLS_{name}_FILE") or in_file or ""
                for name, given, in_file in (
                    ("CA", tls.ca, chosen.get("tls_ca_file")),
                    ("CERT", tls.cert, chosen.get("tls_cert_file")),
                    ("KEY", tls.key, chosen.get("tls_key_file")),
                )
            )
        ),
    )


def path() -> Path:
    """Where the configuration file is, or would be."""
    if named := os.environ.get("TUNESMITH_CONFIG"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "tunesmith" / "config.toml"


def _context(name: str | None) -> dict[str, str]:
    file = path()
    try:
        settings: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from None
    contexts = settings.get("contexts", {})
    name = name or settings.get("current")
    if name is None:
        return {}
    if not isinstance(contexts, dict) or not isinstance(contexts.get(name), dict):
        known = ", ".join(sorted(contexts)) if isinstance(contexts, dict) else ""
        raise ConfigurationError(
            f"{file} has no context {name!r}" + (f"; it has {known}" if known else "")
        )
    return {
        # a path in the file is seen from the file
        key: str(file.parent / Path(str(value)).expanduser())
        if key.endswith("_file")
        else str(value)
        for key, value in contexts[name].items()
    }
