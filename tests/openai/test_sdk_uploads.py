"""Uploads in parts, expiry, limits and what is not offered, with the current SDK."""

import hashlib

import pytest
from tunesmith.v1 import tenant_pb2

from tests.openai.clients import Raised
from tests.openai.conformance import works
from tests.openai.conftest import Scripted, sdk
from tests.openai.rows import answers, lines

UPLOADS, FILES = "POST /v1/uploads", "POST /v1/files"


@works(UPLOADS, "", "expires_after")
@works("POST /v1/uploads/{upload}/parts", "the SDK's upload_file_chunked, parts of any size")
@works("POST /v1/uploads/{upload}/complete", "part_ids in order, md5")
@works("POST /v1/uploads/{upload}/cancel", "later parts: 400")
@works(FILES, "expires_after")
async def test_uploads_in_parts_and_files_that_expire(scripted: Scripted):
    async with scripted(slots=0) as service:
        acme = await service.account("acme")
        text = lines(answers(40))
        async with sdk(acme) as run:
            whole = await run(
                """
upload = client.uploads.upload_file_chunked(
    file=text.encode(), filename="big.jsonl", bytes=len(text), mime_type="application/jsonl",
    purpose="fine-tune", part_size=100, md5=md5)
[upload, client.files.content(upload.file.id).read()]
""",
                text=text,
                md5=hashlib.md5(text.encode()).hexdigest(),
            )
            upload, content = whole
            assert (upload["object"], upload["status"]) == ("upload", "completed")
            assert upload["file"]["filename"] == "big.jsonl"
            assert upload["file"]["status"] == "processed"
            assert content == text
            cancelled = await run(
                """
after = {"anchor": "created_at", "seconds": 3600}
upload = client.uploads.create(filename="b", bytes=9, purpose="fine-tune",
                               mime_type="application/jsonl", expires_after=after)
client.uploads.cancel(upload.id).status
"""
            )
            assert cancelled == "cancelled"
            with pytest.raises(Raised) as caught:
                await run("client.uploads.parts.create(upload.id, data=b'x')")
            assert (caught.value.kind, caught.value.status) == ("BadRequestError", 400)
            file = await run(
                "client.files.create(file=('a.jsonl', text.encode()), purpose='fine-tune',"
                " expires_after=after)"
            )
            assert file["expires_at"] == file["created_at"] + 3600


@works("GET /v1/fine_tuning/model_limits", "")
@works("GET /v1/engines", "")
@works("GET /v1/engines/{engine}", "")
@works("POST /v1/engines/{engine}/chat/completions", "an unknown engine is model_not_found")
async def test_what_is_not_offered_says_why(scripted: Scripted):
    async with scripted(slots=0) as service:
        acme = await service.account("acme", role=tenant_pb2.ROLE_TENANT_ADMIN)
        async with sdk(acme) as run:
            with pytest.raises(Raised) as caught:
                await run("client.embeddings.create(model='ada', input='x')")
            assert (caught.value.kind, caught.value.code) == ("NotFoundError", "not_offered")
        async with acme.http() as http:
            limits = (await http.get("fine_tuning/model_limits")).json()["data"]
            assert {"ada", "curie", "gpt-3.5-turbo"} <= {limit["model"] for limit in limits}
            engines = (await http.get("engines")).json()["data"]
            assert "ada" in [engine["id"] for engine in engines]
            engine = (await http.get("engines/davinci")).json()
            assert engine == {
                "id": "davinci",
                "object": "engine",
                "owner": "tunesmith",
                "ready": True,
            }
            body = {"messages": [{"role": "user", "content": "x"}]}
            absent = await http.post("engines/nobody/chat/completions", json=body)
            assert (absent.status_code, absent.json()["error"]["code"]) == (404, "model_not_found")


@works("every answer", "x-request-id, openai-version, openai-processing-ms, openai-organization")
@works("every answer", "x-ratelimit-{limit,remaining,reset}-requests, where there is a limit")
async def test_headers(scripted: Scripted):
    async with scripted(slots=0) as service:
        acme = await service.account("acme", {"requests_per_minute": 50})
        async with acme.http() as http:
            headers = (await http.get("models")).headers
            assert headers["x-request-id"]
            assert float(headers["openai-processing-ms"]) >= 0
            assert headers["openai-version"]
            assert headers["openai-organization"] == "acme"
            assert headers["x-ratelimit-limit-requests"] == "50"
            assert int(headers["x-ratelimit-remaining-requests"]) < 50
            given = await http.get("models", headers={"x-request-id": "mine-1"})
            assert given.headers["x-request-id"] == "mine-1"
