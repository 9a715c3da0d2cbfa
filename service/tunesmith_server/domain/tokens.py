"""Opaque tokens: cursors and page tokens that only this service can make.

A token is sealed with a keyed hash over its kind, what it is bound to (a tenant and run, or a list
with its filter) and its content, so one that is forged, or taken from elsewhere, is known.
"""

import base64
import binascii
import hmac

_MAC_BYTES = 12
_VERSION = b"\x01"


class Sealer:
    """Seals and opens tokens with the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, kind: str, bound_to: str, content: str) -> str:
        """A URL-safe token that holds `content`."""
        payload = _VERSION + content.encode()
        mac = self._mac(kind, bound_to, payload)
        return base64.urlsafe_b64encode(mac + payload).decode().rstrip("=")

    def open(self, kind: str, bound_to: str, token: str) -> str | None:
        """What was sealed, or None if this is no token of that kind and bond."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (ValueError, binascii.Error):
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if payload[:1] != _VERSION or not hmac.compare_digest(
            mac, self._mac(kind, bound_to, payload)
        ):
            return None
        return payload[1:].decode(errors="replace")

    def _mac(self, kind: str, bound_to: str, payload: bytes) -> bytes:
        message = b"\0".join((kind.encode(), bound_to.encode(), payload))
        return hmac.digest(self._secret, message, "sha256")[:_MAC_BYTES]
