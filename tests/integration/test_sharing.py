"""Sharing models: offered, accepted, asked, ended; what each side sees, and nobody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tunesmith.v1 import model_pb2 as pb
from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.domain.sharing import MOST_SHARES
from tunesmith_server.settings import Settings

from tests.integration.asking import Engine, add_model, ask, delete, engine, model, models
from tests.integration.calls import (
    ADMIN_KEY,
    ROWS,
    Caller,
    a_tenant,
    another_key,
    jsonl,
    limits,
    refused,
)

_ADMIN = tenant_pb2.ROLE_TENANT_ADMIN
MODEL = "tenants/acme/models/support"


@pytest.fixture
def answering() -> Iterator[Engine]:
    with engine() as found:
        yield found


@pytest.fixture
async def shop(server_settings: Settings, answering: Engine) -> AsyncIterator[Running]:
    async with serve(server_settings) as running:
        yield running


@pytest.fixture
async def acme(shop: Running, server_settings: Settings) -> Caller:
    """The administrator of a tenant that has a model with two checkpoints."""
    caller = await a_tenant(shop.address, "acme", role=_ADMIN)
    await add_model(server_settings, "acme", "support")
    return caller


@pytest.fixture
async def rival(shop: Running) -> Caller:
    """The administrator of another tenant."""
    return await a_tenant(shop.address, "rival", role=_ADMIN)


async def share(caller: Caller, **request: Any) -> pb.ModelShare:
    asked = pb.ShareModelRequest(**{"name": MODEL, "tenant": "tenants/rival"} | request)
    return (await caller.models.ShareModel(asked, metadata=caller.metadata)).share


async def accept(caller: Caller, model: str = MODEL, **request: Any) -> pb.ModelShare:
    asked = pb.AcceptShareRequest(tenant="tenants/-", model=model, **request)
    return (await caller.models.AcceptShare(asked, metadata=caller.metadata)).share


async def unshare(caller: Caller, **request: Any) -> None:
    asked = pb.UnshareModelRequest(**{"name": MODEL, "tenant": "tenants/rival"} | request)
    await caller.models.UnshareModel(asked, metadata=caller.metadata)


async def shares(caller: Caller, **request: Any) -> list[pb.ModelShare]:
    asked = pb.ListModelSharesRequest(parent="tenants/-", **request)
    return list((await caller.models.ListModelShares(asked, metadata=caller.metadata)).shares)


async def names(caller: Caller, **request: Any) -> list[str]:
    return [each.name for each in await models(caller, **request)]


async def names_of(caller: Caller) -> list[str]:
    """Every name that the tenant's model has."""
    found = await model(caller, MODEL)
    return [found.name, found.public_name, found.legacy_name]


