"""A tenant's policy on secrets and personal data, through the front door, on both databases."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tunesmith.v1 import common_pb2, dataset_pb2
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Analysis, Settings

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, another_key, jsonl, refused
from tests.isolation.canaries import files
from tests.isolation.world import as_text, dump

CANARIES = ("canary.jane@gmail.com", "kV9!canary2")
LOUD = [
    *ROWS,
    {"prompt": "Who?", "completion": f" {CANARIES[0]}, password: {CANARIES[1]}"},
]
CODES = {"SECRET_FOUND", "PERSONAL_DATA_FOUND"}
READY, INVALID = dataset_pb2.DATASET_STATE_READY, dataset_pb2.DATASET_STATE_INVALID


@pytest.fixture
def server_settings(server_settings: Settings) -> Settings:
    """With a worker, which is who looks for them."""
    analysis = Analysis(processes=1, validate_wait_seconds=60)
    return server_settings.model_copy(update={"analysis": analysis})


async def looked_at(caller: Caller, rows: Sequence[Mapping[str, str]]) -> dataset_pb2.Dataset:
    """The dataset once its new version was looked at as a whole, and what came of that is there."""
    name = (await caller.upload(jsonl(rows))).name
    request = dataset_pb2.GetDatasetRequest(name=name)
    async with asyncio.timeout(60):
        while True:
            found = (await caller.datasets.GetDataset(request, metadata=caller.metadata)).dataset
            if found.analysis.state == dataset_pb2.ANALYSIS_STATE_COMPLETE:
                return found
            await asyncio.sleep(0.05)


async def a_family(address: str, *policies: str | None) -> list[Caller]:
    """Callers of tenants t0, t1 below it, and so on, each with the policy of its own, if any."""
    admin = Caller(address, ADMIN_KEY)
    callers = []
    for level, policy in enumerate(policies):
        tenant = pb.Tenant(
            parent_tenant=f"tenants/t{level - 1}" if level else "",
            sensitive_data=getattr(pb, f"SENSITIVE_DATA_POLICY_{policy}") if policy else None,
        )
        request = pb.CreateTenantRequest(tenant_id=f"t{level}", tenant=tenant)
        await admin.tenants.CreateTenant(request, metadata=admin.metadata)
        callers.append(await another_key(admin, f"t{level}", pb.ROLE_EDITOR))
    return callers


def told(dataset: dataset_pb2.Dataset) -> dict[str, int]:
    """What was found, with the severity of it."""
    return {f.code: f.severity for f in dataset.findings if f.code in CODES}


async def content(caller: Caller, name: str) -> bytes:
    request = dataset_pb2.DownloadDatasetRequest(name=name)
    call = caller.datasets.DownloadDataset(request, metadata=caller.metadata)
    return b"".join([part.data async for part in call])


async def test_they_are_warnings_unless_a_policy_says_otherwise(server: Running):
    [caller] = await a_family(server.address, None)
    dataset = await looked_at(caller, LOUD)
    assert dataset.state == READY
    assert set(told(dataset)) == CODES
    found = next(f for f in dataset.findings if f.code == "SECRET_FOUND")
    assert (found.line, found.pointer) == (len(LOUD), "/completion")
    assert (await caller.create()).name


async def test_nothing_is_looked_for_where_the_policy_is_off(server: Running):
    [caller] = await a_family(server.address, "OFF")
    dataset = await looked_at(caller, LOUD)
    assert (dataset.state, told(dataset)) == (READY, {})


async def test_what_is_blocked_cannot_be_trained_on(server: Running):
    [caller] = await a_family(server.address, "BLOCK")
    dataset = await looked_at(caller, LOUD)
    assert dataset.state == INVALID
    assert set(told(dataset).values()) == {common_pb2.FINDING_SEVERITY_ERROR}
    assert (await refused(caller.create()))[0] == "DATASET_NOT_READY"
    assert (await looked_at(caller, ROWS)).state == READY
    assert (await caller.create()).name


async def test_nobody_trains_on_what_was_not_looked_at_yet(
    server_settings: Settings,
):
    nobody = server_settings.model_copy(update={"analysis": Analysis(processes=0)})
    async with serve(nobody) as server:
        [caller] = await a_family(server.address, "BLOCK")
        dataset = await caller.upload(jsonl(ROWS))
        assert dataset.state == dataset_pb2.DATASET_STATE_PROCESSING
        assert (await refused(caller.create()))[0] == "DATASET_NOT_READY"


async def test_equal_bytes_under_another_name_are_looked_at_for_it_too(server: Running):
    [caller] = await a_family(server.address, "REDACT")
    await looked_at(caller, LOUD)
    other = (await caller.upload(jsonl(LOUD), id="other")).name
    request = dataset_pb2.GetDatasetRequest(name=other)
    async with asyncio.timeout(60):
        while True:
            found = (await caller.datasets.GetDataset(request, metadata=caller.metadata)).dataset
            if found.version_number == 2:
                break
            await asyncio.sleep(0.05)
    assert (found.state, told(found)) == (READY, {})


async def test_what_is_redacted_becomes_a_version_without_it(server: Running):
    [caller] = await a_family(server.address, "REDACT")
    dataset = await looked_at(caller, LOUD)
    assert (dataset.state, dataset.version_number, told(dataset)) == (READY, 2, {})
    assert dataset.parent_digest == hashlib.sha256(jsonl(LOUD)).hexdigest()
    lines = (await content(caller, dataset.name)).splitlines()
    assert lines[:-1] == jsonl(ROWS).splitlines()
    assert json.loads(lines[-1])["completion"] == " [EMAIL], password: [SECRET_PASSWORD]"
    assert (await looked_at(caller, LOUD)).digest == dataset.digest
    assert (await looked_at(caller, ROWS)).version_number == 3


async def test_a_redaction_is_on_record_without_what_was_redacted(server: Running):
    [caller] = await a_family(server.address, "REDACT")
    dataset = await looked_at(caller, LOUD)
    admin = await another_key(Caller(server.address, ADMIN_KEY), "t0", pb.ROLE_TENANT_ADMIN)
    request = pb.ListAuditEventsRequest(parent="tenants/-")
    events = (await admin.tenants.ListAuditEvents(request, metadata=admin.metadata)).audit_events
    details = [event.detail for event in events if "redacted" in event.detail]
    assert details == [f"sensitive data: redacted from {dataset.parent_digest}"]


@pytest.mark.parametrize(
    ("policies", "state"),
    [
        (("BLOCK", None), INVALID),
        (("BLOCK", None, None), INVALID),
        (("BLOCK", "WARN"), READY),
        (("OFF", "BLOCK", None), INVALID),
    ],
)
async def test_the_nearest_tenant_with_a_policy_decides(
    server: Running, policies: tuple[str | None, ...], state: int
):
    *_, lowest = await a_family(server.address, *policies)
    assert (await looked_at(lowest, LOUD)).state == state


async def test_a_policy_is_shown_changed_and_given_up(server: Running):
    await a_family(server.address, "BLOCK", None)
    admin = Caller(server.address, ADMIN_KEY)

    async def set_to(policy: Any) -> Any:
        request = pb.UpdateTenantRequest(
            tenant=pb.Tenant(name="tenants/t1", sensitive_data=policy),
            update_mask=FieldMask(paths=["sensitive_data"]),
        )
        return (
            await admin.tenants.UpdateTenant(request, metadata=admin.metadata)
        ).tenant.sensitive_data

    assert await set_to(pb.SENSITIVE_DATA_POLICY_OFF) == pb.SENSITIVE_DATA_POLICY_OFF
    assert await set_to(None) == pb.SENSITIVE_DATA_POLICY_UNSPECIFIED
    request = pb.GetTenantRequest(name="tenants/t0")
    shown = (await admin.tenants.GetTenant(request, metadata=admin.metadata)).tenant
    assert shown.sensitive_data == pb.SENSITIVE_DATA_POLICY_BLOCK


@pytest.mark.parametrize("policy", ["WARN", "BLOCK"])
async def test_what_was_recognised_is_kept_nowhere_but_in_the_blob(
    server: Running,
    server_settings: Settings,
    database_url: str,
    policy: str,
    capfd: pytest.CaptureFixture[str],
):
    [caller] = await a_family(server.address, policy)
    dataset = await looked_at(caller, [*LOUD, LOUD[-1]])
    await refused(caller.create(training_dataset="absent"))
    request = dataset_pb2.PrepareDatasetRequest(
        name=dataset.name, all_fixes=True, request_id=str(uuid.uuid4())
    )
    prepared = await caller.datasets.PrepareDataset(request, metadata=caller.metadata)
    assert "DUPLICATE_ROWS" in {fix.code for fix in prepared.fixes if fix.applied}
    canaries = [each.encode() for each in CANARIES]
    sinks = {
        "database": as_text(dump(database_url)).encode(),
        "log": "".join(capfd.readouterr()).encode(),
        **files(server_settings.data_dir),
    }
    assert {"SECRET_FOUND", "PERSONAL_DATA_FOUND"} == {
        code for code in CODES if code.encode() in sinks["database"]
    }
    holders = {name for name, sink in sinks.items() if any(each in sink for each in canaries)}
    assert holders
    assert {name.partition("/")[0] for name in holders} == {"blobs"}
