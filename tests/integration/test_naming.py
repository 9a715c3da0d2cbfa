"""A tenant's naming policy through the front door, on both databases."""

import asyncio
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from tunesmith.v1 import fine_tune_pb2, tenant_pb2
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.publishing import Publisher
from tunesmith_server.bootstrap import Running
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.public_names import parse_model_name
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Transaction

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, a_tenant, details, jsonl, reason
from tests.unit.domain.builders import NOW

POLICY = tenant_pb2.NamingPolicy(
    suffix_pattern="team-[a-z]+(-[0-9]+)?",
    required_prefix="team",
    auto_prefix=True,
    reserved_words=["openai", "gpt"],
    max_length=40,
    unique_within=tenant_pb2.SUFFIX_SCOPE_TENANT,
    on_collision=tenant_pb2.SUFFIX_COLLISION_NUMBER,
)


async def a_caller(server: Running, naming: tenant_pb2.NamingPolicy) -> Caller:
    """A caller of a tenant with the policy, who has a dataset."""
    caller = await a_tenant(server.address, "named", naming=naming)
    await caller.upload(jsonl(ROWS))
    return caller


async def refused(call: Any) -> tuple[str, dict[str, str]]:
    """The reason and the metadata of the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info = details(caught.value, error_details_pb2.ErrorInfo())
    return info.reason, dict(info.metadata)


async def test_a_policy_reads_back_as_given_and_makes_the_suffixes_of_runs(server: Running):
    caller = await a_caller(server, POLICY)
    read = await caller.tenants.GetTenant(
        tenant_pb2.GetTenantRequest(name="tenants/-"), metadata=caller.metadata
    )
    assert read.tenant.naming == POLICY
    assert (await caller.create(suffix="Support")).spec.suffix == "team-support"
    assert (await caller.create(suffix="team support")).spec.suffix == "team-support-2"
    assert (await caller.create()).spec.suffix == ""
    assert await refused(caller.create(suffix="gpt bot")) == (
        "NAMING_POLICY",
        {"rule": "reserved_words", "suggestion": "team-bot"},
    )
    assert await refused(caller.create(suffix="2")) == ("NAMING_POLICY", {"rule": "suffix_pattern"})


async def test_a_tenant_without_a_policy_shows_none(acme: Caller):
    read = await acme.tenants.GetTenant(
        tenant_pb2.GetTenantRequest(name="tenants/-"), metadata=acme.metadata
    )
    assert not read.tenant.HasField("naming")


async def test_every_fault_of_a_policy_is_named_and_no_tenant_is_made(server: Running):
    naming = tenant_pb2.NamingPolicy(
        suffix_pattern="(a+", required_prefix="Team-", reserved_words=["fine", "Not fine"]
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await a_tenant(server.address, "named", naming=naming)
    assert reason(caught.value) == "FIELD_INVALID"
    bad = details(caught.value, error_details_pb2.BadRequest())
    assert [violation.field for violation in bad.field_violations] == [
        f"tenant.naming.{field}"
        for field in ("suffix_pattern", "required_prefix", "reserved_words")
    ]
    assert await a_tenant(server.address, "named")


async def test_an_update_changes_the_policy_for_later_runs_and_can_take_it_away(server: Running):
    caller = await a_caller(server, POLICY)
    admin = Caller(server.address, ADMIN_KEY)

    async def update(naming: tenant_pb2.NamingPolicy) -> tenant_pb2.Tenant:
        request = tenant_pb2.UpdateTenantRequest(
            tenant=tenant_pb2.Tenant(name="tenants/named", naming=naming),
            update_mask=FieldMask(paths=["naming"]),
        )
        return (await admin.tenants.UpdateTenant(request, metadata=admin.metadata)).tenant

    changed = tenant_pb2.NamingPolicy(required_prefix="other")
    assert (await update(changed)).naming == changed
    assert await refused(caller.create(suffix="bot")) == (
        "NAMING_POLICY",
        {"rule": "required_prefix", "suggestion": "other-bot"},
    )
    assert (await refused(update(tenant_pb2.NamingPolicy(auto_prefix=True))))[0] == "FIELD_INVALID"
    assert not (await update(tenant_pb2.NamingPolicy())).HasField("naming")
    assert (await caller.create(suffix="bot")).spec.suffix == "bot"


async def test_a_plan_tells_the_suffix_or_what_is_wrong_with_it(server: Running):
    caller = await a_caller(server, POLICY)
    await caller.create(suffix="bot")

    async def plan(suffix: str) -> fine_tune_pb2.PlanFineTuneResponse:
        spec = fine_tune_pb2.FineTuneSpec(
            base_model="tiny-random", training_dataset="numbers", suffix=suffix
        )
        request = fine_tune_pb2.PlanFineTuneRequest(
            parent="tenants/-", fine_tune=fine_tune_pb2.FineTune(spec=spec)
        )
        return await caller.fine_tunes.PlanFineTune(request, metadata=caller.metadata)

    good = await plan("bot")
    assert not good.findings
    assert (await caller.create(suffix="bot")).spec.suffix == "team-bot-2"
    (finding,) = (await plan("gpt cat")).findings
    assert (finding.code, finding.pointer) == ("NAMING_POLICY", "/fine_tune/spec/suffix")
    assert finding.suggestion == "use 'team-cat'"


async def test_of_many_runs_of_one_suffix_each_gets_a_number_of_its_own(server: Running):
    caller = await a_caller(server, POLICY)
    runs = await asyncio.gather(*(caller.create(suffix="bot") for _ in range(12)))
    assert {run.spec.suffix for run in runs} == {
        "team-bot",
        *(f"team-bot-{number}" for number in range(2, 13)),
    }


async def test_where_collisions_are_refused_one_of_many_is_admitted_until_its_run_has_ended(
    server: Running,
):
    naming = tenant_pb2.NamingPolicy(unique_within=tenant_pb2.SUFFIX_SCOPE_BASE_MODEL)
    caller = await a_caller(server, naming)

    async def ask() -> str:
        try:
            return (await caller.create(suffix="bot")).name
        except grpc.aio.AioRpcError as error:
            return details(error, error_details_pb2.ErrorInfo()).metadata["suggestion"]

    outcomes = Counter(await asyncio.gather(*(ask() for _ in range(12))))
    assert outcomes.pop("bot-2") == 11
    (name,) = outcomes
    assert (await caller.create(suffix="bot", base_model="ada")).spec.suffix == "bot"
    await caller.fine_tunes.CancelFineTune(
        fine_tune_pb2.CancelFineTuneRequest(name=name), metadata=caller.metadata
    )
    assert (await caller.create(suffix="bot")).spec.suffix == "bot"


async def test_a_repeated_request_gets_the_suffix_of_the_first_and_a_rehearsal_takes_none(
    server: Running,
):
    caller = await a_caller(server, POLICY)
    rehearsed = await caller.create(suffix="bot", validate_only=True)
    request_id = str(uuid.uuid4())
    runs = [await caller.create(suffix="bot", request_id=request_id) for _ in range(2)]
    assert [run.spec.suffix for run in (rehearsed, *runs)] == ["team-bot"] * 3
    assert runs[0].name == runs[1].name


async def test_models_made_in_the_same_second_have_legacy_names_of_their_own(database_url: str):
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme.corp", NOW)))
    publisher = Publisher(*cast(Any, (None, None, Admission({}), None)))  # it keeps nothing

    def work(tx: Transaction) -> list[Model]:
        scope = tx.of("acme.corp")
        return [publisher.record(scope, a_model(number), NOW) for number in range(3)]

    models = await store.write(work)
    for model in models:
        for text in (model.public_name, model.legacy_name):
            name = parse_model_name(text)
            assert name
            assert (name.base, name.organization, name.suffix) == ("ada", "acme-corp", "bot")
            found = await store.read(lambda tx, text=text: tx.of("acme.corp").model_named(text))  # type: ignore[misc]
            assert found == model
    await store.close()


def a_model(number: int) -> Model:
    """A model that has no public names yet."""
    model = Model(
        name=ModelName("acme.corp", f"bot-{number}"),
        uid=f"0192f0c1-0000-7000-8000-00000000000{number}",
        base_model="ada",
        public_name="",
        legacy_name="",
        fine_tune="bot",
        digest="sha256:00",
        size_bytes=1,
        create_time=NOW,
    )
    return replace(model, suffix="bot")
