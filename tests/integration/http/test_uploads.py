"""`/v1/uploads`: a file in parts, through the front door, on both databases."""

import asyncio
import hashlib
import itertools
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Settings

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, jsonl
from tests.integration.http.conftest import Tenant, client_of, error_of, json_of, tenant_of
from tests.integration.http.sweeping import swept_later
from tests.openai.conformance import differs, works

CONTENT = jsonl(ROWS * 40)
CUTS = (0, 7, 1000, 20_000, len(CONTENT))
PIECES = [CONTENT[start:end] for start, end in itertools.pairwise(CUTS)]


async def begun(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    body = {
        "filename": "folder/rows.jsonl",
        "purpose": "fine-tune",
        "bytes": len(CONTENT),
        "mime_type": "application/jsonl",
    }
    return json_of(await http.post("/v1/uploads", json=body | changes))


async def part(http: httpx.AsyncClient, upload: str, data: bytes) -> httpx.Response:
    return await http.post(f"/v1/uploads/{upload}/parts", files={"data": ("blob", data)})


async def parts(http: httpx.AsyncClient, upload: str) -> list[str]:
    """The ids of the parts, which arrive all at once and in any order."""
    numbers = list(range(len(PIECES)))
    random.Random(7).shuffle(numbers)
    answers = await asyncio.gather(*(part(http, upload, PIECES[number]) for number in numbers))
    found = dict(zip(numbers, (json_of(answer) for answer in answers), strict=True))
    assert all(part["object"] == "upload.part" for part in found.values())
    assert all(part["upload_id"] == upload for part in found.values())
    return [found[number]["id"] for number in sorted(found)]


async def complete(http: httpx.AsyncClient, upload: str, ids: list[str], **more: str) -> Any:
    return await http.post(f"/v1/uploads/{upload}/complete", json={"part_ids": ids, **more})


def kept_parts(settings: Settings) -> list[Path]:
    """What lies in the blob store of uploads that are no files yet."""
    return [path for path in (settings.data_dir / "blobs" / "parts").rglob("*") if path.is_file()]


@works(
    "/v1/uploads",
    "create, parts sent at once and in any order",
    "complete by part_ids, with md5",
)
async def test_parts_that_arrive_in_any_order_become_one_file_in_the_order_named(
    acme: Tenant, http_settings: Settings
):
    upload = await begun(acme.http)
    assert (upload["status"], upload["file"]) == ("pending", None)
    assert upload["expires_at"] == upload["created_at"] + 3600
    ids = await parts(acme.http, upload["id"])
    assert len(kept_parts(http_settings)) == len(PIECES)
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    done = json_of(await complete(acme.http, upload["id"], ids, md5=digest))
    assert done["status"] == "completed"
    file = done["file"]
    assert (file["filename"], file["bytes"]) == ("rows.jsonl", len(CONTENT))
    assert (file["status"], file["purpose"]) == ("processed", "fine-tune")
    assert (await acme.http.get(f"/v1/files/{file['id']}/content")).content == CONTENT
    assert json_of(await acme.http.get(f"/v1/files/{file['id']}")) == file
    assert kept_parts(http_settings) == []
    # a client that lost the answer asks again
    assert json_of(await complete(acme.http, upload["id"], ids)) == done
    run = await acme.http.post(
        "/v1/fine_tuning/jobs", json={"model": "tiny-random", "training_file": file["id"]}
    )
    assert json_of(run)["training_file"] == file["id"]


@works("/v1/uploads", "sizes, part ids and md5 that do not fit: 400, and can be mended")
async def test_what_does_not_come_to_the_whole_is_refused_and_can_be_mended(acme: Tenant):
    upload = await begun(acme.http)
    ids = await parts(acme.http, upload["id"])
    wrong = [
        (ids[:-1], {}, "part_ids"),
        ([], {}, "part_ids"),
        ([*ids, ids[0]], {}, "part_ids"),
        ([*ids, "part_of-nobody"], {}, "part_ids"),
        (ids, {"md5": "0" * 32}, "md5"),
    ]
    for named, more, param in wrong:
        error = error_of(await complete(acme.http, upload["id"], named, **more), 400)
        assert error["param"] == param, error
    assert json_of(await complete(acme.http, upload["id"], ids))["status"] == "completed"


async def test_what_is_no_json_lines_is_refused_when_it_is_complete(acme: Tenant):
    upload = await begun(acme.http, bytes=9)
    only = json_of(await part(acme.http, upload["id"], b"not JSON\n"))
    for _ in range(2):
        error = error_of(await complete(acme.http, upload["id"], [only["id"]]), 400)
        assert "Line 1 is not a dictionary" in error["message"]
    assert json_of(await acme.http.get("/v1/files"))["data"] == []
    mended = json_of(await part(acme.http, upload["id"], b'{"a": 1}\n'))
    assert json_of(await complete(acme.http, upload["id"], [mended["id"]]))["file"]["bytes"] == 9
    assert await acme.taken("dataset_bytes") == 9


@works("/v1/uploads", "cancel")
async def test_after_a_cancel_nothing_is_left_and_no_part_is_taken(
    acme: Tenant, http_settings: Settings
):
    upload = await begun(acme.http)
    ids = await parts(acme.http, upload["id"])
    assert await acme.taken("dataset_bytes") == len(CONTENT)
    path = f"/v1/uploads/{upload['id']}/cancel"
    assert json_of(await acme.http.post(path))["status"] == "cancelled"
    assert kept_parts(http_settings) == []
    assert await acme.taken("dataset_bytes") == 0
    assert "cancelled" in error_of(await part(acme.http, upload["id"], b"{}"), 400)["message"]
    assert "cancelled" in error_of(await complete(acme.http, upload["id"], ids), 400)["message"]
    assert kept_parts(http_settings) == []
    done = await begun(acme.http)
    await complete(acme.http, done["id"], await parts(acme.http, done["id"]))
    error = error_of(await acme.http.post(f"/v1/uploads/{done['id']}/cancel"), 400)
    assert "completed" in error["message"]


async def test_another_tenants_upload_is_as_one_that_is_not_there(acme: Tenant, rival: Tenant):
    upload = await begun(acme.http)
    ids = await parts(acme.http, upload["id"])
    for id in (upload["id"], "upload_of-nobody", "a\0b"):
        for answer in (
            await part(rival.http, id.replace("\0", "%00"), b"{}\n"),
            await complete(rival.http, id.replace("\0", "%00"), ids),
            await rival.http.post(f"/v1/uploads/{id.replace(chr(0), '%00')}/cancel"),
        ):
            message = error_of(answer, 404)["message"]
            assert message.startswith("No such Upload object")
            assert "tenants/" not in message
    assert json_of(await complete(acme.http, upload["id"], ids))["status"] == "completed"


async def test_parts_count_against_the_quota_and_one_that_does_not_fit_is_not_kept(
    http_server: Running, http_settings: Settings
):
    small = await tenant_of(http_server, "small", {"dataset_bytes": len(CONTENT) + 100})
    async with small.http as http:
        over = await http.post(
            "/v1/uploads",
            json={
                "filename": "x",
                "purpose": "fine-tune",
                "bytes": len(CONTENT) + 101,
                "mime_type": "x",
            },
        )
        assert error_of(over, 429)["code"] == "insufficient_quota"
        first, second = await begun(http), await begun(http)
        ids = await parts(http, first["id"])
        assert error_of(await part(http, second["id"], CONTENT[:101]), 429)
        assert len(kept_parts(http_settings)) == len(PIECES)
        assert json_of(await complete(http, first["id"], ids))["status"] == "completed"
        assert await small.taken("dataset_bytes") == len(CONTENT)


@works("/v1/uploads", "parts stay over a restart")
async def test_an_upload_survives_the_end_of_the_service(http_settings: Settings):
    async with serve(http_settings) as running:
        tenant = await tenant_of(running, "acme")
        async with tenant.http:
            upload = await begun(tenant.http)
            ids = await parts(tenant.http, upload["id"])
    async with (
        serve(http_settings) as running,
        client_of(running, tenant.grpc.key) as http,
    ):
        done = json_of(await complete(http, upload["id"], ids))
        assert (await http.get(f"/v1/files/{done['file']['id']}/content")).content == CONTENT


@works("/v1/uploads", "expiry after an hour")
async def test_an_upload_that_nobody_completes_in_time_goes_with_the_next_sweep(
    acme: Tenant, http_settings: Settings
):
    upload = await begun(acme.http)
    ids = await parts(acme.http, upload["id"])
    await swept_later(http_settings, minutes=59)
    assert len(kept_parts(http_settings)) == len(PIECES)
    await swept_later(http_settings, minutes=61)
    assert kept_parts(http_settings) == []
    assert await acme.taken("dataset_bytes") == 0
    assert error_of(await complete(acme.http, upload["id"], ids), 404)


async def test_the_same_idempotency_key_begins_one_upload_and_takes_a_part_once(
    acme: Tenant, http_settings: Settings
):
    key = {"idempotency-key": "once"}
    body = {"filename": "x", "purpose": "fine-tune", "bytes": 3, "mime_type": "x"}
    first, second = [
        json_of(await acme.http.post("/v1/uploads", json=body, headers=key)) for _ in range(2)
    ]
    assert first == second
    path, key = f"/v1/uploads/{first['id']}/parts", {"idempotency-key": "a part"}
    ids = {
        json_of(await acme.http.post(path, files={"data": b"{}\n"}, headers=key))["id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    other = await acme.http.post(path, files={"data": b"[]\n"}, headers=key)
    assert error_of(other, 400)["code"] == "idempotency_key_reused"
    assert len(kept_parts(http_settings)) == 1


async def test_of_one_upload_no_more_is_kept_than_twice_its_size(
    acme: Tenant, http_settings: Settings
):
    upload = await begun(acme.http, bytes=10)
    for _ in range(2):
        assert json_of(await part(acme.http, upload["id"], b"x" * 10))
    error = error_of(await part(acme.http, upload["id"], b"x"), 400)
    assert "twice the 10 bytes" in error["message"]
    assert len(kept_parts(http_settings)) == 2


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": 2**50}, "bytes"),
        ({"purpose": "assistants"}, "purpose"),
        ({"filename": "a\0b"}, "filename"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "seconds"),
        ({"expires_after": {"anchor": "never", "seconds": 3600}}, "expires_after.anchor"),
    ],
)
async def test_a_wrong_field_of_an_upload_is_named(
    acme: Tenant, changes: dict[str, Any], param: str
):
    body = {"filename": "x", "purpose": "fine-tune", "bytes": 9, "mime_type": "x"} | changes
    assert error_of(await acme.http.post("/v1/uploads", json=body), 400)["param"] == param


async def test_a_part_larger_than_its_upload_or_empty_or_broken_off_leaves_nothing(
    acme: Tenant, http_settings: Settings
):
    upload = await begun(acme.http, bytes=10)
    for data in (b"x" * 11, b""):
        assert error_of(await part(acme.http, upload["id"], data), 400)["param"] == "data"
    broken = b'--b\r\ncontent-disposition: form-data; name="data"; filename="x"\r\n\r\n{"a'
    answer = await acme.http.post(
        f"/v1/uploads/{upload['id']}/parts",
        content=broken,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert "before its boundary" in error_of(answer, 400)["message"]
    assert kept_parts(http_settings) == []


async def test_an_upload_goes_with_its_tenant(
    http_server: Running, http_settings: Settings, acme: Tenant
):
    leaving = await tenant_of(http_server, "leaving")
    async with leaving.http as http:
        upload = await begun(http)
        await parts(http, upload["id"])
    admin = Caller(http_server.address, ADMIN_KEY)
    await admin.tenants.DeleteTenant(
        tenant_pb2.DeleteTenantRequest(name="tenants/leaving", cascade=True, confirm="leaving"),
        metadata=admin.metadata,
    )
    assert len(kept_parts(http_settings)) == len(PIECES)
    await swept_later(http_settings, age=timedelta(0))
    assert kept_parts(http_settings) == []


@differs("/v1/files", "a file that a policy withholds", "is `uploaded` until it was looked at")
async def test_a_file_is_processed_once_it_was_looked_at_for_secrets_where_the_policy_wants_it(
    http_server: Running,
):
    careful = await tenant_of(http_server, "careful")
    admin = Caller(http_server.address, ADMIN_KEY)
    policy = tenant_pb2.Tenant(
        name="tenants/careful", sensitive_data=tenant_pb2.SENSITIVE_DATA_POLICY_BLOCK
    )
    await admin.tenants.UpdateTenant(
        tenant_pb2.UpdateTenantRequest(tenant=policy, update_mask={"paths": ["sensitive_data"]}),
        metadata=admin.metadata,
    )
    async with careful.http as http:  # nobody looks at files in these tests
        upload = await begun(http)
        done = json_of(await complete(http, upload["id"], await parts(http, upload["id"])))
        for file in (done["file"], await careful.file()):
            assert (file["status"], file["status_details"]) == ("uploaded", None)
        body = {"model": "tiny-random", "training_file": done["file"]["id"]}
        refused = error_of(await http.post("/v1/fine_tuning/jobs", json=body), 400)
    assert refused["code"] == "invalid_training_file"
