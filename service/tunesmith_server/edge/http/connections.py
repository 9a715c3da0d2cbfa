"""Connections that are too slow, or say too much, before a request has even begun."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
"""Bytes of a request line with its headers; the parser itself knows no bound."""


def protocol(head_seconds: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, for connections whose heads must come within so many seconds.

    It waits for the head of a first request as long as a caller likes, and so for one that has
    begun; either would let anybody hold as many connections as there are descriptors.
    """

    class Connection(HttpToolsProtocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None
        _head: int | None = None
        """Bytes of the head that is coming; None between heads."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._begin()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head is not None:
                self._head += len(data)
                if self._head > LARGEST_HEAD:
                    self._close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._head is None:
                self._begin()

        def on_headers_complete(self) -> None:
            self._end()
            super().on_headers_complete()

        def _begin(self) -> None:
            self._head = 0
            self._deadline = self.loop.call_later(head_seconds, self._close)

        def _end(self) -> None:
            self._head = None
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _close(self) -> None:
            self._end()
            if not self.transport.is_closing():
                self.transport.close()

    return Connection
