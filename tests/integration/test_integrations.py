"""Who may send measurements where and with what key, through the front door, on both databases."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb
from tunesmith_server.integration_settings import Integrations
from tunesmith_server.settings import Settings

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, a_tenant, jsonl, refused
from tests.integration.training import Training, training, until

ACME_KEY, OTHER_KEY = "the-key-of-acme", "the-key-of-another"


@pytest.fixture
async def serving(
    server_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Training]:
    """Acme has a key and a server of its own, every other a file and a common server."""
    monkeypatch.setenv("ACME_WANDB", ACME_KEY)
    monkeypatch.setenv("NOBODYS", "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    (tmp_path / "other").write_text(f"{OTHER_KEY}\n")
    integrations = Integrations(
        wandb_keys=f"acme=env:ACME_WANDB, acme=file:{tmp_path}/acme2, *=file:{tmp_path}/{{tenant}}",
        wandb_url="https://wandb.acme.example",
        mlflow_servers="acme=https://mlflow.acme.example, *=https://mlflow.example",
        mlflow_keys="acme=env:ACME_WANDB",
        tensorboard_dir=tmp_path / "tensorboard",
    )
    settings = server_settings.model_copy(update={"integrations": integrations})
    async with training(settings, script="tell,prepared,wait=go,succeed", slots=2) as running:
        yield running


async def customer(serving: Training, tenant: str) -> Caller:
    caller = await a_tenant(serving.address, tenant)
    await caller.upload(jsonl(ROWS))
    return caller


def wandb(**fields: Any) -> pb.Integration:
    return pb.Integration(wandb=pb.WandbIntegration(**{"project": "p", **fields}))


def mlflow(uri: str, **fields: Any) -> pb.Integration:
    return pb.Integration(mlflow=pb.MlflowIntegration(tracking_uri=uri, **fields))


def at(variable: str = "", file: str = "") -> common_pb2.SecretReference:
    if file:
        return common_pb2.SecretReference(file=file)
    return common_pb2.SecretReference(environment_variable=variable)


async def told(
    serving: Training, caller: Caller, run: pb.FineTune
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the trainer had in run.json, and on its standard input; the run succeeds then."""
    await until(caller, run.name, "RUNNING")
    folder = serving.data / "runs" / run.uid / "attempt-1"
    content = (folder / "run.json").read_text()
    assert ACME_KEY not in content
    assert OTHER_KEY not in content
    given = json.loads((folder / "told.json").read_text())
    assert ACME_KEY not in str(given["environment"]) + str(given["arguments"])
    serving.let(run)
    await until(caller, run.name, "SUCCEEDED")
    return json.loads(content), json.loads(given["input"] or "{}")


async def test_a_trainer_is_handed_what_its_tenant_may_use(serving: Training):
    acme, other = await customer(serving, "acme"), await customer(serving, "other")
    wanted = [
        wandb(display_name="n", entity="team", tags=["a", "b"]),
        mlflow("https://mlflow.acme.example", experiment="e"),
    ]
    run = await acme.create(integrations=wanted, fine_tune_id="one")
    assert list(run.spec.integrations) == wanted
    spec, handed = await told(serving, acme, run)
    folder = serving.data.parent / "tensorboard" / "acme" / "one"
    assert spec["integrations"] == [
        {
            "type": "wandb",
            "project": "p",
            "name": "n",
            "entity": "team",
            "tags": ["a", "b"],
            "url": "https://wandb.acme.example",
            "credentials": "stdin",
        },
        {
            "type": "mlflow",
            "tracking_uri": "https://mlflow.acme.example",
            "experiment": "e",
            "name": "one",
            "credentials": "stdin",
            "needs_key": True,
        },
        {"type": "tensorboard", "folder": str(folder)},
    ]
    assert spec["about"]["training_dataset"] == "numbers"
    assert handed["keys"] == [ACME_KEY, ACME_KEY]
    assert handed["environment"]["HTTPS_PROXY"] == "http://proxy"

    run = await other.create(integrations=[wandb(), mlflow("https://mlflow.example")])
    spec, handed = await told(serving, other, run)
    assert spec["integrations"][0]["name"] == run.name.rpartition("/")[2]
    assert spec["integrations"][1]["needs_key"] is False
    assert handed["keys"] == [OTHER_KEY, None]


