"""Imports through the front door; the suite of the sources is in tests/contract."""

import asyncio
import hashlib
import uuid
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from tunesmith import AsyncClient
from tunesmith._errors import ConflictError, InvalidArgumentError, QuotaExceededError
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith_server.bootstrap import Running
from tunesmith_server.settings import Settings

from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, refused

CONTENT = jsonl(ROWS)


@pytest.fixture
async def acme(server: Running) -> Caller:
    return await a_tenant(server.address, "acme", {"dataset_bytes": 10_000})


@pytest.fixture
def file(server_settings: Settings) -> Path:
    root = Path(server_settings.imports.folders[0])
    root.mkdir()
    (root / "rows.jsonl").write_bytes(CONTENT)
    (root / "large.jsonl").write_bytes(CONTENT * 20)
    return root / "rows.jsonl"


async def test_an_imported_file_is_as_an_uploaded_one(acme: Caller, file: Path):
    async with AsyncClient(acme.address, api_key=acme.key) as client:
        imported = await client.datasets.import_from(file.as_uri(), id="a")
        uploaded = await client.datasets.upload(file, id="b")
    for field in ("digest", "state", "findings", "statistics", "file_name", "shape"):
        assert getattr(imported, field) == getattr(uploaded, field)


async def test_a_repeated_import_answers_as_it_did_and_fetches_nothing(acme: Caller, file: Path):
    request = pb.ImportDatasetRequest(
        parent="tenants/-", dataset_id="a", uri=file.as_uri(), request_id=str(uuid.uuid4())
    )
    first = await acme.datasets.ImportDataset(request, metadata=acme.metadata)
    await asyncio.to_thread(file.unlink)
    assert await acme.datasets.ImportDataset(request, metadata=acme.metadata) == first
    request.dataset_id = "b"
    again = acme.datasets.ImportDataset(request, metadata=acme.metadata)
    assert (await refused(again))[0] == "REQUEST_ID_REUSED"


async def test_an_import_that_is_only_checked_changes_nothing(acme: Caller, file: Path):
    async with AsyncClient(acme.address, api_key=acme.key) as client:
        foreseen = await client.datasets.import_from(file.as_uri(), id="a", validate_only=True)
        assert MessageToDict(foreseen) == {
            "name": "tenants/acme/datasets/a",
            "state": "DATASET_STATE_PROCESSING",
            "sizeBytes": str(len(CONTENT)),
            "fileName": "rows.jsonl",
        }
        assert [dataset async for dataset in client.datasets.list()] == []
        for uri, error in (
            (file.with_name("large.jsonl").as_uri(), QuotaExceededError),
            (file.with_name("none").as_uri(), ConflictError),
            ("file:///etc/passwd", InvalidArgumentError),
        ):
            for validate_only in (True, False):
                with pytest.raises(error):
                    await client.datasets.import_from(uri, validate_only=validate_only)


async def test_a_file_with_another_digest_than_is_said_is_refused(acme: Caller, file: Path):
    async with AsyncClient(acme.address, api_key=acme.key) as client:
        right = hashlib.sha256(CONTENT).hexdigest()
        await client.datasets.import_from(file.as_uri(), id="a", sha256=right)
        with pytest.raises(InvalidArgumentError) as caught:
            await client.datasets.import_from(file.as_uri(), id="b", sha256="0" * 64)
    assert (caught.value.reason, caught.value.violations[0].field) == (
        "CHECKSUM_MISMATCH",
        "sha256",
    )