async def test_a_model_is_asked_by_another_tenant_from_its_consent_to_the_end_of_the_share(
    acme: Caller, rival: Caller
):
    every = await names_of(acme)

    async def none_answers() -> None:
        assert await names(rival) == []
        for name in every:
            words = ("RESOURCE_NOT_FOUND", f"{name} does not exist")
            assert await refused(ask(rival, name)) == words
        assert (await refused(model(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"

    await none_answers()
    offered = await share(acme)
    assert (offered.state, offered.role) == (
        pb.MODEL_SHARE_STATE_OFFERED,
        tenant_pb2.ROLE_INFERENCE,
    )
    await none_answers()
    (seen,) = await shares(rival, received=True)
    assert seen == offered
    accepted = await accept(rival)
    assert accepted.state == pb.MODEL_SHARE_STATE_ACTIVE
    for name in every:
        assert await ask(rival, name) == "support"
    assert await ask(rival, f"{MODEL}#2") == await ask(rival, f"{every[1]}:ckpt-step-2") == "two"
    assert await names(rival) == [MODEL]
    await unshare(acme)
    await none_answers()
    assert await shares(rival, received=True) == await shares(acme) == []


async def test_the_other_tenant_may_give_a_share_up_and_decline_an_offer(
    acme: Caller, rival: Caller
):
    for consent in (True, False):
        await share(acme)
        if consent:
            await accept(rival)
        await unshare(rival, tenant="tenants/-")
        assert await shares(acme) == []
        assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"
        assert (await refused(accept(rival)))[0] == "RESOURCE_NOT_FOUND"


async def test_it_is_told_what_it_takes_to_ask_and_not_what_the_model_was_made_of(
    acme: Caller, rival: Caller
):
    await share(acme)
    await accept(rival)
    found, (listed,) = await model(rival, MODEL), await models(rival)
    assert found == listed
    assert b"secret" not in found.SerializeToString()
    assert (found.shared, found.checkpoints_only) == (True, False)
    assert [each.step for each in found.checkpoints] == [1, 2]
    assert not found.metrics
    assert not (await model(acme, MODEL)).shared
    # nor can it be found out by filters
    assert await names(rival, filter='labels.customer = "secret"') == []
    assert await names(rival, filter="labels.customer:*") == []
    assert await names(acme, filter='labels.customer = "secret"') == [MODEL]
    assert await names(rival, filter='base_model = "tiny-random"') == [MODEL]


async def test_a_checkpoint_may_be_shared_alone(acme: Caller, rival: Caller):
    every = await names_of(acme)
    await share(acme, checkpoint_step=2)
    assert (await refused(accept(rival)))[0] == "RESOURCE_NOT_FOUND"
    assert (await accept(rival, checkpoint_step=2)).public_name == f"{every[1]}:ckpt-step-2"
    for name in (f"{MODEL}#2", f"{every[1]}:ckpt-step-2"):
        assert await ask(rival, name) == "two"
    for name in (*every, f"{MODEL}#1", f"{every[1]}:ckpt-step-1"):
        assert await refused(ask(rival, name)) == ("RESOURCE_NOT_FOUND", f"{name} does not exist")
    (found,) = await models(rival)
    assert (found.checkpoints_only, [each.step for each in found.checkpoints]) == (True, [2])
    # with the model come all of them, and without it this one stays
    await share(acme)
    await accept(rival)
    assert await ask(rival, f"{MODEL}#1") == "one"
    assert [each.checkpoints_only for each in await models(rival)] == [False]
    await unshare(acme)
    assert await ask(rival, f"{MODEL}#2") == "two"
    assert (await refused(ask(rival, f"{MODEL}#1")))[0] == "RESOURCE_NOT_FOUND"
    words = f"{MODEL}#3 does not exist"
    assert await refused(share(acme, checkpoint_step=3)) == ("RESOURCE_NOT_FOUND", words)


async def test_a_share_is_worth_nothing_past_its_time(
    acme: Caller, rival: Caller, monkeypatch: pytest.MonkeyPatch
):
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await share(acme, expire_time=until)
    assert (await accept(rival)).expire_time == until
    assert await ask(rival, MODEL) == "support"
    _move_the_clock(monkeypatch, timedelta(hours=1))
    assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"
    assert await names(rival) == []
    for side in (await shares(acme), await shares(rival, received=True)):
        assert [each.state for each in side] == [pb.MODEL_SHARE_STATE_EXPIRED]
    # another offer wants another consent
    await share(acme)
    assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"
    await accept(rival)
    assert await ask(rival, MODEL) == "support"


def _move_the_clock(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    from tunesmith_server.bootstrap import UtcClock

    monkeypatch.setattr(UtcClock, "now", lambda self: datetime.now(UTC) + by)


async def test_shared_again_it_has_the_new_expiry_and_stays_accepted(acme: Caller, rival: Caller):
    first = await share(acme)
    await accept(rival)
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(days=9))
    second = await share(acme, expire_time=until)
    assert (second.uid, second.state) == (first.uid, pb.MODEL_SHARE_STATE_ACTIVE)
    assert second.expire_time == until
    again = await accept(rival)
    assert again == second
    assert await shares(acme) == [second]


async def test_an_offer_does_not_tell_whether_there_is_such_a_tenant(acme: Caller, rival: Caller):
    known, unknown = await share(acme), await share(acme, tenant="tenants/nobody")
    for each in (known, unknown):
        assert each.state == pb.MODEL_SHARE_STATE_OFFERED
    await unshare(acme, tenant="tenants/nobody")
    absent = await refused(unshare(acme, tenant="tenants/nobody"))
    await unshare(acme)
    assert (await refused(unshare(acme)))[1].replace("rival", "nobody") == absent[1]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"tenant": "tenants/acme"}, "tenant"),
        ({"tenant": "tenants/-"}, "tenant"),
        ({"expire_time": Timestamp(seconds=1)}, "expire_time"),
        ({"expire_time": Timestamp(seconds=10**13)}, "expire_time"),
        ({"checkpoint_step": -1}, "checkpoint_step"),
    ],
)
async def test_what_cannot_be_shared_is_refused_by_its_field(
    acme: Caller, request_: dict[str, Any], field: str
):
    reason, words = await refused(share(acme, **request_))
    assert reason == "FIELD_INVALID"
    assert words.startswith(field)
    assert await shares(acme) == []


