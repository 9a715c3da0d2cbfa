"""OpenAI's checkpoint permissions: shares of models and checkpoints, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tunesmith.v1 import model_pb2, tenant_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Settings

from tests.integration.asking import add_model, engine, model
from tests.integration.calls import Caller, a_tenant
from tests.integration.http.conftest import Tenant, client_of, error_of, json_of
from tests.openai.conformance import differs, works

PERMISSIONS = "/v1/fine_tuning/checkpoints/{model}/permissions"
_ADMIN = tenant_pb2.ROLE_TENANT_ADMIN


@pytest.fixture
async def shop(http_settings: Settings) -> AsyncIterator[Running]:
    with engine():
        async with serve(http_settings) as running:
            yield running


async def administrator(shop: Running, tenant: str) -> Tenant:
    caller = await a_tenant(shop.address, tenant, role=_ADMIN)
    return Tenant(caller, client_of(shop, caller.key))


@pytest.fixture
async def acme(shop: Running, http_settings: Settings) -> AsyncIterator[Tenant]:
    """The administrator of a tenant that has a model with two checkpoints."""
    tenant = await administrator(shop, "acme")
    await add_model(http_settings, "acme", "support")
    async with tenant.http:
        yield tenant


@pytest.fixture
async def rival(shop: Running) -> AsyncIterator[Tenant]:
    tenant = await administrator(shop, "rival")
    async with tenant.http:
        yield tenant


async def named(caller: Caller) -> tuple[str, str]:
    """The model's public name, and that of its second checkpoint."""
    found = await model(caller, "tenants/acme/models/support")
    return found.public_name, found.checkpoints[1].public_name


async def accept(tenant: Tenant, **request: Any) -> None:
    asked = model_pb2.AcceptShareRequest(
        tenant="tenants/-", model="tenants/acme/models/support", **request
    )
    await tenant.grpc.models.AcceptShare(asked, metadata=tenant.grpc.metadata)


async def ask(tenant: Tenant, name: str) -> httpx.Response:
    return await tenant.http.post("/v1/completions", json={"model": name, "prompt": "x"})


def path(name: str, id: str = "") -> str:
    return PERMISSIONS.replace("{model}", name) + (f"/{id}" if id else "")


@works("GET " + PERMISSIONS, "project_id, after, limit, order", "first_id, last_id, has_more")
@works("POST " + PERMISSIONS, "project_ids: ids of tenants", "of a model, or of a checkpoint alone")
@works("DELETE " + PERMISSIONS + "/{permission}", "holds from the next call on")
@differs("POST " + PERMISSIONS, "consent", "the other tenant has to accept: `accepted_at`")
async def test_a_checkpoint_is_permitted_accepted_used_and_taken_back(acme: Tenant, rival: Tenant):
    whole, checkpoint = await named(acme.grpc)
    body = {"project_ids": ["rival", "nobody", "rival"]}
    made = json_of(await acme.http.post(path(checkpoint), json=body))
    assert [each["project_id"] for each in made["data"]] == ["rival", "nobody"]
    assert [each["accepted_at"] for each in made["data"]] == [None, None]
    permission = made["data"][0]
    assert set(permission) == {"object", "id", "created_at", "project_id", "accepted_at"}
    assert permission["object"] == "checkpoint.permission"
    assert permission["id"].startswith("cp_")
    assert (made["first_id"], made["last_id"]) == (permission["id"], made["data"][1]["id"])
    assert error_of(await ask(rival, checkpoint), 404)["code"] == "model_not_found"
    await accept(rival, checkpoint_step=2)
    assert json_of(await ask(rival, checkpoint))["choices"][0]["text"] == "two"
    assert error_of(await ask(rival, whole), 404)["code"] == "model_not_found"
    listed = json_of(await rival.http.get("/v1/models"))["data"]
    assert [(m["id"], m["owned_by"]) for m in listed if "acme" in m["id"]] == [(checkpoint, "acme")]
    (seen,) = json_of(await acme.http.get(path(checkpoint), params={"project_id": "rival"}))["data"]
    assert seen["accepted_at"] >= seen["created_at"]
    gone = json_of(await acme.http.delete(path(checkpoint, permission["id"])))
    assert gone == {"id": permission["id"], "object": "checkpoint.permission", "deleted": True}
    assert error_of(await ask(rival, checkpoint), 404)["code"] == "model_not_found"
    left = json_of(await acme.http.get(path(checkpoint)))["data"]
    assert [each["project_id"] for each in left] == ["nobody"]
    again = error_of(await acme.http.delete(path(checkpoint, permission["id"])), 404)
    assert again["param"] == "permission_id"


