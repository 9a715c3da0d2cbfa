"""How to reach a service: address, credentials, options, and what may be tried again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from tunesmith._errors import ConfigurationError
from tunesmith.v1 import catalog_pb2, dataset_pb2, fine_tune_pb2, model_pb2, tenant_pb2

CONTRACT: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (catalog_pb2, dataset_pb2, fine_tune_pb2, model_pb2, tenant_pb2)
)
_MEBIBYTE = 1 << 20
_RETRIES = {
    # five attempts within four seconds: a restart of the service goes unnoticed
    "maxAttempts": 5,
    "initialBackoff": "0.25s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@dataclass(frozen=True)
class Target:
    """One service, as a channel needs to know it."""

    address: str
    credentials: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str], ...]

    @property
    def options(self) -> list[tuple[str, Any]]:
        """The channel's options."""
        from importlib.metadata import version

        options: list[tuple[str, Any]] = [
            ("grpc.primary_user_agent", f"tunesmith-python/{version('tunesmith')}"),
            ("grpc.service_config", json.dumps(service_config(CONTRACT))),
            # notice a dead peer under a quiet watch within 40 seconds
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 3_000),
            ("grpc.max_send_message_length", 16 * _MEBIBYTE),
            ("grpc.max_receive_message_length", 64 * _MEBIBYTE),
        ]
        if self.address.rpartition(":")[0].strip("[]") in ("localhost", "127.0.0.1", "::1"):
            options.append(("grpc.enable_http_proxy", 0))
        return options


def target(address: str, api_key: str, tls: bool | str | Path | None) -> Target:
    """The service at `HOST:PORT`, `http://HOST:PORT` or `https://HOST[:PORT]`.

    `tls` is True for the system's roots, a path for roots of one's own, False for none; None
    leaves it to the address.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or scheme in ("dns", "unix", "ipv4", "ipv6"):
        scheme, rest = "", address
    elif scheme not in ("http", "https"):
        raise ConfigurationError(f"address {address!r}: HOST:PORT or https://HOST is expected")
    rest = rest.rstrip("/") if scheme else rest
    if scheme and ":" not in rest.rpartition("]")[2]:
        rest += ":443" if scheme == "https" else ":80"
    if not rest.isascii() or any(character.isspace() for character in rest) or not rest:
        raise ConfigurationError(f"address {address!r}: HOST:PORT or https://HOST is expected")
    if not (api_key.isascii() and api_key.isprintable()):
        raise ConfigurationError("the API key has characters that no key has")
    secure = tls if tls is not None else scheme == "https"
    metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
    return Target(rest, _credentials(secure) if secure else None, metadata)


def _credentials(tls: bool | str | Path) -> grpc.ChannelCredentials:
    if isinstance(tls, bool):
        return grpc.ssl_channel_credentials()
    try:
        return grpc.ssl_channel_credentials(root_certificates=Path(tls).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read the root certificates: {error}") from None


def service_config(contract: Iterable[FileDescriptor]) -> dict[str, Any]:
    """Retries for exactly the calls that the contract makes safe to repeat."""
    safe = [
        {"service": service.full_name, "method": method.name}
        for file in contract
        for service in file.services_by_name.values()
        for method in service.methods
        if repeatable(method)
    ]
    return {"methodConfig": [{"name": safe, "retryPolicy": _RETRIES}]}


def repeatable(method: MethodDescriptor) -> bool:
    """Whether asking twice does no more than asking once.

    True of what the contract says so of, and of mutations with a `request_id`, which this client
    always sends. A watch is not on the list: it resumes by itself, where it broke off.
    """
    if method.server_streaming and "cursor" in method.input_type.fields_by_name:
        return False
    return (
        method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
        or "request_id" in method.input_type.fields_by_name
    )