async def test_only_administrators_share_and_accept(acme: Caller, rival: Caller):
    admin = Caller(acme.address, ADMIN_KEY)
    editor = await another_key(admin, "acme", tenant_pb2.ROLE_EDITOR)
    viewer = await another_key(admin, "rival", tenant_pb2.ROLE_VIEWER)
    assert (await refused(share(editor)))[0] == "PERMISSION_DENIED"
    await share(acme)
    assert (await refused(accept(viewer)))[0] == "PERMISSION_DENIED"
    assert (await refused(unshare(viewer)))[0] == "PERMISSION_DENIED"
    assert len(await shares(viewer, received=True)) == 1
    await accept(rival)
    asking = await another_key(admin, "rival", tenant_pb2.ROLE_INFERENCE)
    assert await ask(asking, MODEL) == "support"


async def test_a_third_tenant_sees_and_ends_nothing(acme: Caller, rival: Caller, shop: Running):
    third = await a_tenant(shop.address, "third", role=_ADMIN)
    await share(acme)
    await accept(rival)
    assert (await refused(ask(third, MODEL)))[0] == "RESOURCE_NOT_FOUND"
    assert (await refused(accept(third)))[0] == "RESOURCE_NOT_FOUND"
    assert (await refused(unshare(third)))[0] == "RESOURCE_NOT_FOUND"
    assert (await refused(share(third)))[0] == "RESOURCE_NOT_FOUND"
    assert (await refused(shares(third, model=MODEL)))[0] == "RESOURCE_NOT_FOUND"
    assert await shares(third) == await shares(third, received=True) == []
    # nor does the one that may ask it pass it on, or train on it
    assert (await refused(share(rival, tenant="tenants/third")))[0] == "RESOURCE_NOT_FOUND"
    await rival.upload(jsonl(ROWS))
    assert (await refused(rival.create(base_model=MODEL)))[0] == "RESOURCE_NOT_FOUND"
    public = (await model(rival, MODEL)).public_name
    assert (await refused(rival.create(base_model=public)))[0] == "BASE_MODEL_UNKNOWN"
    assert (await refused(delete(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"


async def test_a_model_is_not_deleted_while_it_is_shared_or_offered(acme: Caller, rival: Caller):
    await share(acme)
    await accept(rival)
    await share(acme, tenant="tenants/other", checkpoint_step=1)
    reason, words = await refused(delete(acme, MODEL))
    assert reason == "RESOURCE_IN_USE"
    assert f"tenants/rival ({MODEL}), tenants/other ({MODEL}#1)" in words
    await unshare(acme)
    await unshare(acme, tenant="tenants/other", checkpoint_step=1)
    await delete(acme, MODEL)
    assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"


async def test_an_expired_share_is_not_in_the_way_of_a_delete(
    acme: Caller, rival: Caller, monkeypatch: pytest.MonkeyPatch
):
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await share(acme, expire_time=until)
    await accept(rival)
    _move_the_clock(monkeypatch, timedelta(hours=1))
    await delete(acme, MODEL)
    assert await shares(rival, received=True) == []


async def test_who_asks_pays(acme: Caller, rival: Caller, shop: Running):
    admin = Caller(shop.address, ADMIN_KEY)
    for tenant in ("acme", "rival"):
        change = tenant_pb2.UpdateTenantRequest(
            tenant=tenant_pb2.Tenant(
                name=f"tenants/{tenant}", limits=limits(inference_tokens_per_minute=1000)
            )
        )
        await admin.tenants.UpdateTenant(change, metadata=admin.metadata)
    await share(acme)
    await accept(rival)
    await ask(rival, MODEL)
    used = [(await caller.usage())["inference_tokens_per_minute"].used for caller in (acme, rival)]
    assert used[0] == 0 < used[1]


async def test_it_is_on_record_with_both_sides_and_neither_learns_of_the_others_keys(
    acme: Caller, rival: Caller
):
    await share(acme)
    await accept(rival)
    await unshare(acme)

    async def told(caller: Caller) -> list[tuple[str, str, str]]:
        request = tenant_pb2.ListAuditEventsRequest(parent="tenants/-")
        page = await caller.tenants.ListAuditEvents(request, metadata=caller.metadata)
        return [
            (each.method.partition("/")[2], each.principal.partition("-")[0], each.resource)
            for each in reversed(page.audit_events)
            if "Share" in each.method or "Unshare" in each.method
        ]

    assert await told(acme) == [
        ("ShareModel", "key", MODEL),
        ("AcceptShare", "tenants/rival", MODEL),
        ("UnshareModel", "key", MODEL),
    ]
    assert await told(rival) == [
        ("ShareModel", "tenants/acme", MODEL),
        ("AcceptShare", "key", MODEL),
        ("UnshareModel", "tenants/acme", MODEL),
    ]


async def test_a_check_and_a_repeat_change_nothing(acme: Caller, rival: Caller):
    await share(acme, validate_only=True)
    assert await shares(acme) == []
    id = str(uuid.uuid4())
    first, second = await share(acme, request_id=id), await share(acme, request_id=id)
    assert first == second
    await accept(rival, validate_only=True)
    assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"
    await accept(rival)
    await unshare(acme, validate_only=True)
    assert await ask(rival, MODEL) == "support"


async def test_a_name_that_two_models_have_means_ones_own(
    acme: Caller, rival: Caller, server_settings: Settings
):
    await share(acme)
    await accept(rival)
    name = (await model(acme, MODEL)).public_name
    assert await ask(rival, name) == "support"
    # as where both tenants call their organization alike
    await add_model(server_settings, "rival", "mine", public_name=name)
    assert await ask(rival, name) == "mine"
    assert await ask(rival, MODEL) == "support"


async def test_own_and_shared_models_are_listed_among_each_other(
    acme: Caller, rival: Caller, server_settings: Settings
):
    await share(acme)
    await accept(rival)
    await add_model(server_settings, "rival", "mine")
    await add_model(server_settings, "rival", "other")
    mine = [f"tenants/rival/models/{id}" for id in ("other", "mine")]
    # pages of one, newest first, own and shared among each other
    assert await names(rival, page_size=1) == [*mine, MODEL]
    assert await names(acme) == [MODEL]
    assert await ask(rival, mine[0]) == "other"


async def test_a_base_that_a_tenant_may_not_use_is_not_asked_by_a_shared_model(
    acme: Caller, rival: Caller, shop: Running
):
    await share(acme)
    await accept(rival)
    admin = Caller(shop.address, ADMIN_KEY)
    change = tenant_pb2.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(name="tenants/rival", allowed_base_models=["ada"])
    )
    await admin.tenants.UpdateTenant(change, metadata=admin.metadata)
    assert (await refused(ask(rival, MODEL)))[0] == "RESOURCE_NOT_FOUND"


async def test_so_many_shares_of_a_model_stand_at_a_time(acme: Caller):
    for number in range(MOST_SHARES):
        await share(acme, tenant=f"tenants/t{number}")
    reason, words = await refused(share(acme, tenant="tenants/one-more"))
    assert (reason, f"{MOST_SHARES} are allowed" in words) == ("STATE_FORBIDS", True)
    await share(acme, tenant="tenants/t0")  # which it is already
    await unshare(acme, tenant="tenants/t1")
    await share(acme, tenant="tenants/one-more")


async def test_a_tenant_that_is_deleted_takes_its_shares_with_it(
    acme: Caller, rival: Caller, shop: Running
):
    admin = Caller(shop.address, ADMIN_KEY)
    await share(acme)
    await accept(rival)
    gone = tenant_pb2.DeleteTenantRequest(name="tenants/rival")
    await admin.tenants.DeleteTenant(gone, metadata=admin.metadata)
    assert await shares(acme) == []
    again = await a_tenant(shop.address, "rival", role=_ADMIN)
    assert (await refused(ask(again, MODEL)))[0] == "RESOURCE_NOT_FOUND"
    await share(acme)
    await accept(again)
    gone = tenant_pb2.DeleteTenantRequest(name="tenants/acme", cascade=True, confirm="acme")
    await admin.tenants.DeleteTenant(gone, metadata=admin.metadata)
    assert await shares(again, received=True) == []
    assert (await refused(ask(again, MODEL)))[0] == "RESOURCE_NOT_FOUND"


async def test_of_a_delete_and_a_share_at_once_one_is_first(
    acme: Caller, server_settings: Settings
):
    for number in range(5):
        made = await add_model(server_settings, "acme", f"m{number}")
        name = str(made.name)
        both = (share(acme, name=name), delete(acme, name))
        shared, deleted = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(shared, Exception) != isinstance(deleted, Exception), (shared, deleted)
        assert (name in await names(acme)) is isinstance(deleted, Exception)
