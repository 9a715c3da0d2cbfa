"""Keys through the front door, on both databases."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Settings

from tests.integration.admin import Admin, whoami
from tests.integration.calls import (
    Caller,
    a_tenant,
    refused,
)


@pytest.fixture
def admin(server: Running) -> Admin:
    return Admin(server.address)


async def test_a_key_is_shown_once_and_never_again(admin: Admin, acme: Caller):
    listed = await admin.tenants.ListApiKeys(
        pb.ListApiKeysRequest(parent="tenants/acme"), metadata=admin.metadata
    )
    (key,) = listed.api_keys
    assert (key.role, key.last_use_time.seconds > 0) == (pb.ROLE_EDITOR, True)
    assert acme.key not in str(listed)
    request = pb.CreateApiKeyRequest(
        parent="tenants/acme",
        api_key=pb.ApiKey(role=pb.ROLE_VIEWER),
        request_id=str(uuid.uuid4()),
    )
    first = await admin.tenants.CreateApiKey(request, metadata=admin.metadata)
    second = await admin.tenants.CreateApiKey(request, metadata=admin.metadata)
    assert first.secret.startswith("sk-ts-")
    assert (second.api_key, second.secret) == (first.api_key, "")
    request.request_id, request.validate_only = "", True
    rehearsed = await admin.tenants.CreateApiKey(request, metadata=admin.metadata)
    assert not rehearsed.secret


@pytest.mark.parametrize(
    ("key", "why", "words"),
    [
        ({"role": pb.ROLE_PLATFORM_ADMIN}, "PERMISSION_DENIED", "cannot have the role"),
        ({}, "FIELD_INVALID", "role"),
        (
            {"role": pb.ROLE_EDITOR, "expire_time": Timestamp(seconds=1_000_000_000)},
            "FIELD_INVALID",
            "api_key.expire_time: 2001-09-09T01:46:40+00:00 has passed",
        ),
    ],
)
async def test_a_key_that_could_not_be_is_refused(
    admin: Admin, acme: Caller, key: dict[str, Any], why: str, words: str
):
    request = pb.CreateApiKeyRequest(parent="tenants/acme", api_key=pb.ApiKey(**key))
    found = await refused(admin.tenants.CreateApiKey(request, metadata=admin.metadata))
    assert (found[0], words in found[1]) == (why, True), found


async def test_a_key_with_an_end_opens_nothing_after_it(admin: Admin, acme: Caller):
    soon = Timestamp()
    soon.FromDatetime(datetime.now(UTC) + timedelta(seconds=1))
    request = pb.CreateApiKeyRequest(
        parent="tenants/acme", api_key=pb.ApiKey(role=pb.ROLE_VIEWER, expire_time=soon)
    )
    made = await admin.tenants.CreateApiKey(request, metadata=admin.metadata)
    caller = Caller(admin.address, made.secret)
    outcomes = await outcomes_until(caller, "UNAUTHENTICATED")
    assert set(outcomes) <= {"OK"}
    assert datetime.now(UTC) >= soon.ToDatetime(UTC)


async def test_a_rotated_key_opens_until_the_overlap_ends_and_its_successor_from_now_on(
    admin: Admin, acme: Caller
):
    async def rotate(name: str, **overlap: int) -> pb.RotateApiKeyResponse:
        request = pb.RotateApiKeyRequest(name=name, overlap=Duration(**overlap))
        return await admin.tenants.RotateApiKey(request, metadata=admin.metadata)

    (old,) = (
        await admin.tenants.ListApiKeys(
            pb.ListApiKeysRequest(parent="tenants/acme"), metadata=admin.metadata
        )
    ).api_keys
    new = await rotate(old.name, seconds=1)
    assert (new.api_key.role, new.api_key.name != old.name) == (old.role, True)
    successor = Caller(admin.address, new.secret)
    assert await whoami(successor) == "OK"
    assert set(await outcomes_until(acme, "UNAUTHENTICATED")) <= {"OK"}
    assert await whoami(successor) == "OK"
    why, _ = await refused(rotate(old.name))
    assert why == "STATE_FORBIDS"
    assert (await refused(rotate(new.api_key.name, seconds=91 * 86400)))[0] == "FIELD_INVALID"
    at_once = await rotate(new.api_key.name)
    assert await whoami(successor) == "UNAUTHENTICATED"
    assert await whoami(Caller(admin.address, at_once.secret)) == "OK"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one server
async def test_a_revoked_key_opens_nothing_from_the_next_call_on_at_any_replica(
    server_settings: Settings, tmp_path: Any
):
    other = server_settings.model_copy(update={"data_dir": tmp_path / "other"})
    async with serve(server_settings) as one, serve(other) as two:
        acme = await a_tenant(one.address, "acme")
        there = Caller(two.address, acme.key)
        assert await whoami(there) == "OK"
        admin = Admin(one.address)
        (key,) = (
            await admin.tenants.ListApiKeys(
                pb.ListApiKeysRequest(parent="tenants/acme"), metadata=admin.metadata
            )
        ).api_keys
        request = pb.RevokeApiKeyRequest(name=key.name)
        revoked = await admin.tenants.RevokeApiKey(request, metadata=admin.metadata)
        assert revoked.api_key.revoke_time.seconds > 0
        assert (await whoami(there), await whoami(acme)) == ("UNAUTHENTICATED",) * 2
        again = await admin.tenants.RevokeApiKey(request, metadata=admin.metadata)
        assert again.api_key.revoke_time == revoked.api_key.revoke_time


async def outcomes_until(caller: Caller, wanted: str) -> list[str]:
    """What calls came to, one after the other, before the first that came to `wanted`."""
    found = []
    async with asyncio.timeout(20):
        while (outcome := await whoami(caller)) != wanted:
            found.append(outcome)
    return found