async def test_a_run_without_integrations_is_handed_nothing(serving: Training):
    acme = await customer(serving, "acme")
    run = await acme.create()
    assert (await told(serving, acme, run))[1] == {}


async def test_what_a_tenant_may_not_use_is_refused_with_what_to_do(
    serving: Training, tmp_path: Path
):
    acme, other = await customer(serving, "acme"), await customer(serving, "other")
    no_key = await customer(serving, "third")  # its file is not there, which shows at the start
    kubernetes = common_pb2.SecretReference(kubernetes_secret="s/k")
    for caller, integrations, reason, words in (
        (acme, [mlflow("https://mlflow.example")], "FIELD_INVALID", "https://mlflow.acme.example"),
        (other, [mlflow("https://mlflow.acme.example")], "FIELD_INVALID", "those are: https://"),
        (acme, [wandb(), wandb()], "FIELD_INVALID", "integrations[1]: is there twice"),
        (acme, [wandb(api_key=at("ACME_WANDB"))], "PERMISSION_DENIED", "administrator alone"),
        (acme, [wandb(api_key=kubernetes)], "NOT_BUILT_YET", "mount the Secret"),
    ):
        assert integrations  # each is refused for what it says, and all of it by the plan as well
        got = await refused(caller.create(integrations=integrations))
        assert got[0] == reason, got
        assert words in got[1]
    planned = await no_key.fine_tunes.PlanFineTune(
        pb.PlanFineTuneRequest(
            parent="tenants/-",
            fine_tune=pb.FineTune(
                spec=pb.FineTuneSpec(
                    base_model="tiny-random",
                    training_dataset="numbers",
                    integrations=[mlflow("https://x"), wandb(api_key=at("NOBODYS"))],
                )
            ),
        ),
        metadata=no_key.metadata,
    )
    assert {finding.code for finding in planned.findings} >= {"FIELD_INVALID", "PERMISSION_DENIED"}
    assert not planned.plan_token


async def test_a_platform_administrator_chooses_among_the_keys_of_the_tenant_alone(
    serving: Training, tmp_path: Path
):
    acme = await customer(serving, "acme")
    (tmp_path / "acme2").write_text("the-second-key")
    admin = Caller(serving.address, ADMIN_KEY)
    for reference in (at("NOBODYS"), at(file=f"{tmp_path}/other"), at(file="/etc/passwd")):
        call = admin.create(parent="tenants/acme", integrations=[wandb(api_key=reference)])
        got = await refused(call)
        assert got[0] == "FIELD_INVALID", got
        assert "this key is not set up for this tenant" in got[1]
    chosen = [wandb(api_key=at(file=f"{tmp_path}/acme2"))]
    run = await admin.create(parent="tenants/acme", integrations=chosen)
    assert list(run.spec.integrations) == chosen
    assert (await told(serving, acme, run))[1]["keys"] == ["the-second-key"]


async def test_a_key_that_is_gone_fails_no_run(
    serving: Training, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    other = await customer(serving, "other")
    (tmp_path / "other").unlink()
    run = await other.create(integrations=[wandb()])
    assert (await told(serving, other, run))[1]["keys"] == [None]
    (line,) = [text for text in caplog.messages if "integration_key_missing" in text]
    assert f"file:{tmp_path}/other: No such file" in line


async def test_nothing_is_allowed_where_nothing_is_set(acme: Caller):
    for integration, words in ((wandb(), "no key"), (mlflow("https://x"), "those are: none")):
        got = await refused(acme.create(integrations=[integration]))
        assert got[0] == "FIELD_INVALID"
        assert words in got[1]