async def test_permissions_are_paged_in_both_orders_and_those_of_others_are_not_among_them(
    acme: Tenant,
):
    whole, checkpoint = await named(acme.grpc)
    await acme.http.post(path(checkpoint), json={"project_ids": ["other"]})
    for number in range(4):
        await acme.http.post(path(whole), json={"project_ids": [f"t{number}"]})

    async def paged(order: str) -> list[str]:
        found: list[dict[str, Any]] = []
        while True:
            query = {"limit": "3", "order": order} | ({"after": found[-1]["id"]} if found else {})
            page = json_of(await acme.http.get(path(whole), params=query))
            found += page["data"]
            assert (page["first_id"], page["last_id"]) == (
                page["data"][0]["id"],
                page["data"][-1]["id"],
            )
            if not page["has_more"]:
                return [each["project_id"] for each in found]

    assert await paged("descending") == ["t3", "t2", "t1", "t0"]
    assert await paged("ascending") == ["t0", "t1", "t2", "t3"]


async def test_all_tenants_of_a_request_get_a_permission_or_none_does(acme: Tenant):
    whole, _ = await named(acme.grpc)
    for bad, words in (
        (["rival", "acme"], "own tenant"),
        (["rival", "proj_1"], "is no id"),
        ([], "project_ids"),
        ("rival", "project_ids"),
        ([f"t{number}" for number in range(101)], "project_ids"),
    ):
        error = error_of(await acme.http.post(path(whole), json={"project_ids": bad}), 400)
        assert words in error["message"]
        assert json_of(await acme.http.get(path(whole)))["data"] == []
    # a repeat with the key of the first is the first
    key = {"idempotency-key": "k"}
    made = [
        await acme.http.post(path(whole), json={"project_ids": ["rival"]}, headers=key)
        for _ in range(2)
    ]
    assert json_of(made[0]) == json_of(made[1])


@pytest.mark.parametrize(
    ("query", "param"),
    [({"limit": "0"}, "limit"), ({"order": "asc"}, "order"), ({"after": "cp_1"}, "after")],
)
async def test_a_wrong_query_names_its_parameter(acme: Tenant, query: dict[str, str], param: str):
    whole, _ = await named(acme.grpc)
    answer = await acme.http.get(path(whole), params=query)
    assert error_of(answer, 404 if param == "after" else 400)["param"] == param


async def test_only_the_owners_administrator_permits(acme: Tenant, rival: Tenant, shop: Running):
    whole, checkpoint = await named(acme.grpc)
    body = {"project_ids": ["third"]}
    editor = await a_tenant(shop.address, "third")
    async with client_of(shop, editor.key) as http:
        assert error_of(await http.post(path("ada"), json=body), 403)["code"] == (
            "insufficient_permissions"
        )
    for name in (whole, checkpoint, whole + ":ckpt-step-9"):
        for answer in (
            await rival.http.get(path(name)),
            await rival.http.post(path(name), json=body),
            await rival.http.delete(path(name, "cp_1")),
        ):
            assert error_of(answer, 404)["code"] == "model_not_found"
    await acme.http.post(path(whole), json={"project_ids": ["rival"]})
    await accept(rival)
    for answer in (
        await rival.http.get(path(whole)),
        await rival.http.post(path(whole), json=body),
        await rival.http.delete(f"/v1/models/{whole}"),
    ):
        assert "another organization's" in error_of(answer, 403)["message"]
    assert json_of(await rival.http.get(f"/v1/models/{whole}"))["owned_by"] == "acme"
    in_use = error_of(await acme.http.delete(f"/v1/models/{whole}"), 400)
    assert (in_use["code"], "tenants/rival" in in_use["message"]) == ("resource_in_use", True)


async def test_a_base_model_is_everybodys_and_is_not_shared(acme: Tenant):
    assert json_of(await acme.http.get(path("ada")))["data"] == []
    error = error_of(await acme.http.post(path("ada"), json={"project_ids": ["rival"]}), 400)
    assert "base model" in error["message"]
    error_of(await acme.http.delete(path("ada", "cp_1")), 404)
