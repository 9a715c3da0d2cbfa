"""Files on web servers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePosixPath

import httpcore
import httpx

from tunesmith_server.adapters.sources.faults import refused, shown
from tunesmith_server.domain.errors import InvalidArgument, SourceUnreadable
from tunesmith_server.domain.hosts import AllowedHosts
from tunesmith_server.ports import Source

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SECONDS = {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 10.0}
_HEADERS = [
    # not compressed, so that the limit on what is read is one on what it becomes
    (b"accept-encoding", b"identity"),
    (b"accept", b"*/*"),
    (b"user-agent", b"tunesmithd"),
]


class Web:
    """Reads what allowed hosts serve.

    httpcore rather than httpx: it knows no proxies, cookies and credentials of the surroundings,
    and takes a backend that connects to just the address that was checked. A name that resolves
    to something else the next time changes nothing.
    """

    def __init__(self, hosts: AllowedHosts) -> None:
        self._hosts = hosts

    @asynccontextmanager
    async def open(self, uri: str, tenant: str) -> AsyncIterator[Source]:
        """The file at an `http:` or `https:` URI."""
        url = _url(uri)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(
                httpcore.AsyncConnectionPool(
                    ssl_context=httpx.create_ssl_context(),
                    network_backend=_CheckedNetwork(self._hosts),
                )
            )
            for _ in range(_MOST_REDIRECTS + 1):
                response = await stack.enter_async_context(_asked(pool, url))
                if response.status not in _REDIRECTS:
                    size = _checked(response, url)
                    name = PurePosixPath(url.path).name or url.host
                    yield Source(name, size, _chunks(response, url, size))
                    return
                url = _next(url, response)
        raise SourceUnreadable(shown(uri), f"redirects more than {_MOST_REDIRECTS} times")


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to allowed addresses alone."""

    def __init__(self, hosts: AllowedHosts) -> None:
        self._hosts = hosts
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address of a host; InvalidArgument if there is none."""
        if not self._hosts.may_resolve(host):
            raise _forbidden(host)
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except (OSError, TimeoutError, UnicodeError):
            raise httpcore.ConnectError(f"{host} is not known") from None
        for *_, (address, *_) in found:
            if self._hosts.allow(host, str(address)):
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
        raise _forbidden(host)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise refused(f"is no URL: {error}") from None
    if not url.host or url.scheme not in ("http", "https"):
        raise refused("is not of the form https://host/file")
    if url.userinfo:
        raise refused("has a user name or password in it: they would be on record; leave them out")
    return url


@asynccontextmanager
async def _asked(
    pool: httpcore.AsyncConnectionPool, url: httpx.URL
) -> AsyncIterator[httpcore.Response]:
    """What the server answers, with its body still to come."""
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    headers = [(b"host", url.netloc), *_HEADERS]
    try:
        async with pool.stream(
            "GET", target, headers=headers, extensions={"timeout": _SECONDS}
        ) as response:
            yield response
    except httpcore.TimeoutException:
        raise SourceUnreadable(_place(url), "did not answer in time") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise SourceUnreadable(_place(url), f"cannot be read: {error}") from None


def _next(url: httpx.URL, response: httpcore.Response) -> httpx.URL:
    """Where a redirect leads: checked as the first URL was, and never from https to http."""
    place = _header(response, b"location")
    try:
        following = _url(str(url.join(place)))
    except httpx.InvalidURL:
        raise SourceUnreadable(_place(url), "redirects to no URL") from None
    if url.scheme == "https" and following.scheme != "https":
        raise SourceUnreadable(_place(url), "redirects from https to http")
    return following


def _checked(response: httpcore.Response, url: httpx.URL) -> int | None:
    """The size of the body, if it is told; SourceUnreadable for an answer that is no file."""
    if response.status != httpx.codes.OK:
        status = str(response.status)
        raise SourceUnreadable(_place(url), f"the server answered {status}", status=status)
    if _header(response, b"content-encoding") not in ("", "identity"):
        raise SourceUnreadable(_place(url), "the server sends it compressed, though not asked to")
    length = _header(response, b"content-length")
    return int(length) if length.isdecimal() else None


async def _chunks(
    response: httpcore.Response, url: httpx.URL, size: int | None
) -> AsyncIterator[bytes]:
    came = 0
    async for chunk in response.aiter_stream():
        came += len(chunk)
        yield chunk
    if size is not None and came != size:
        raise SourceUnreadable(_place(url), f"{size} bytes were announced, and {came} came")


def _header(response: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key.lower() == name]
    return values[0].decode("latin-1") if values else ""


def _place(url: httpx.URL) -> str:
    return shown(str(url))


def _forbidden(host: str) -> InvalidArgument:
    return refused(
        f"{host} is no host that may be imported from, or not at a public address; an operator "
        "allows one with TUNESMITH_IMPORTS__HTTP_ALLOW"
    )
