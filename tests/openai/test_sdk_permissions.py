"""Permissions on checkpoints with the current SDK; the trainer follows a script."""

import pytest
from tunesmith.v1 import model_pb2, tenant_pb2

from tests.integration.calls import jsonl
from tests.integration.training import until
from tests.openai.clients import Raised
from tests.openai.conformance import works
from tests.openai.conftest import Scripted, sdk
from tests.openai.rows import answers

PERMISSIONS = "/v1/fine_tuning/checkpoints/{model}/permissions"


@works("POST " + PERMISSIONS, "")
@works("GET " + PERMISSIONS, "")
@works("DELETE " + PERMISSIONS + "/{permission}", "")
async def test_a_checkpoint_is_permitted_listed_and_taken_back(scripted: Scripted):
    async with scripted("prepared,metrics=1,checkpoint=1,succeed") as service:
        acme = await service.account("acme", role=tenant_pb2.ROLE_TENANT_ADMIN)
        rival = await service.account("rival", role=tenant_pb2.ROLE_TENANT_ADMIN)
        await acme.caller.upload(jsonl(answers()))
        async with sdk(acme) as run, sdk(rival) as others:
            job = await run(
                "client.fine_tuning.jobs.create(model='ada', training_file='numbers').id"
            )
            await until(acme.caller, f"tenants/acme/fineTunes/{job}", "SUCCEEDED")
            await run(
                """
(checkpoint,) = client.fine_tuning.jobs.checkpoints.list(id)
name = checkpoint.fine_tuned_model_checkpoint
permissions = client.fine_tuning.checkpoints.permissions
""",
                id=job,
            )
            made = await run("list(permissions.create(name, project_ids=['rival', 'other']))")
            assert [each["project_id"] for each in made] == ["rival", "other"]
            (offer,) = (
                await rival.caller.models.ListModelShares(
                    model_pb2.ListModelSharesRequest(parent="tenants/-", received=True),
                    metadata=rival.caller.metadata,
                )
            ).shares
            accept = model_pb2.AcceptShareRequest(
                tenant="tenants/-", model=offer.model, checkpoint_step=offer.checkpoint_step
            )
            await rival.caller.models.AcceptShare(accept, metadata=rival.caller.metadata)
            name = await run("name")
            assert name == offer.public_name
            assert (await others("client.models.retrieve(name)", name=name))["owned_by"] == "acme"
            listed = await run("[p.project_id for p in permissions.list(name, limit=1)]")
            assert sorted(listed) == ["other", "rival"]
            gone = await run(
                "permissions.delete(id, fine_tuned_model_checkpoint=name)", id=made[0]["id"]
            )
            assert gone == {
                "id": made[0]["id"],
                "object": "checkpoint.permission",
                "deleted": True,
            }
            with pytest.raises(Raised) as caught:
                await others("client.models.retrieve(name)", name=name)
            assert (caught.value.kind, caught.value.code) == ("NotFoundError", "model_not_found")
