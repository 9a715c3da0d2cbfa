"""Tenants, limits and keys from Python: what is sent, and what a lost answer does not do twice."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.rpc import code_pb2
from tunesmith import AsyncClient, ConflictError, InvalidArgumentError, NotFoundError
from tunesmith import TunesmithError as AnyError
from tunesmith.v1 import common_pb2
from tunesmith.v1 import tenant_pb2 as pb

from tests.fakes.servicer import FakeService, a_status

MUTATIONS: dict[str, Callable[[AsyncClient], Awaitable[Any]]] = {
    "CreateTenant": lambda c: c.tenants.create("globex"),
    "UpdateTenant": lambda c: c.tenants.update("acme", display_name="Acme"),
    "SuspendTenant": lambda c: c.tenants.suspend("acme", "unpaid"),
    "ResumeTenant": lambda c: c.tenants.resume("acme"),
    "DeleteTenant": lambda c: c.tenants.delete("acme", cascade=True, confirm="acme"),
    "RevokeApiKey": lambda c: c.keys.revoke("k1"),
    "UpdateFineTune": lambda c: c.fine_tunes.update("r1", priority=5),
    "PauseFineTune": lambda c: c.fine_tunes.pause("r1"),
    "ResumeFineTune": lambda c: c.fine_tunes.resume("r1"),
}


@pytest.fixture
async def acme(client: AsyncClient) -> pb.Tenant:
    """The tenant, with a key k1 and a run r1."""
    tenant = await client.tenants.create("acme", limits={"datasets": 5})
    await client.keys.create("acme")
    await client.fine_tunes.create("d", "ada", id="r1")
    return tenant


@pytest.mark.parametrize("method", MUTATIONS)
async def test_a_mutation_whose_answer_is_lost_happens_once(
    client: AsyncClient, service: FakeService, acme: pb.Tenant, method: str
):
    kept, before = len(service.kept), service.calls[method]
    service.faults.drop_answer[method] = 2
    await MUTATIONS[method](client)
    assert service.calls[method] - before == 3
    assert len(service.kept) == kept + 1
    last_three: list[Any] = service.requests[-3:]
    assert {request.DESCRIPTOR.name for request in last_three} == {f"{method}Request"}
    (id,) = {request.request_id for request in last_three}
    assert uuid.UUID(id)


async def test_a_tenant_is_made_with_all_that_was_asked(client: AsyncClient, service: FakeService):
    naming = pb.NamingPolicy(required_prefix="acme-", auto_prefix=True)
    await client.tenants.create(
        "acme",
        limits={"datasets": 0, "models": None, "trained_tokens_per_month@ada": 7},
        naming=naming,
        parent="umbrella",
        share_weight=3,
        labels={"tier": "gold"},
        allowed_base_models=["ada"],
        validate_only=True,
    )
    (request,) = service.sent(pb.CreateTenantRequest)
    wanted = request.tenant
    assert [
        (limit.dimension, limit.base_model, limit.WhichOneof("limit"), limit.value)
        for limit in wanted.limits
    ] == [
        ("datasets", "", "value", 0),
        ("models", "", "unlimited", 0),
        ("trained_tokens_per_month", "ada", "value", 7),
    ]
    assert (wanted.naming, wanted.parent_tenant) == (naming, "tenants/umbrella")
    assert (wanted.share_weight, dict(wanted.labels)) == (3, {"tier": "gold"})
    assert list(wanted.allowed_base_models) == ["ada"]
    assert request.validate_only
    assert not service.tenants
    await client.tenants.create("bare")
    bare = service.sent(pb.CreateTenantRequest)[1].tenant
    assert not bare.ListFields()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"datasets": -1}, "-1 is below 0"),
        ({"datasets": 1.5}, "no whole number"),
        ({"datasets": True}, "no whole number"),
        ({"datasets@": 1}, "DIMENSION@BASE"),
        ({"@ada": 1}, "DIMENSION@BASE"),
    ],
)
async def test_a_limit_that_is_none_is_named_before_any_call(
    client: AsyncClient, service: FakeService, limits: dict[str, Any], words: str
):
    for call in (client.tenants.create("x", limits=limits), client.tenants.set_limits("x", limits)):
        with pytest.raises(InvalidArgumentError, match=words) as caught:
            await call
        assert caught.value.violations[0].field == f"limits[{next(iter(limits))!r}]"
    assert not service.requests


async def test_an_update_names_what_is_given_and_no_more(
    client: AsyncClient, service: FakeService, acme: pb.Tenant
):
    after = await client.tenants.update("acme", labels={"a": "b"}, share_weight=2, etag="e")
    assert (after.labels["a"], after.share_weight, after.limits[0].value) == ("b", 2, 5)
    assert (await client.tenants.update("acme", labels={}, limits={})).limits == []
    first, second = service.sent(pb.UpdateTenantRequest)
    assert sorted(first.update_mask.paths) == ["labels", "share_weight"]
    assert sorted(second.update_mask.paths) == ["labels", "limits"]
    with pytest.raises(ConflictError) as changed:
        await client.tenants.update("acme", display_name="x", etag="e")
    assert changed.value.reason == "ETAG_MISMATCH"
    with pytest.raises(NotFoundError):
        await client.tenants.update("nobody", display_name="x")


async def test_single_limits_are_set_and_the_others_stay(
    client: AsyncClient, service: FakeService, acme: pb.Tenant
):
    await client.tenants.set_limits("acme", {"models": 3, "models@ada": None})
    tenant = await client.tenants.set_limits("acme", {"models": 4}, inherit=["datasets", "watches"])
    assert [(one.dimension, one.base_model, one.value) for one in tenant.limits] == [
        ("models", "", 4),
        ("models", "ada", 0),
    ]
    assert all(request.tenant.etag for request in service.sent(pb.UpdateTenantRequest))


async def test_two_who_set_limits_at_once_lose_nothing_of_each_other(
    client: AsyncClient, service: FakeService, acme: pb.Tenant
):
    await asyncio.gather(
        *(client.tenants.set_limits("acme", {dimension: 1}) for dimension in ("models", "watches"))
    )
    limits = {limit.dimension for limit in service.tenants["tenants/acme"].limits}
    assert limits == {"datasets", "models", "watches"}
    changed = a_status(code_pb2.ABORTED, "changed", "ETAG_MISMATCH")
    service.faults.fail["UpdateTenant"] = [changed] * 100
    before = service.calls["UpdateTenant"]
    with pytest.raises(ConflictError):
        await client.tenants.set_limits("acme", {"models": 2})
    assert service.calls["UpdateTenant"] - before == 5


async def test_a_suspension_says_why_and_what_becomes_of_runs(
    client: AsyncClient, service: FakeService, acme: pb.Tenant
):
    suspended = await client.tenants.suspend("acme", "unpaid", running="pause")
    assert suspended.state == pb.TENANT_STATE_SUSPENDED
    assert suspended.suspended_runs == pb.SUSPENDED_RUNS_PAUSE
    assert (await client.tenants.resume("acme")).state == pb.TENANT_STATE_ACTIVE
    wrong: Any = "stop"
    with pytest.raises(InvalidArgumentError, match="choose from finish, pause"):
        await client.tenants.suspend("acme", running=wrong)


async def test_a_key_whose_secret_was_lost_is_revoked_and_another_made(
    client: AsyncClient, service: FakeService
):
    service.faults.drop_answer["CreateApiKey"] = 1
    made = await client.keys.create("acme", "viewer")
    assert made.secret == "sk-ts-secret-2"
    lost, kept = service.keys.values()
    assert lost.HasField("revoke_time")
    assert not kept.HasField("revoke_time")
    assert (made.api_key.name, kept.role) == (kept.name, pb.ROLE_VIEWER)


async def test_a_rotated_key_whose_secret_was_lost_is_rotated_on_at_once(
    client: AsyncClient, service: FakeService
):
    await client.keys.create("acme", "viewer")
    service.faults.drop_answer["RotateApiKey"] = 1
    made = await client.keys.rotate("k1", overlap=timedelta(days=7))
    assert (made.secret, made.api_key.name) == ("sk-ts-secret-3", "tenants/acme/apiKeys/k3")
    _, again, onward = service.sent(pb.RotateApiKeyRequest)
    assert (again.name, again.overlap.seconds) == ("tenants/-/apiKeys/k1", 7 * 86_400)
    assert onward.name == "tenants/acme/apiKeys/k2"
    assert onward.HasField("overlap")
    assert onward.overlap.seconds == 0


async def test_who_gives_a_request_id_gets_the_first_answer_without_its_secret(
    client: AsyncClient, service: FakeService
):
    id = str(uuid.uuid4())
    first, second = [await client.keys.create("acme", request_id=id) for _ in range(2)]
    assert (first.api_key, second.secret) == (second.api_key, "")
    assert len(service.keys) == 1


async def test_a_key_whose_secret_is_lost_each_time_is_an_error_that_says_so(
    client: AsyncClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tests.fakes.tenancy.Tenants._secret", lambda self: "")
    with pytest.raises(AnyError, match="the last key is tenants/acme/apiKeys/k3"):
        await client.keys.create("acme")
    assert all(key.HasField("revoke_time") for key in service.keys.values())


async def test_a_rotation_without_an_overlap_leaves_it_to_the_service(
    client: AsyncClient, service: FakeService
):
    await client.keys.create("acme")
    await client.keys.rotate("tenants/acme/apiKeys/k1")
    assert not service.sent(pb.RotateApiKeyRequest)[0].HasField("overlap")


async def test_a_time_without_a_zone_is_this_machines(client: AsyncClient, service: FakeService):
    local = datetime(2026, 11, 24, 12)
    for moment in (local, local.astimezone(UTC)):
        await client.keys.create("acme", expire_time=moment)
    sent = [r.api_key.expire_time.seconds for r in service.sent(pb.CreateApiKeyRequest)]
    assert sent == [local.timestamp()] * 2


async def test_bill_and_audit_come_page_by_page_under_one_filter(
    client: AsyncClient, service: FakeService
):
    service.ledger = [pb.LedgerEntry(amount=number) for number in range(7)]
    service.audit = [pb.AuditEvent(call_id=str(number)) for number in range(4)]
    service.usage = [common_pb2.QuotaEffect(dimension="datasets", used=2)]
    bill = [e.amount async for e in client.tenants.ledger("acme", filter='dimension="datasets"')]
    assert bill == list(range(7))
    assert [e.call_id async for e in client.tenants.audit()] == ["0", "1", "2", "3"]
    requests = service.sent(pb.ListLedgerRequest)
    assert {(r.parent, r.filter) for r in requests} == {("tenants/acme", 'dimension="datasets"')}
    assert service.sent(pb.ListAuditEventsRequest)[0].parent == "tenants/-"
    assert (await client.tenants.usage()).dimensions[0].used == 2
