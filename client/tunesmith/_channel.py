"""How to reach a service: address, credentials, options, and what may be tried again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from tunesmith._config import Endpoint, TlsFiles
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
    api_key: str = ""
    api_key_file: Path | None = None

    @property
    def secure(self) -> bool:
        """Whether the connection is TLS."""
        return self.credentials is not None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call. A key in a file is read anew: tokens of Kubernetes change."""
        key = _key_in(self.api_key_file) if self.api_key_file else self.api_key
        return (("authorization", f"Bearer {key}"),) if key else ()

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


def target(endpoint: Endpoint, tls: bool | None = None) -> Target:
    """The service at `HOST:PORT`, `http://HOST:PORT` or `https://HOST[:PORT]`.

    `tls` is True for TLS, False for none; None leaves it to the address and to the files for TLS:
    if there are any, they are meant.
    """
    address, key_file = endpoint.address, Path(endpoint.api_key_file)
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
    files = endpoint.tls if endpoint.tls != TlsFiles() else None
    plain = tls is False or (tls is None and scheme == "http")
    if files and plain:
        # rather an error than a key sent in the clear by somebody who meant TLS
        raise ConfigurationError(
            f"there are files for TLS ({files.ca or files.cert or files.key}), but "
            + ("tls=False" if tls is False else f"the address {address} says that there is none")
        )
    secure = bool(files) or (tls if tls is not None else scheme == "https")
    found = Target(
        rest,
        _credentials(endpoint.tls) if secure else None,
        _checked(endpoint.api_key, "the API key"),
        key_file if endpoint.api_key_file else None,
    )
    _ = found.metadata  # a file that cannot be read is an error now, not at the first call
    return found


def _key_in(file: Path) -> str:
    try:
        return _checked(file.read_text("utf-8").strip(), f"the API key in {file}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the API key: {error}") from None


def _checked(key: str, what: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(f"{what} has characters that no key has")
    return key


def _credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    if bool(files.cert) is not bool(files.key):
        raise ConfigurationError(
            "a certificate to show needs its private key: set both tls_cert_file and tls_key_file"
        )
    return grpc.ssl_channel_credentials(
        root_certificates=_pem(files.ca, "the root certificates"),
        private_key=_pem(files.key, "the private key"),
        certificate_chain=_pem(files.cert, "the certificate"),
    )


def _pem(file: str, what: str) -> bytes | None:
    if not file:
        return None
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {what}: {error}") from None
    if b"-----BEGIN" not in content:
        # gRPC would say no more than that it cannot connect
        raise ConfigurationError(f"cannot read {what}: {file} is not in PEM")
    return content


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
