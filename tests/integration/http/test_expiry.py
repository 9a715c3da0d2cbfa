"""Files that expire, through the front door, on both databases."""

import pytest
from tunesmith.v1 import dataset_pb2, tenant_pb2
from tunesmith_server.settings import Settings

from tests.integration.calls import ADMIN_KEY, Caller
from tests.integration.http.conftest import Tenant, error_of, json_of
from tests.integration.http.sweeping import swept_later
from tests.openai.conformance import differs, works

AN_HOUR = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}


async def ids(tenant: Tenant) -> set[str]:
    return {file["id"] for file in json_of(await tenant.http.get("/v1/files"))["data"]}


@works("/v1/files", "expires_after, expires_at")
async def test_a_file_says_when_it_expires_here_and_over_grpc_and_goes_then(
    acme: Tenant, http_settings: Settings
):
    file, kept = await acme.file(**AN_HOUR), await acme.file()
    assert file["expires_at"] == file["created_at"] + 3600
    assert kept["expires_at"] is None
    for each in (file, kept):
        answer = await acme.grpc.datasets.GetDataset(
            dataset_pb2.GetDatasetRequest(name=f"tenants/-/datasets/{each['id']}"),
            metadata=acme.grpc.metadata,
        )
        seconds = answer.dataset.expire_time.seconds
        assert seconds == (each["expires_at"] or 0)
        assert answer.dataset.HasField("expire_time") == (each is file)
    await swept_later(http_settings, minutes=59)
    assert await ids(acme) == {file["id"], kept["id"]}
    await swept_later(http_settings, minutes=61)
    assert await ids(acme) == {kept["id"]}
    assert error_of(await acme.http.get(f"/v1/files/{file['id']}"), 404)
    assert await acme.taken("datasets") == 1
    admin = Caller(acme.grpc.address, ADMIN_KEY)
    log = await admin.tenants.ListAuditEvents(
        tenant_pb2.ListAuditEventsRequest(parent="tenants/acme"), metadata=admin.metadata
    )
    deleted = [event for event in log.audit_events if event.method.endswith("/DeleteDataset")]
    assert [event.principal for event in deleted] == ["system"]
    assert deleted[0].resource.endswith(file["id"])


@differs("/v1/files", "an expired file that a job under way uses", "stays until the job has ended")
async def test_an_expired_file_stays_as_long_as_a_run_under_way_uses_it(
    acme: Tenant, http_settings: Settings
):
    file = await acme.file(**AN_HOUR)
    job = json_of(
        await acme.http.post(
            "/v1/fine_tuning/jobs", json={"model": "tiny-random", "training_file": file["id"]}
        )
    )
    await swept_later(http_settings, hours=2)
    assert await ids(acme) == {file["id"]}
    await acme.http.post(f"/v1/fine_tuning/jobs/{job['id']}/cancel")
    await swept_later(http_settings, hours=2)
    assert await ids(acme) == set()


async def test_the_form_may_say_it_after_the_file_as_some_clients_do(acme: Tenant):
    form = [
        ("file", ("rows.jsonl", b'{"prompt": "a", "completion": "b"}\n')),
        *((name, (None, value)) for name, value in AN_HOUR.items()),
        ("purpose", (None, "fine-tune")),
    ]
    file = json_of(await acme.http.post("/v1/files", files=form))
    assert file["expires_at"] == file["created_at"] + 3600


async def test_an_upload_in_parts_gives_its_file_the_expiry(acme: Tenant):
    content = b'{"prompt": "a", "completion": "b"}\n'
    upload = json_of(
        await acme.http.post(
            "/v1/uploads",
            json={
                "filename": "x",
                "purpose": "fine-tune",
                "bytes": len(content),
                "mime_type": "x",
                "expires_after": {"anchor": "created_at", "seconds": 7200},
            },
        )
    )
    path = f"/v1/uploads/{upload['id']}"
    part = json_of(await acme.http.post(f"{path}/parts", files={"data": content}))
    done = json_of(await acme.http.post(f"{path}/complete", json={"part_ids": [part["id"]]}))
    assert done["file"]["expires_at"] == done["file"]["created_at"] + 7200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        (AN_HOUR | {"expires_after[seconds]": "3599"}, "seconds"),
        (AN_HOUR | {"expires_after[seconds]": "2592001"}, "seconds"),
        (AN_HOUR | {"expires_after[seconds]": "soon"}, "expires_after.seconds"),
    ],
)
async def test_an_expiry_that_makes_no_sense_is_refused_and_no_file_stays(
    acme: Tenant, fields: dict[str, str], param: str
):
    answer = await acme.http.post(
        "/v1/files",
        data={"purpose": "fine-tune", **fields},
        files={"file": ("x.jsonl", b'{"prompt": "a", "completion": "b"}\n')},
    )
    assert error_of(answer, 400)["param"] == param
    assert await ids(acme) == set()
