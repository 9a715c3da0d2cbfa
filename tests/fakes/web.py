"""A web server on this machine that answers as badly as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class WebServer:
    """By path, the bytes of a whole answer; endless ones repeat their last byte for ever."""

    port: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    """Sent, and then held open."""
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Where a path is."""
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            path = request.split(b" ")[1].decode()
            answer = self.answers.get(path, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            while path in self.endless:
                writer.write(answer[-1:] * 100_000)
                await writer.drain()
            if path in self.hanging:
                await reader.read()
        writer.close()


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An answer with a body, whose length may be another than is said."""
    said = [f"content-length: {len(body) if length is None else length}"]
    return _answer("200 OK", body, *headers, *said)


def redirect(to: str) -> bytes:
    """An answer that leads elsewhere."""
    return _answer("302 Found", b"", f"location: {to}", "content-length: 0")


def _answer(status: str, body: bytes, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


@asynccontextmanager
async def serving_web() -> AsyncIterator[WebServer]:
    """The server, taking calls."""
    web = WebServer()
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
