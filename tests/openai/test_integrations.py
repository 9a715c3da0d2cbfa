"""A job that sends its measurements to Weights & Biases, asked for by OpenAI's current SDK."""

from collections.abc import AsyncIterator

import pytest
from tunesmith_server.integration_settings import Integrations

from tests.integration.calls import jsonl
from tests.openai.clients import Raised
from tests.openai.conformance import not_offered, works
from tests.openai.conftest import Account, Scripted, sdk
from tests.openai.rows import answers

JOBS = "POST /v1/fine_tuning/jobs"
CREATE = """
client.fine_tuning.jobs.create(model="ada", training_file="numbers", integrations=integrations)
"""


@pytest.fixture
async def acme(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("WANDB_OF_ACME", "key")
    given = Integrations(wandb_keys="acme=env:WANDB_OF_ACME")
    async with scripted(slots=0, integrations=given) as service:
        account = await service.account("acme")
        await account.caller.upload(jsonl(answers()))
        yield account


@works(JOBS, "integrations: wandb, by the key that was set up for the tenant")
async def test_a_job_shows_where_its_measurements_go(acme: Account):
    everything = {"project": "p", "name": "n", "entity": "e", "tags": ["a", "b"]}
    async with sdk(acme) as run:
        for asked in (everything, {"project": "p"}, {"project": "p", "name": None, "tags": []}):
            wanted = {"type": "wandb", "wandb": asked}
            job = await run(CREATE, integrations=[wanted])
            again = await run("client.fine_tuning.jobs.retrieve(job)", job=job["id"])
            (shown,) = again["integrations"]
            assert shown["type"] == "wandb"
            assert shown["wandb"].pop("run_id")
            empty = {"project": "p", "name": None, "entity": None, "tags": []}
            assert shown["wandb"] == empty | asked


@not_offered(JOBS, "integrations of other types", "wandb is the one that this API has")
async def test_what_cannot_be_done_is_said(acme: Account):
    wandb = {"type": "wandb", "wandb": {"project": "p"}}
    async with sdk(acme) as run:
        for integrations, param, words in (
            ([{"type": "mlflow", "mlflow": {}}], "integrations[0].type", "mlflow"),
            ([{"type": "wandb"}], "wandb", "must provide"),
            ([{"type": "wandb", "wandb": {}}], "project", "must provide"),
            ([{"type": "wandb", "wandb": {"project": ""}}], "integrations[0].wandb.project", "1"),
            ([wandb] * 6, "integrations", "5"),
            ([wandb, wandb], "integrations[1]", "twice"),
        ):
            with pytest.raises(Raised) as caught:
                await run(CREATE, integrations=integrations)
            found = str(caught.value)
            assert words in found, found
            assert param in found, found


async def test_a_tenant_without_a_key_is_told_whom_to_ask(scripted: Scripted):
    async with scripted(slots=0) as service:
        account = await service.account("acme")
        await account.caller.upload(jsonl(answers()))
        async with account.http() as http:
            body = {
                "model": "ada",
                "training_file": "numbers",
                "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
            }
            answer = await http.post("fine_tuning/jobs", json=body)
    assert answer.status_code == 400
    assert "whoever runs the service" in answer.json()["error"]["message"]
