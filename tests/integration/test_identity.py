"""Callers who show tokens of an issuer, through the gRPC front door."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import Running

from tests.fakes.issuer import AUDIENCE, FakeIssuer
from tests.integration.calls import Caller, a_tenant
from tests.integration.tokens import kubernetes, refusal, trusting, unknown_key, who


async def test_a_token_is_the_tenant_and_role_of_the_rule_that_it_matches(
    issuer: FakeIssuer, trusting_address: str
):
    name = issuer.url.removeprefix("http://").replace(":", "%3A")
    assert await who(trusting_address, issuer.token()) == (
        f"jwt:{name}:alice",
        "tenants/acme",
        tenant_pb2.ROLE_EDITOR,
    )
    root = issuer.token(sub="root", groups=["ops", "watchers"])
    assert await who(trusting_address, root) == (
        f"jwt:{name}:root",
        "",
        tenant_pb2.ROLE_PLATFORM_ADMIN,
    )
    viewer = issuer.token(sub="v", groups=["watchers"], aud=["other", AUDIENCE])
    assert (await who(trusting_address, viewer))[1:] == ("tenants/acme", tenant_pb2.ROLE_VIEWER)
    pod = issuer.token(**kubernetes("acme"))
    assert (await who(trusting_address, pod))[1:] == ("tenants/acme", tenant_pb2.ROLE_EDITOR)


async def test_each_kind_of_key_opens(issuer: FakeIssuer, tmp_path: Path, sqlite_database: str):
    async with trusting(issuer, tmp_path, cool_down_seconds=0.001) as address:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            issuer.rotate(f"of-{algorithm}", algorithm)
            assert (await who(address, issuer.token()))[1] == "tenants/acme"


async def test_a_viewer_cannot_create_and_a_foreign_tenant_is_absent(
    issuer: FakeIssuer, trusting_address: str
):
    caller = Caller(trusting_address, issuer.token(sub="v", groups=["watchers"]))
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await caller.create()
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await a_tenant(trusting_address, "globex")
    with pytest.raises(grpc.aio.AioRpcError) as absent:
        await caller.get("tenants/globex/fineTunes/r1")
    assert absent.value.code() is grpc.StatusCode.NOT_FOUND


async def test_rotation_goes_unnoticed(issuer: FakeIssuer, trusting_address: str):
    old = issuer.token()
    assert await who(trusting_address, old)
    issuer.rotate("second")
    assert await who(trusting_address, issuer.token())
    assert await who(trusting_address, old)  # still published


async def test_a_withdrawn_key_opens_nothing_soon_after(
    issuer: FakeIssuer, tmp_path: Path, sqlite_database: str
):
    async with trusting(issuer, tmp_path, refresh_seconds=0.05) as address:
        old = issuer.token()
        assert await who(address, old)
        issuer.rotate("second", keep_old=False)
        # one may be under way; when the next but one is asked for, its successor has been read
        await asyncio.to_thread(issuer.wait_for, issuer.requests["/keys"] + 2)
        assert await refusal(address, old) == await unknown_key(address)
        assert await who(address, issuer.token())


async def test_callers_come_in_while_the_issuer_is_down(
    issuer: FakeIssuer, tmp_path: Path, sqlite_database: str
):
    async with trusting(issuer, tmp_path, cool_down_seconds=0.001) as address:
        token = issuer.token()
        assert await who(address, token)
        issuer.down()
        unknown = issuer.token(headers={"kid": "asks-the-issuer"})
        assert await refusal(address, unknown) == await unknown_key(address)
        assert await who(address, token)
        issuer.rotate("second")
        issuer.up()
        assert await who(address, issuer.token())


async def test_a_service_starts_without_its_issuer_and_knows_it_later(
    issuer: FakeIssuer, tmp_path: Path, sqlite_database: str
):
    issuer.down()
    async with trusting(issuer, tmp_path, cool_down_seconds=0.001) as address:
        assert await refusal(address, issuer.token()) == await unknown_key(address)
        issuer.up()
        assert await who(address, issuer.token())


async def test_invented_key_ids_do_not_make_us_hammer_the_issuer(
    issuer: FakeIssuer, trusting_address: str
):
    assert await who(trusting_address, issuer.token())
    asked = issuer.requests["/keys"]
    told = []
    for wave in range(4):  # one wave alone would wait for the same answer
        storm = [issuer.token(headers={"kid": f"invented-{wave}-{n}"}) for n in range(25)]
        told += await asyncio.gather(*(refusal(trusting_address, token) for token in storm))
    assert issuer.requests["/keys"] <= asked + 1
    expected = await unknown_key(trusting_address)
    assert all(refused == expected for refused in told)


async def test_a_long_token_of_many_groups_opens(issuer: FakeIssuer, trusting_address: str):
    assert await who(trusting_address, issuer.token(groups=[f"group-{n:05}" for n in range(700)]))


async def test_without_issuers_no_token_opens(issuer: FakeIssuer, server: Running):
    assert await refusal(server.address, issuer.token()) == await unknown_key(server.address)
    assert not issuer.requests
