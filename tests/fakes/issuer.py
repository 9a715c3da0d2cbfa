"""An OIDC issuer on a free port of this machine: discovery, keys, tokens, and a key rotation.

It signs with real keys. `down` makes it unreachable, `requests` counts what it was asked.
"""

import base64
import json
import ssl
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

AUDIENCE = "tunesmith"


class SigningKey:
    """A private key with a name."""

    def __init__(self, id: str, algorithm: str = "ES256") -> None:
        self.id = id
        self.algorithm = algorithm
        self.private: Any = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    def public(self) -> dict[str, Any]:
        """As it is published."""
        algorithm: Any = get_default_algorithms()[self.algorithm]
        made = dict(algorithm.to_jwk(self.private.public_key(), as_dict=True))
        return made | {"kid": self.id, "alg": self.algorithm, "use": "sig"}

    def pem(self) -> bytes:
        """The public key as text, for an attacker who uses it as a shared secret."""
        public: bytes = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return public


class FakeIssuer:
    """An issuer, within a `with`."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.key = SigningKey("first")
        self.published = [self.key]
        self.requests: Counter[str] = Counter()
        self._asked = threading.Condition()
        self.authorization = ""
        self.claims_to_be = ""
        """Another issuer's name in the discovery document."""
        self._certificate = certificate
        self._server = self._started(0)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    def down(self) -> None:
        """Take no connection any more."""
        self._server.shutdown()
        self._server.server_close()

    def up(self) -> None:
        """Take connections again, at the same place."""
        self._server = self._started(self._server.server_port)

    def wait_for(self, count: int) -> None:
        """Return once its keys have been asked for so often."""
        with self._asked:
            assert self._asked.wait_for(lambda: self.requests["/keys"] >= count, timeout=10)

    def rotate(self, id: str, algorithm: str = "ES256", *, keep_old: bool = True) -> None:
        """Sign with a new key from now on."""
        self.key = SigningKey(id, algorithm)
        self.published = [*(self.published if keep_old else []), self.key]

    def token(
        self, key: SigningKey | None = None, *, headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token that is good but for what is said otherwise. A claim of None is left out."""
        key = key or self.key
        now = int(time.time())
        payload = {
            "iss": self.url,
            "sub": "alice",
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        } | claims
        return jwt.encode(
            {name: value for name, value in payload.items() if value is not None},
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.id} | (headers or {}),
        )

    def _started(self, port: int) -> ThreadingHTTPServer:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with issuer._asked:
                    issuer.requests[self.path] += 1
                    issuer._asked.notify_all()
                issuer.authorization = self.headers.get("authorization", "")
                documents: dict[str, Any] = {
                    "/.well-known/openid-configuration": {
                        "issuer": issuer.claims_to_be or issuer.url,
                        "jwks_uri": f"{issuer.url}/keys",
                    },
                    "/keys": {"keys": [key.public() for key in issuer.published]},
                }
                found = documents.get(self.path)
                content = json.dumps(found).encode()
                self.send_response(200 if found else 404)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


def segment(content: dict[str, Any]) -> str:
    """One part of a token that is put together by hand."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
