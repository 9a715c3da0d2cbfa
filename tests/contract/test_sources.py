"""Where datasets are imported from: folders, a real web server, a real S3 server."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from tunesmith_server.adapters.sources import UriSources
from tunesmith_server.domain.errors import InvalidArgument, PayloadTooLarge, SourceUnreadable

from tests.fakes.s3 import S3Server
from tests.fakes.web import WebServer, ok, redirect, serving_web

CONTENT = b'{"prompt": "a", "completion": "b"}\n' * 100


def sources(**changes: Any) -> UriSources:
    options: dict[str, Any] = {"most_bytes": 10**6, "seconds": 20} | changes
    return UriSources(**options)


async def read(of: UriSources, uri: str, tenant: str = "acme") -> tuple[str, int | None, bytes]:
    async with of.open(uri, tenant) as source:
        content = b"".join([chunk async for chunk in source.chunks])
        return source.file_name, source.size, content


async def refused(of: UriSources, uri: str) -> str:
    with pytest.raises(InvalidArgument) as caught:
        await read(of, uri)
    (violation,) = caught.value.violations
    assert violation.field == "uri"
    return violation.description


@pytest.mark.parametrize(
    "uri",
    [
        *("", "rows.jsonl", "/etc/passwd", "ftp://host/x", "gopher://host/x", "data:,x"),
        *("file:///etc/passwd", "http://127.0.0.1/", "https://example.com/x", "s3://bucket/key"),
        *("http://[::1", "http:///x", "HTTP://127.0.0.1\n", "unix:///var/run/docker.sock"),
    ],
)
async def test_nothing_is_allowed_unless_a_setting_says_so(uri: str):
    await refused(sources(), uri)


# --- folders --------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "open"
    (root / "below").mkdir(parents=True)
    (root / "below" / "rows of mine.jsonl").write_bytes(CONTENT)
    (root / "acme").mkdir()
    (root / "acme" / "own.jsonl").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "open-too").mkdir()
    (tmp_path / "open-too" / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "in").symlink_to("below")
    os.mkfifo(root / "pipe")
    return root


async def test_files_in_an_open_folder_are_read_also_over_links_within(root: Path):
    folders = sources(folders=[str(root)])
    for path in (
        "below/rows%20of%20mine.jsonl",
        "in/rows%20of%20mine.jsonl",
        "./x/../acme/own.jsonl",
    ):
        name, size, content = await read(folders, f"file://{root}/{path}")
        assert (size, content) == (len(CONTENT), CONTENT)
        assert name in ("rows of mine.jsonl", "own.jsonl")
    assert (await read(folders, f"file://localhost{root}/acme/own.jsonl"))[2] == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        *("../secret", "below/../../secret", "..%2fsecret", "%2e%2e/secret", "out", "up/secret"),
        *("../open-too/secret", "below/%00", "..\\secret%00", "pipe", "below", ""),
    ],
)
async def test_no_path_leads_out_of_it_and_only_files_are_read(root: Path, path: str):
    await refused(sources(folders=[str(root)]), f"file://{root}/{path}")


async def test_a_folder_can_be_one_tenants(root: Path):
    folders = sources(folders=[f"{root}/{{tenant}}"])
    uri = f"file://{root}/acme/own.jsonl"
    assert (await read(folders, uri))[2] == CONTENT
    with pytest.raises(InvalidArgument):
        await read(folders, uri, tenant="other")


async def test_another_host_query_or_fragment_is_no_file_of_ours(root: Path):
    folders = sources(folders=[str(root)])
    for uri in (f"file://elsewhere{root}/acme/own.jsonl", f"file://{root}/acme/own.jsonl?x"):
        assert "is not of the form" in await refused(folders, uri)


async def test_a_file_that_is_not_there_or_not_readable_says_so(root: Path):
    with pytest.raises(SourceUnreadable, match="No such file"):
        await read(sources(folders=[str(root)]), f"file://{root}/none")


async def test_a_file_that_grows_while_it_is_read_is_refused(root: Path):
    path = root / "acme" / "own.jsonl"
    async with sources(folders=[str(root)]).open(f"file://{path}", "acme") as source:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(SourceUnreadable, match="was changed"):
            _ = [chunk async for chunk in source.chunks]


async def test_a_larger_file_than_is_taken_is_refused_at_once(root: Path):
    with pytest.raises(PayloadTooLarge) as caught:
        await read(sources(folders=[str(root)], most_bytes=100), f"file://{root}/acme/own.jsonl")
    assert caught.value.limit == 100


# --- web servers ----------------------------------------------------------------------------------


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with serving_web() as server:
        yield server


HERE = ["127.0.0.1/32"]


async def test_a_file_of_an_allowed_host_is_read(web: WebServer):
    web.answers["/data/rows%20x.jsonl?sig=1"] = ok(CONTENT)
    found = await read(sources(hosts=HERE), web.url("/data/rows%20x.jsonl?sig=1"))
    assert found == ("rows x.jsonl", len(CONTENT), CONTENT)
    (request,) = web.requests
    assert b"accept-encoding: identity" in request.lower()
    assert f"host: 127.0.0.1:{web.port}".encode() in request.lower()


async def test_so_is_one_without_a_length_or_behind_redirects(web: WebServer):
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    web.answers |= {
        "/chunked": chunked,
        "/one": redirect("/two"),
        "/two": redirect(web.url("/chunked")),
    }
    for path in ("/chunked", "/one"):
        assert await read(sources(hosts=HERE), web.url(path)) == ("chunked", None, b"abc")


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data/",
        *("http://127.0.0.2:{port}/x", "http://[::1]:{port}/x", "http://0.0.0.0:{port}/x"),
        *(
            "http://2130706434:{port}/x",
            "http://0x7f000002:{port}/x",
            "http://[::ffff:127.0.0.2]/x",
        ),
        *("http://localhost.localdomain.invalid/x", "file:///etc/passwd", "//10.0.0.1/x"),
        *("http://user:secret@127.0.0.1:{port}/x", "gopher://127.0.0.1/x"),
    ],
)
async def test_a_redirect_is_checked_as_the_first_url_is(web: WebServer, place: str):
    place = place.replace("{port}", str(web.port))
    web.answers |= {"/go": redirect(place), "/x": ok(b"secret")}
    with pytest.raises((InvalidArgument, SourceUnreadable)):
        await read(sources(hosts=HERE), web.url("/go"))
    assert len(web.requests) == 1


async def test_a_name_that_resolves_to_this_network_is_refused(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
):
    web.answers["/x"] = ok(b"secret")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _rebinding(["127.0.0.1"]))
    words = await refused(sources(hosts=["*"]), web.url("/x", "data.example.com"))
    assert "TUNESMITH_IMPORTS__HTTP_ALLOW" in words
    assert web.requests == []


async def test_the_address_that_was_checked_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[str] = []

    async def connect(self: object, host: str, *_: Any) -> None:
        asked.append(host)
        raise httpcore.ConnectError("nobody here")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    # a name server that answers with another address each time
    resolve = _rebinding(["8.8.8.8", "127.0.0.1"])
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(SourceUnreadable, match="nobody here"):
        await read(sources(hosts=["*"]), "https://data.example.com/x")
    assert asked == ["8.8.8.8"]


def _rebinding(addresses: list[str]) -> Any:
    left = iter(addresses)

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(left), port))]

    return getaddrinfo


async def test_proxies_of_the_surroundings_are_not_asked(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    web.answers["/x"] = ok(CONTENT)
    assert (await read(sources(hosts=HERE), web.url("/x")))[2] == CONTENT


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "answered 500"),
        (b"HTTP/1.1 206 Part\r\ncontent-length: 1\r\n\r\nx", "answered 206"),
        (ok(CONTENT, length=len(CONTENT) + 1), "cannot be read"),
        (ok(b"x", "content-encoding: gzip"), "compressed"),
        (b"rubbish\r\n\r\n", "cannot be read"),
        (b"", "cannot be read"),
        (redirect(""), "redirects more than"),
        (redirect("/bad"), "redirects more than"),
    ],
)
async def test_what_is_no_whole_file_is_unreadable(web: WebServer, answer: bytes, words: str):
    web.answers["/bad"] = answer
    with pytest.raises(SourceUnreadable, match=words):
        await read(sources(hosts=HERE), web.url("/bad"))


async def test_what_is_not_there_says_what_the_server_said(web: WebServer):
    with pytest.raises(SourceUnreadable) as caught:
        await read(sources(hosts=HERE), web.url("/none?signature=secret"))
    assert caught.value.status == "404"
    assert "secret" not in str(caught.value)


async def test_an_endless_answer_is_cut_off(web: WebServer):
    web.answers["/x"] = b"HTTP/1.1 200 OK\r\n\r\nx"
    web.endless.add("/x")
    with pytest.raises(PayloadTooLarge):
        await read(sources(hosts=HERE), web.url("/x"))


async def test_an_announced_length_is_believed_if_it_is_too_much(web: WebServer):
    web.answers["/x"] = ok(b"", length=10**12)
    with pytest.raises(PayloadTooLarge, match="1000000000000"):
        await read(sources(hosts=HERE), web.url("/x"))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", ok(b"a", length=2)])
async def test_a_slow_server_is_not_waited_for(web: WebServer, answer: bytes):
    web.answers["/x"] = answer
    web.hanging.add("/x")
    with pytest.raises(SourceUnreadable, match=r"within 0.3 seconds"):
        await read(sources(hosts=HERE, seconds=0.3), web.url("/x"))


# --- buckets --------------------------------------------------------------------------------------


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    name = s3.bucket()
    for key in ("open/rows.jsonl", "open/acme/own.jsonl", "secret"):
        s3.request("PUT", f"/{name}/{key}", CONTENT)
    return name


async def test_an_object_under_an_open_prefix_is_read(bucket: str):
    for prefix in (f"s3://{bucket}", f"s3://{bucket}/open/", f"s3://{bucket}/open"):
        found = await read(sources(buckets=[prefix]), f"s3://{bucket}/open/rows.jsonl")
        assert found == ("rows.jsonl", len(CONTENT), CONTENT)


@pytest.mark.parametrize(
    "key", ["secret", "open/../secret", "open-too/x", "", "/", "open//x", "open/./x", "open/"]
)
async def test_no_other_object_is(bucket: str, key: str):
    await refused(sources(buckets=[f"s3://{bucket}/open"]), f"s3://{bucket}/{key}")


async def test_a_prefix_can_be_one_tenants(bucket: str):
    buckets = sources(buckets=[f"s3://{bucket}/open/{{tenant}}"])
    assert (await read(buckets, f"s3://{bucket}/open/acme/own.jsonl"))[2] == CONTENT
    with pytest.raises(InvalidArgument):
        await read(buckets, f"s3://{bucket}/open/acme/own.jsonl", tenant="other")


async def test_an_object_that_is_not_there_says_so(bucket: str):
    with pytest.raises(SourceUnreadable) as caught:
        await read(sources(buckets=[f"s3://{bucket}"]), f"s3://{bucket}/open/none")
    assert caught.value.status == "404"
