"""Aliases of base models, through the front door, on both databases."""

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tunesmith.v1 import catalog_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Settings

from tests.integration.calls import ADMIN_KEY, Caller, a_tenant, jsonl, refused
from tests.integration.calls import ROWS as EXAMPLES


async def alias(address: str, base: str, *aliases: str) -> catalog_pb2.BaseModel:
    """The base with these aliases."""
    admin = Caller(address, ADMIN_KEY)
    wanted = catalog_pb2.BaseModel(name=f"baseModels/{base}", source="kept", aliases=aliases)
    answer = await admin.catalogue.UpdateBaseModel(
        catalog_pb2.UpdateBaseModelRequest(
            base_model=wanted, update_mask=FieldMask(paths=["aliases"])
        ),
        metadata=admin.metadata,
    )
    return answer.base_model


async def test_a_run_is_made_by_an_alias_and_shows_it(server: Running):
    base = await alias(server.address, "tiny-random", "davinci", "gpt-3.5-turbo")
    assert base.aliases == ["davinci", "gpt-3.5-turbo"]
    acme = await a_tenant(server.address, "acme")
    await acme.upload(jsonl(EXAMPLES))
    run = await acme.create(base_model="gpt-3.5-turbo")
    assert run.spec.base_model == "gpt-3.5-turbo"
    assert "fine_tunes_queued" in await acme.usage()
    assert not (await alias(server.address, "tiny-random")).aliases
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.create(base_model="gpt-3.5-turbo")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("aliases", "words"),
    [
        (["curie"], "'curie' is a name of baseModels/curie already"),
        (["taken"], "'taken' is a name of baseModels/ada already"),
        (["tiny-random"], "'tiny-random' is there already"),
        (["Not an id"], "aliases"),
        (["twice", "twice"], "aliases"),
    ],
)
async def test_an_alias_means_one_base_model(server: Running, aliases: list[str], words: str):
    await alias(server.address, "ada", "taken")
    _, said = await refused(alias(server.address, "tiny-random", *aliases))
    assert words in said


async def test_a_built_in_name_that_became_an_alias_stays_one(server_settings: Settings):
    async with serve(server_settings) as running:
        admin = Caller(running.address, ADMIN_KEY)
        await admin.catalogue.DeleteBaseModel(
            catalog_pb2.DeleteBaseModelRequest(name="baseModels/ada"), metadata=admin.metadata
        )
        await alias(running.address, "tiny-random", "ada")
        made: dict[str, Any] = {"source": "seeded:tiny", "description": "another"}
        create = catalog_pb2.CreateBaseModelRequest(
            base_model_id="ada", base_model=catalog_pb2.BaseModel(**made)
        )
        reason, _ = await refused(admin.catalogue.CreateBaseModel(create, metadata=admin.metadata))
        assert reason == "RESOURCE_EXISTS"
    async with serve(server_settings) as running:
        admin = Caller(running.address, ADMIN_KEY)
        listed = await admin.catalogue.ListBaseModels(
            catalog_pb2.ListBaseModelsRequest(), metadata=admin.metadata
        )
        assert "baseModels/ada" not in [base.name for base in listed.base_models]
