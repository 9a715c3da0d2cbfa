"""TLS on the gRPC port, with certificates that may be renewed while it runs."""

import threading
from pathlib import Path
from typing import TypeAlias

import grpc
import structlog

from tunesmith_server.settings import Grpc, check_pair

log = structlog.get_logger(__name__)

_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


class ServerCertificates:
    """The certificate, its key and the roots for callers, from files.

    The files are looked at on every new connection. New ones are used from then on; connections
    that are there go on. Files that make no sense, as when one is renewed before the other, change
    nothing until they do.
    """

    def __init__(self, settings: Grpc) -> None:
        if settings.tls_cert_file is None or settings.tls_key_file is None:
            raise ValueError("the settings name no certificate")
        self._cert = settings.tls_cert_file
        self._key = settings.tls_key_file
        self._client_ca = settings.client_ca_file
        self._lock = threading.Lock()
        self._stamp = self._now()

    def credentials(self) -> grpc.ServerCredentials:
        """For `add_secure_port`. With a `client_ca_file`, callers must show a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._read(),
            self._renewed,  # type: ignore[arg-type]  # may return None: no change
            require_client_authentication=bool(self._client_ca),
        )

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What has changed since the last connection, if anything. Runs on a thread of gRPC's."""
        with self._lock:
            try:
                stamp = self._now()
                if stamp == self._stamp:
                    return None
                renewed = self._read()
            except (OSError, ValueError) as error:
                log.warning("certificates_not_renewed", cause=str(error))
                return None
            self._stamp = stamp
            log.info("certificates_renewed")
            return renewed

    def _read(self) -> grpc.ServerCertificateConfiguration:
        check_pair(self._cert, self._key)
        pair = self._key.read_bytes(), self._cert.read_bytes()
        roots = self._client_ca.read_bytes() if self._client_ca else None
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)

    def _now(self) -> _Stamp:
        return tuple(_stamp(file) for file in (self._cert, self._key, self._client_ca) if file)


def _stamp(file: Path) -> tuple[int, int, int]:
    found = file.stat()  # of what a link leads to: Kubernetes renews by changing a link
    return found.st_ino, found.st_mtime_ns, found.st_size
