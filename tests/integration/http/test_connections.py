"""The HTTP port itself: what is slow, large, from another origin, encrypted, or draining."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Http, Settings

from tests.fakes.certificates import Authority
from tests.integration.http.conftest import Tenant, client_of, error_of, json_of, tenant_of
from tests.openai.conformance import works

ORIGIN = "https://console.example.com"


@pytest.fixture
def database_url(sqlite_database: str) -> str:
    """The port does not know which database there is."""
    return sqlite_database


@pytest.fixture
def http_settings(server_settings: Settings) -> Settings:
    http = Http(
        listen="127.0.0.1:0", head_seconds=0.5, body_seconds=0.5, origins=(ORIGIN,), alive_seconds=5
    )
    return server_settings.model_copy(update={"http": http})


@asynccontextmanager
async def connection(
    running: Running,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = running.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("begin", [b"", b"GET /v1/models HTTP/1.1\r\nhost: x\r\n"])
async def test_a_connection_whose_request_does_not_come_is_closed(
    http_server: Running, begin: bytes
):
    async with connection(http_server) as (reader, writer):
        writer.write(begin)
        began = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.monotonic() - began >= 0.4


async def test_the_head_of_a_second_request_must_come_in_time_too(http_server: Running):
    async with connection(http_server) as (reader, writer):
        writer.write(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/mo")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"HTTP/1.1") == 1


async def test_a_head_without_an_end_is_cut_off(http_server: Running):
    async with connection(http_server) as (reader, writer):
        writer.write(b"GET /v1/models HTTP/1.1\r\n")
        for number in range(4):  # each line is short, together they are too much
            writer.write(b"".join(b"x-%d-%d: %s\r\n" % (number, i, b"y" * 100) for i in range(200)))
        began = time.monotonic()
        assert await asyncio.wait_for(_all(reader), 10) == b""
        assert time.monotonic() - began < 5


async def _all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("path", ["/v1/fine_tuning/jobs", "/v1/files"])
async def test_a_body_that_stops_coming_is_refused_and_leaves_nothing(
    acme: Tenant, http_settings: Settings, http_server: Running, path: str
):
    form = (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n{"prompt": '
    )
    kind = b"multipart/form-data; boundary=b" if path.endswith("files") else b"application/json"
    async with connection(http_server) as (reader, writer):
        writer.write(
            b"POST %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\ncontent-type: %s\r\n"
            b"content-length: 99999\r\n\r\n" % (path.encode(), acme.grpc.key.encode(), kind)
        )
        writer.write(form if path.endswith("files") else b'{"model": ')
        answer = await asyncio.wait_for(reader.read(), 10)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in head.lower()
    assert "No more of the request came" in json.loads(body)["error"]["message"]
    assert json_of(await acme.http.get("/v1/files"))["data"] == []
    blobs = http_settings.data_dir / "blobs"
    assert [path for path in blobs.rglob("*") if path.is_file()] == []


@works("transport", "CORS, by setting")
async def test_a_page_of_an_allowed_origin_may_call_and_no_other(acme: Tenant):
    asks = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,openai-organization,x-stainless-os",
    }
    preflight = await acme.http.options("/v1/fine_tuning/jobs", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert "x-stainless-os" in allowed
    assert "authorization" in allowed
    answer = await acme.http.get("/v1/models", headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    refused = await acme.http.get("/v1/files/none", headers={"origin": ORIGIN})
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    stranger = {**asks, "origin": "https://elsewhere.example.com"}
    assert (await acme.http.options("/v1/models", headers=stranger)).status_code == 400
    foreign = await acme.http.get("/v1/models", headers={"origin": stranger["origin"]})
    assert "access-control-allow-origin" not in foreign.headers


async def test_without_the_setting_no_page_may_call(server_settings: Settings):
    settings = server_settings.model_copy(update={"http": Http(listen="127.0.0.1:0")})
    async with serve(settings) as running, client_of(running, "") as http:
        answer = await http.get("/openapi.json", headers={"origin": ORIGIN})
        assert "access-control-allow-origin" not in answer.headers


async def test_with_a_certificate_the_port_is_https_and_takes_a_renewed_one(
    server_settings: Settings, tmp_path: Path
):
    authority, next_one = Authority("ours"), Authority("next")
    cert, key = authority.issue(tmp_path / "server")
    http = Http(listen="127.0.0.1:0", tls_cert_file=cert, tls_key_file=key)
    settings = server_settings.model_copy(update={"http": http})
    trusted = ssl.create_default_context(cafile=authority.write(tmp_path / "ca"))
    renewed = ssl.create_default_context(cafile=next_one.write(tmp_path / "next"))

    async def asked(running: Running, context: ssl.SSLContext) -> int:
        base = f"https://{running.http_address}"
        async with httpx.AsyncClient(base_url=base, verify=context, trust_env=False) as client:
            return (await client.get("/v1/models")).status_code

    async with serve(settings) as running:
        assert await asked(running, trusted) == 401
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asked(running, renewed)
        async with client_of(running, "") as plain:
            with pytest.raises(httpx.HTTPError):
                await plain.get("/v1/models")
        other_cert, other_key = next_one.issue(tmp_path / "renewed")
        cert.write_bytes(other_cert.read_bytes())
        assert await asked(running, trusted) == 401  # without its key it makes no sense yet
        key.write_bytes(other_key.read_bytes())
        assert await asked(running, renewed) == 401


def test_a_certificate_goes_with_its_key(tmp_path: Path):
    cert, key = Authority("ours").issue(tmp_path)
    with pytest.raises(ValidationError, match="set both or neither"):
        Http(tls_cert_file=cert)
    with pytest.raises(ValidationError, match="no certificate with its unencrypted key"):
        Http(tls_cert_file=cert, tls_key_file=cert)
    assert Http(tls_cert_file=cert, tls_key_file=key).tls_key_file == key


@works("transport", "streams resumed after Last-Event-ID over a restart of the service")
async def test_a_drain_tells_streams_to_resume_and_lets_calls_end(server_settings: Settings):
    settings = server_settings.model_copy(
        update={"http": Http(listen="127.0.0.1:0"), "drain_seconds": 5.0}
    )
    async with serve(settings) as running:
        tenant = await tenant_of(running, "acme")
        await tenant.file()
        file = json_of(await tenant.http.get("/v1/files"))["data"][0]["id"]
        body = {"model": "tiny-random", "training_file": file}
        job = json_of(await tenant.http.post("/v1/fine-tunes", json=body))["id"]
        told = asyncio.Event()

        async def follow() -> list[str]:
            lines = []
            path = f"/v1/fine-tunes/{job}/events?stream=true"
            async with tenant.http.stream("GET", path) as stream:
                async for line in stream.aiter_lines():
                    lines.append(line)
                    if line.startswith("data: "):
                        told.set()
            return lines

        following = asyncio.create_task(follow())
        await asyncio.wait_for(told.wait(), 10)
        # a call whose body is still coming while the service ends is answered
        begun = asyncio.Event()
        late = asyncio.create_task(_late(tenant, begun))
        address = running.http_address
        await begun.wait()
    lines = await asyncio.wait_for(following, 10)
    answer = await asyncio.wait_for(late, 10)
    assert error_of(answer, 404)["message"] == "No such File object: none"
    assert not [line for line in lines if "[DONE]" in line]
    assert lines[-3:-1] == [
        "retry: 1000",
        ": the service ends for now; go on after Last-Event-ID",
    ]
    last = [line for line in lines if line.startswith("id: ")][-1].removeprefix("id: ")
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient(trust_env=False).get(f"http://{address}/v1/models")
    # and the next service goes on from there, with nothing twice
    async with serve(settings) as again, client_of(again, tenant.grpc.key) as http:
        assert error_of(await http.get("/v1/fine-tunes/none"), 404)
        json_of(await http.post(f"/v1/fine-tunes/{job}/cancel"))
        resumed = await http.get(
            f"/v1/fine-tunes/{job}/events?stream=true", headers={"last-event-id": last}
        )
    await tenant.http.aclose()
    before = [line for line in lines if line.startswith("data: ")]
    after = [line for line in resumed.text.splitlines() if line.startswith("data: ")]
    assert after[-1] == "data: [DONE]"
    assert "cancelled" in after[-2]
    assert not set(after) & set(before)


async def _late(tenant: Tenant, begun: asyncio.Event) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"model": "tiny-random", '
        begun.set()
        await asyncio.sleep(0.3)  # it is slow
        yield b'"training_file": "none"}'

    return await tenant.http.post("/v1/fine_tuning/jobs", content=body())
