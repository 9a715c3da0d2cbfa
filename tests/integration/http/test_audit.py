"""What goes on record of calls over HTTP: as over gRPC, on both databases."""

from tunesmith.v1 import tenant_pb2
from tunesmith_server.bootstrap import Running

from tests.integration.calls import ADMIN_KEY, Caller, another_key
from tests.integration.http.conftest import Tenant, client_of, error_of
from tests.integration.test_audit import audit, audited, told


async def test_every_refused_mutation_and_every_denial_is_on_record_and_no_refused_read_is(
    http_server: Running, acme: Tenant
):
    admin = Caller(http_server.address, ADMIN_KEY)
    viewer = await another_key(admin, "acme", tenant_pb2.ROLE_VIEWER)
    before = len(await audit(admin, "acme"))
    job = {"model": "tiny-random", "training_file": "none"}
    error_of(await acme.http.post("/v1/fine_tuning/jobs", json={"n": 1}), 400)
    error_of(await acme.http.post("/v1/fine_tuning/jobs", json=job), 404)
    error_of(await acme.http.post("/v1/files", json={}), 415)
    error_of(await acme.http.delete("/v1/models/nobody"), 404)
    error_of(await acme.http.post("/v1/fine-tunes/none/cancel"), 404)
    error_of(await acme.http.get("/v1/files/none"), 404)  # a read
    error_of(await acme.http.post("/v1/completions", json={"model": "nobody"}), 404)
    async with client_of(http_server, viewer.key) as http:
        error_of(await http.post("/v1/fine_tuning/jobs", json=job), 403)
    events = (await audited(admin, "acme", before + 6))[before:]
    assert sorted(map(told, events)) == sorted(
        [
            ("CreateFineTune", "/v1/fine_tuning/jobs", "FIELD_INVALID"),
            ("CreateFineTune", "/v1/fine_tuning/jobs", "RESOURCE_NOT_FOUND"),
            ("UploadDataset", "/v1/files", "FIELD_INVALID"),
            ("DeleteModel", "/v1/models/nobody", "RESOURCE_NOT_FOUND"),
            ("CancelFineTune", "/v1/fine-tunes/none/cancel", "RESOURCE_NOT_FOUND"),
            ("CreateFineTune", "/v1/fine_tuning/jobs", "PERMISSION_DENIED"),
        ]
    )


async def test_who_shows_no_key_or_a_wrong_one_is_on_record_with_the_platform(
    http_server: Running,
):
    admin = Caller(http_server.address, ADMIN_KEY)
    before = len(await audit(admin))
    for key in ("", "sk-ts-wrong"):
        async with client_of(http_server, key) as http:
            error_of(await http.get("/v1/models"), 401)
    events = (await audited(admin, "-", before + 2))[before:]
    assert [told(event) for event in events] == [
        ("ListModels", "/v1/models", "UNAUTHENTICATED")
    ] * 2
    assert all(event.peer and not event.principal for event in events)


async def test_a_file_that_cannot_be_read_was_never_there(http_server: Running, acme: Tenant):
    admin = Caller(http_server.address, ADMIN_KEY)
    before = len(await audit(admin, "acme"))
    form = {"file": ("rows.jsonl", b"[1, 2]\n")}
    answer = await acme.http.post("/v1/files", files=form, data={"purpose": "fine-tune"})
    assert "JSONL format" in error_of(answer, 400)["message"]
    events = (await audited(admin, "acme", before + 1))[before:]
    assert [told(event) for event in events] == [("UploadDataset", "/v1/files", "FIELD_INVALID")]
