"""Requests that no client sends: answered like every other wrong one, and at little cost."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.calls import ROWS, jsonl
from tests.integration.http.conftest import Tenant, error_of, json_of
from tests.openai.conformance import works

_MB = 1 << 20


@pytest.fixture
def database_url(sqlite_database: str) -> str:
    """They are refused before there is anything to look up."""
    return sqlite_database


@pytest.mark.parametrize("path", ["/v1/files", "/v1/fine_tuning/jobs"])
@pytest.mark.parametrize("limit", ["0", "10001", "-1", "²", "9" * 5000])
async def test_a_limit_that_is_no_number_of_rows_is_a_bad_request(
    acme: Tenant, path: str, limit: str
):
    error = error_of(await acme.http.get(path, params={"limit": limit}), 400)
    assert error["param"] == "limit"


@pytest.mark.parametrize("first", ["34", "35", "9" * 5000])
async def test_a_range_that_begins_behind_the_end_cannot_be_satisfied(acme: Tenant, first: str):
    file = await acme.file(b'{"prompt": "a", "completion": "b"}\n')
    path = f"/v1/files/{file['id']}/content"
    size = file["bytes"]
    last = await acme.http.get(path, headers={"range": f"bytes={size - 1}-"})
    assert (last.status_code, last.content) == (206, b"\n")
    assert last.headers["content-range"] == f"bytes {size - 1}-{size - 1}/{size}"
    first = str(size) if first == "34" else first
    answer = await acme.http.get(path, headers={"range": f"bytes={first}-"})
    assert error_of(answer, 416)["param"] == "range"
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("depth", [600, 100_000])
async def test_json_that_is_nested_too_deeply_is_a_bad_request(acme: Tenant, depth: int):
    body = b'{"model": "ada", "prompt": ' + b"[" * depth + b"]" * depth + b"}"
    error = error_of(await acme.http.post("/v1/completions", content=body), 400)
    assert "nested too deeply" in error["message"]


async def test_a_form_may_not_have_much_beside_its_file(acme: Tenant):
    sent = 0

    async def fields() -> AsyncIterator[bytes]:
        nonlocal sent
        for number in range(1000):
            head = f'--X\r\nContent-Disposition: form-data; name="{number}"\r\n\r\n'
            yield head.encode() + b"x" * 4000 + b"\r\n"
            sent += 4000

    form = {"content-type": "multipart/form-data; boundary=X"}
    answer = await acme.http.post("/v1/files", content=fields(), headers=form)
    assert "beside its file" in error_of(answer, 400)["message"]
    # while a file may be as large as files are
    file = await acme.file(b'{"prompt": "a", "completion": "b"}\n' * 60_000)
    assert file["bytes"] > 2 * _MB


async def test_long_idempotency_keys_with_the_same_beginning_are_two(acme: Tenant):
    body = {"model": "tiny-random", "training_file": (await acme.file())["id"]}
    jobs = {
        json_of(
            await acme.http.post(
                "/v1/fine_tuning/jobs", json=body, headers={"idempotency-key": "k" * 600 + end}
            )
        )["id"]
        for end in "aab"
    }
    assert len(jobs) == 2


async def test_a_delete_that_is_repeated_with_its_key_gets_the_first_answer(acme: Tenant):
    file = (await acme.file())["id"]
    body = {"model": "tiny-random", "training_file": file}
    job = json_of(await acme.http.post("/v1/fine-tunes", json=body))["id"]
    json_of(await acme.http.post(f"/v1/fine-tunes/{job}/cancel"))
    for path in (f"/v1/fine-tunes/{job}", f"/v1/files/{file}"):
        key = {"idempotency-key": path}
        first, again = [json_of(await acme.http.delete(path, headers=key)) for _ in range(2)]
        assert first == again
        assert error_of(await acme.http.delete(path), 404)


async def test_an_order_that_is_none_is_a_bad_request(acme: Tenant):
    error = error_of(await acme.http.get("/v1/files", params={"order": "up"}), 400)
    assert (error["param"], "asc" in error["message"]) == ("order", True)


@works("POST /v1/files", "Idempotency-Key: sent again, it gives the first file")
async def test_a_file_that_is_sent_again_with_its_key_is_the_first_one(acme: Tenant):
    key, form = {"idempotency-key": "nightly"}, {"purpose": "fine-tune"}

    async def send(content: bytes) -> httpx.Response:
        files = {"file": ("rows.jsonl", content)}
        return await acme.http.post("/v1/files", data=form, files=files, headers=key)

    first, again = [json_of(await send(jsonl(ROWS))) for _ in range(2)]
    assert first == again
    error = error_of(await send(jsonl(ROWS[:3])), 400)
    assert error["code"] == "idempotency_key_reused"
    listed = json_of(await acme.http.get("/v1/files"))["data"]
    assert [file["id"] for file in listed] == [first["id"]]
