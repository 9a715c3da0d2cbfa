"""A real S3 server on this machine: moto's, in a process of its own."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.daemon import free_port

_STARTS_WITHIN = 60


@dataclass(frozen=True)
class S3Server:
    """Where it is."""

    endpoint: str

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.request("PUT", f"/{name}")
        return name

    def request(self, method: str, path: str, body: bytes = b"") -> int:
        """The status of a plain request; moto asks for no signature."""
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(
            self.endpoint + path, data=body, method=method, headers=headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    @property
    def settings(self) -> dict[str, Any]:
        """obstore's."""
        return {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "client_options": {"allow_http": True},
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same as a process finds it around itself."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ALLOW_HTTP": "true",
        }


@contextmanager
def serving_s3() -> Iterator[S3Server]:
    """A server that has started."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = S3Server(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                server.request("GET", "/")
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "moto did not start"
                assert time.monotonic() < deadline, "moto takes too long to start"
        yield server
    finally:
        process.terminate()
        process.wait()
