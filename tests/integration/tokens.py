"""A service that trusts an issuer, and what it says to those who show a token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import serve
from tunesmith_server.settings import Grpc, Http, Issuer, Local, Settings

from tests.fakes.issuer import AUDIENCE, FakeIssuer
from tests.integration.calls import ADMIN_KEY, Caller, a_tenant

RULES: list[dict[str, Any]] = [
    {"match": {"sub": "root", "groups": "ops"}, "tenant": None, "role": "platform-admin"},
    {
        "match": {"sub": "system:serviceaccount:*", "kubernetes.io.serviceaccount.name": "trainer"},
        "tenant": "{kubernetes.io.namespace}",
        "role": "editor",
    },
    {"match": {"groups": "watchers"}, "tenant": "acme", "role": "viewer"},
    {"match": {"sub": "alice"}, "tenant": "acme", "role": "editor"},
    {"match": {"sub": "mallory"}, "tenant": "nowhere", "role": "editor"},
]


@asynccontextmanager
async def trusting(issuer: FakeIssuer, folder: Path, **changes: Any) -> AsyncIterator[str]:
    """The address of a service with a tenant acme that trusts the issuer."""
    trusted = {"issuer": issuer.url, "audience": AUDIENCE, "rules": RULES} | changes
    database = f"sqlite:///{folder / 'test.db'}"
    settings = Settings(
        data_dir=folder / "data",
        database_url=database,
        bootstrap_admin_key=SecretStr(ADMIN_KEY),
        issuers=(Issuer.model_validate(trusted),),
        grpc=Grpc(listen="127.0.0.1:0"),
        http=Http(listen=""),
        local=Local(slots=0),
        drain_seconds=0.5,
    )
    async with serve(settings) as running:
        await a_tenant(running.address, "acme")
        yield running.address


async def who(address: str, credential: str) -> tuple[str, str, int]:
    """Principal, tenant and role of a credential, by asking the service."""
    caller = Caller(address, credential)
    try:
        me = await caller.tenants.WhoAmI(tenant_pb2.WhoAmIRequest(), metadata=caller.metadata)
        return me.principal, me.tenant, me.role
    finally:
        await caller.channel.close()


async def refusal(address: str, credential: str) -> tuple[Any, ...]:
    """Everything that the caller of a refused call is told, but for the id of the request."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await who(address, credential)
    told = {k: v for k, v in refused.value.trailing_metadata() or () if k != "x-request-id"}
    return refused.value.code(), refused.value.details(), told


async def unknown_key(address: str) -> tuple[Any, ...]:
    """What is said of an API key that was never made."""
    told = await refusal(address, "sk-ts-" + "x" * 43)
    assert told[0] is grpc.StatusCode.UNAUTHENTICATED
    return told


def kubernetes(namespace: str, account: str = "trainer") -> dict[str, Any]:
    """The claims of a projected ServiceAccount token."""
    return {
        "sub": f"system:serviceaccount:{namespace}:{account}",
        "aud": [AUDIENCE],
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "node-1", "uid": "e3f5"},
            "pod": {"name": "trainer-0", "uid": "a1b2"},
            "serviceaccount": {"name": account, "uid": "c3d4"},
        },
    }
