"""What OpenAI has and this service has not: an envelope with the reason, never a bare 404."""

import pytest
from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import Running

from tests.integration.calls import ADMIN_KEY, Caller, another_key
from tests.integration.http.conftest import Tenant, client_of, error_of, json_of
from tests.openai.conformance import differs, not_offered


@not_offered("/v1/fine_tuning/alpha/graders", "run, validate", "reinforcement is not offered: 404")
@not_offered(
    "other APIs",
    "embeddings, batches, assistants, responses, vector stores, …",
    "404 with the reason and what there is",
)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("embeddings", "Embeddings are not offered here"),
        ("batches/batch_1/cancel", "Batches are not offered"),
        ("assistants", "Assistants are not offered"),
        ("fine_tuning/alpha/graders/run", "reinforcement"),
        ("responses", "chat completions"),
        ("vector_stores/vs_1/files", "Vector stores"),
    ],
)
async def test_what_is_not_offered_says_so_and_what_is(acme: Tenant, path: str, words: str):
    error = error_of(await acme.http.post(f"/v1/{path}", json={}), 404)
    assert words in error["message"]
    assert "fine-tuning jobs" in error["message"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_offered")


async def test_what_nobody_offers_is_an_invalid_url(http_server: Running):
    async with client_of(http_server, "") as http:
        error = error_of(await http.get("/v1/embeddings2"), 404)
        assert error["message"] == "Invalid URL (GET /v1/embeddings2)"
        assert "PUT" in error_of(await http.put("/v1/files"), 405)["message"]


@differs(
    "/v1/fine_tuning/checkpoints/{model}/permissions",
    "list",
    "always empty: there are no projects here",
)
async def test_a_checkpoint_is_shared_with_nobody_and_cannot_be(acme: Tenant, rival: Tenant):
    path = "/v1/fine_tuning/checkpoints/tiny-random/permissions"
    assert json_of(await acme.http.get(path))["data"] == []
    assert json_of(await acme.http.get(path.replace("random", "random:ckpt-step-7")))["data"] == []
    # an editor's key may not share; a tenant's administrator is told why it cannot
    refused = error_of(await acme.http.post(path, json={"project_ids": ["proj_1"]}), 403)
    assert refused["code"] == "insufficient_permissions"
    absent = path.replace("tiny-random", "ft:ada:acme::12345678:ckpt-step-7")
    assert error_of(await rival.http.get(absent), 404)["code"] == "model_not_found"


@not_offered(
    "/v1/fine_tuning/checkpoints/{model}/permissions",
    "create, delete",
    "403 and 404: a checkpoint answers to every key of its organization, and to no other",
)
async def test_an_administrator_of_the_tenant_is_told_why_nothing_can_be_shared(acme: Tenant):
    admin = Caller(acme.grpc.address, ADMIN_KEY)
    key = (await another_key(admin, "acme", tenant_pb2.ROLE_TENANT_ADMIN)).key
    acme.http.headers["authorization"] = f"Bearer {key}"
    path = "/v1/fine_tuning/checkpoints/tiny-random/permissions"
    refused = error_of(await acme.http.post(path, json={"project_ids": ["proj_1"]}), 403)
    assert refused["code"] == "not_offered"
    assert "no projects here" in refused["message"]
    gone = error_of(await acme.http.delete(f"{path}/cp_1"), 404)
    assert gone["message"] == "No such checkpoint permission: cp_1"
