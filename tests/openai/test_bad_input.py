"""Whatever may be sent: a clear envelope each, and nothing left behind."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import msgspec
import pytest
from tunesmith.v1 import dataset_pb2, tenant_pb2
from tunesmith_server.edge.http.completions import ChatBody, CompletionBody
from tunesmith_server.edge.http.fine_tunes import FineTuneBody
from tunesmith_server.edge.http.jobs import JobBody
from tunesmith_server.settings import Sweeper

from tests.integration.calls import jsonl
from tests.openai.conformance import not_offered, works
from tests.openai.conftest import Account, Scripted
from tests.openai.rows import answers

FILES, JOBS, LEGACY = "POST /v1/files", "POST /v1/fine_tuning/jobs", "POST /v1/fine-tunes"
MB = 1 << 20
LIMITS = {"max_body_bytes": MB, "max_file_bytes": 2 * MB, "body_seconds": 0.5}


@pytest.fixture
async def acme(scripted: Scripted) -> AsyncIterator[Account]:
    """A tenant of a service with small limits, that trains nothing and sweeps all the time."""
    sweeper = Sweeper(interval_seconds=0.1, age_seconds=0.1)
    async with scripted(slots=0, http=LIMITS, sweeper=sweeper) as service:
        yield await service.account("acme")


@pytest.fixture
async def http(acme: Account) -> AsyncIterator[httpx.AsyncClient]:
    async with acme.http() as client:
        yield client


def error(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, in the one form that there is."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    return dict(body["error"])


OURS = re.compile("fine_tune.spec|tenants/")
"""Names of our own contract, which nobody here has heard of."""
FILE = {"training_file": "numbers"}
BODIES: list[tuple[str, Any, int, str | None, str]] = [
    ("fine-tunes", b"{", 400, None, "could not parse the JSON body"),
    ("fine-tunes", b"\xff", 400, None, "could not parse the JSON body"),
    ("fine-tunes", [], 400, None, "not a JSON object"),
    ("fine-tunes", {}, 400, "training_file", "you must provide a training_file parameter"),
    ("fine-tunes", {"training_file": 7}, 400, "training_file", "expected `str`, got `int`"),
    ("fine-tunes", {"training_file": "../x"}, 404, "training_file", "No such File object: ../x"),
    ("fine-tunes", {"training_file": "a\x00b"}, 400, "training_file", "NUL character"),
    ("fine-tunes", FILE | {"model": "nobody"}, 404, "model", "'nobody' is not in the catalogue"),
    ("fine-tunes", FILE | {"n_epochs": "4"}, 400, "n_epochs", "got `str`"),
    ("fine-tunes", FILE | {"n_epochs": 0}, 400, "n_epochs", "outside of 1 to 50"),
    ("fine-tunes", FILE | {"n_epochs": 10**30}, 400, "n_epochs", ""),
    ("fine-tunes", FILE | {"learning_rate_multiplier": -1}, 400, "learning_rate_multiplier", ""),
    ("fine-tunes", FILE | {"prompt_loss_weight": 1e308}, 400, "prompt_loss_weight", ""),
    ("fine-tunes", FILE | {"suffix": "x" * 41}, 400, "suffix", "longer than 40 characters"),
    ("fine-tunes", FILE | {"suffix": "!!"}, 400, "suffix", ""),
    ("fine-tunes", FILE | {"epochs": 4}, 400, "epochs", "Unrecognized request argument supplied"),
    (
        "fine-tunes",
        FILE | {"compute_classification_metrics": True},
        400,
        "classification",
        "",
    ),
    (
        "fine-tunes",
        FILE | {"classification_n_classes": 2},
        400,
        "compute_classification_metrics",
        "go with compute_classification_metrics",
    ),
    ("fine_tuning/jobs", FILE, 400, "model", "you must provide a model parameter"),
    ("fine_tuning/jobs", FILE | {"model": "ada", "suffix": "x" * 65}, 400, "suffix", "64"),
    ("fine_tuning/jobs", FILE | {"model": "ada", "seed": -1}, 400, "seed", ">= 0"),
    (
        "fine_tuning/jobs",
        FILE | {"model": "ada", "hyperparameters": {"n_epochs": "many"}},
        400,
        "hyperparameters.n_epochs",
        "",
    ),
    ("fine_tuning/jobs", FILE | {"model": "ada", "metadata": {"a": 1}}, 400, "metadata[...]", ""),
    (
        "fine_tuning/jobs",
        FILE | {"model": "ada", "metadata": {str(n): "" for n in range(17)}},
        400,
        "metadata",
        "more than 16 pairs",
    ),
    (
        "fine_tuning/jobs",
        FILE | {"model": "ada", "method": {"type": "reinforcement"}},
        400,
        "method.type",
        "'reinforcement' is not offered here: use supervised or dpo",
    ),
    (
        "fine_tuning/jobs",
        FILE | {"model": "ada", "method": {"type": "supervised", "dpo": {}}},
        400,
        "method.dpo",
        "options of another method than 'supervised'",
    ),
    (
        "fine_tuning/jobs",
        FILE | {"model": "ada", "method": {"type": "dpo", "supervised": {}}},
        400,
        "method.supervised",
        "options of another method than 'dpo'",
    ),
    *(
        (
            "fine_tuning/jobs",
            FILE | {"model": "ada", "method": {"type": "dpo", "dpo": {"hyperparameters": given}}},
            400,
            f"method.dpo.hyperparameters.{param}",
            words,
        )
        for given, param, words in (
            ({"beta": 0}, "beta", "> 0"),
            ({"beta": -0.1}, "beta", "> 0"),
            ({"beta": 2.5}, "beta", "<= 2"),
            ({"beta": "much"}, "beta", ""),
            ({"n_epochs": "many"}, "n_epochs", ""),
        )
    ),
    ("completions", {"prompt": "x"}, 400, "model", "you must provide a model parameter"),
    ("completions", {"model": "ada", "prompt": {}}, 400, "prompt", ""),
    ("completions", {"model": "ada", "prompt": [[1], 2]}, 400, "prompt", "prompt[1]"),
    ("completions", {"model": "ada", "prompt": ["x"] * 200, "n": 128}, 400, "prompt", "at most"),
    ("completions", {"model": "ada", "temperature": 3}, 400, "temperature", "between 0 and 2"),
    ("completions", {"model": "ada", "logprobs": 6}, 400, "logprobs", "between 0 and 5"),
    ("completions", {"model": "ada", "max_tokens": -1}, 400, "max_tokens", "at least 0"),
    ("completions", {"model": "ada", "n": 0}, 400, "n", "between 1 and 128"),
    ("completions", {"model": "ada", "best_of": 21}, 400, "best_of", "at most 20"),
    ("completions", {"model": "ada", "best_of": 2, "stream": True}, 400, "best_of", "stream"),
    ("completions", {"model": "ada", "stop": list("abcde")}, 400, "stop", "at most 4"),
    ("completions", {"model": "ada", "logit_bias": {"x": 1}}, 400, "logit_bias", "token ids"),
    ("completions", {"model": "ada", "logit_bias": {"1": 101}}, 400, "logit_bias", "-100"),
    ("completions", {"model": "ada", "presence_penalty": 3}, 400, "presence_penalty", "2"),
    ("completions", {"model": "ada/../curie", "prompt": "x"}, 404, "model", "does not exist"),
    ("chat/completions", {"model": "ada"}, 400, "messages", "you must provide a messages"),
    ("chat/completions", {"model": "ada", "messages": []}, 400, "messages", "too short"),
    (
        "chat/completions",
        {"model": "ada", "messages": [{"role": "king", "content": "x"}]},
        400,
        "messages.0.role",
        "'king' is not one of",
    ),
    (
        "chat/completions",
        {"model": "ada", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        400,
        "messages.0.content",
        "text alone",
    ),
]


@works("errors", "each names the parameter, what was found and what is allowed")
@not_offered(JOBS, "method.reinforcement", "nothing here trains by graders")
@not_offered("POST /v1/chat/completions", "images and other parts", "the models here read text")
async def test_what_is_wrong_with_a_body_is_said(acme: Account, http: httpx.AsyncClient):
    await acme.caller.upload(jsonl(answers()))
    before, wrong = await acme.caller.usage(), []
    for path, body, status, param, words in BODIES:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await http.post(path, content=content)
        found = error(answer)
        if (answer.status_code, found["param"]) != (status, param) or (
            words not in found["message"] or OURS.search(found["message"])
        ):
            wrong.append((path, body, answer.status_code, found))
    assert not wrong, "\n".join(map(str, wrong))
    assert (await http.get("fine-tunes")).json()["data"] == []
    assert _used(await acme.caller.usage()) == _used(before)


def _used(usage: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (row.used, row.reserved) for name, row in usage.items()}


@works("POST /v1/completions", "null for every optional field is as absent")
@works("POST /v1/chat/completions", "null for every optional field is as absent")
@works(JOBS, "null for every optional field is as absent")
@works(LEGACY, "null for every optional field is as absent")
async def test_null_is_the_same_as_absent(acme: Account, http: httpx.AsyncClient):
    await acme.caller.upload(jsonl(answers()))

    def nulls(kind: type[msgspec.Struct], **given: object) -> dict[str, object]:
        optional = [field.name for field in msgspec.structs.fields(kind) if not field.required]
        return dict.fromkeys(optional) | given

    made = await http.post("fine-tunes", json=nulls(FineTuneBody, training_file="numbers"))
    assert made.status_code == 200, made.text
    assert made.json()["model"] == "curie"
    body = nulls(JobBody, training_file="numbers", model="ada")
    for more in ({}, {"hyperparameters": {"n_epochs": None}}, {"method": {"supervised": None}}):
        made = await http.post("fine_tuning/jobs", json=body | more)
        assert made.status_code == 200, made.text
        assert made.json()["metadata"] is None
    messages = [{"role": "assistant", "content": None}, {"role": "user", "content": "x"}]
    for path, body in (
        ("completions", nulls(CompletionBody, model="nobody")),
        ("chat/completions", nulls(ChatBody, model="nobody", messages=messages)),
    ):
        # the body is understood: it is the model that is not there
        assert (await http.post(path, json=body)).json()["error"]["code"] == "model_not_found"


def multipart(*parts: tuple[str, bytes], end: bytes = b"--X--\r\n") -> bytes:
    """A form as bytes; the headers of a part are as given."""
    shown = [
        b"--X\r\nContent-Disposition: form-data; " + header.encode() + b"\r\n\r\n" + body + b"\r\n"
        for header, body in parts
    ]
    return b"".join(shown) + end


GOOD = jsonl(answers())
PURPOSE, DATA = 'name="purpose"', 'name="file"; filename="a.jsonl"'
FORM = {"content-type": "multipart/form-data; boundary=X"}
FORMS: list[tuple[dict[str, str], bytes, int, str]] = [
    ({"content-type": "application/json"}, b"{}", 415, "multipart/form-data"),
    ({"content-type": "multipart/form-data"}, b"", 400, "boundary"),
    (FORM, b"", 400, "'file' is a required property"),
    (FORM, b"no boundary at all", 400, "cannot be read"),
    (FORM, multipart((PURPOSE, b"fine-tune")), 400, "'file' is a required property"),
    (FORM, multipart((DATA, GOOD)), 400, "'purpose' is a required property"),
    (FORM, multipart((PURPOSE, b"search"), (DATA, GOOD)), 400, "'search' is not one of"),
    (FORM, multipart((DATA, GOOD), (PURPOSE, b"search")), 400, "'search' is not one of"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, GOOD), end=b""), 400, "ends before"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, GOOD), (DATA, GOOD)), 400, "One file"),
    (FORM, multipart((PURPOSE, b"x" * 5000), (DATA, GOOD)), 400, "longer than 4096"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, b"a,b\n1,2\n")), 400, "JSONL format"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, b"[1]\n")), 400, "Line 1 is not"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, b"\x80\x81")), 400, "JSONL format"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, b"")), 400, "empty"),
    (FORM, multipart((PURPOSE, b"fine-tune"), (DATA, b"x" * 3 * MB)), 413, "larger than"),
]


@works(FILES, "a broken form, another purpose, a file that is no JSON lines: 400, nothing is kept")
@works(FILES, "413 for what is too large; 415 for what is no form", "purpose before or after file")
@not_offered(FILES, "purposes other than fine-tune", "files here are for fine-tuning")
async def test_forms_that_cannot_be_taken_leave_nothing_behind(
    acme: Account, http: httpx.AsyncClient, tmp_path: Path
):
    before, wrong = _used(await acme.caller.usage()), []
    for headers, body, status, words in FORMS:
        answer = await http.post("files", content=body, headers=headers)
        if answer.status_code != status or words not in error(answer)["message"]:
            wrong.append((body[:200], answer.text))
    assert not wrong, "\n".join(map(str, wrong))

    async def broken() -> AsyncIterator[bytes]:
        yield multipart((PURPOSE, b"fine-tune"), (DATA, GOOD), end=b"")[:-20]
        await asyncio.sleep(0.05)
        raise OSError("the line is cut")

    with pytest.raises(OSError, match="cut"):
        await http.post("files", content=broken(), headers=FORM)
    assert (await http.get("files")).json()["data"] == []
    listed = await acme.caller.datasets.ListDatasets(
        dataset_pb2.ListDatasetsRequest(parent="tenants/-"), metadata=acme.caller.metadata
    )
    assert not listed.datasets
    async with asyncio.timeout(10):
        while blobs := [
            path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()
        ]:
            assert blobs
            await asyncio.sleep(0.05)  # until the sweeper came by; the deadline is above
        while _used(await acme.caller.usage()) != before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@works(FILES, "chunked without a length, in pieces of any size, as Node's old client sends it")
async def test_a_form_in_tiny_pieces_without_a_length(http: httpx.AsyncClient):
    body = multipart((DATA, GOOD), (PURPOSE, b"fine-tune"))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    made = await http.post("files", content=pieces(), headers=FORM)
    assert made.status_code == 200, made.text
    assert made.json()["bytes"] == len(GOOD)
    assert (await http.get(f"files/{made.json()['id']}/content")).content == GOOD


async def spoken(acme: Account, request: bytes, within: float = 5) -> bytes:
    """The refusal of bytes that are sent as they are."""
    host, _, port = acme.base.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(within):
        answer = await reader.readuntil(b"}}")
    writer.close()
    return answer


def head(acme: Account, path: str, *headers: str) -> bytes:
    """The head of a POST."""
    lines = [f"POST /v1/{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {acme.key}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@works("errors", "413 for 2 GB of body: before any of it is read")
@pytest.mark.parametrize("path", ["completions", "fine-tunes", "files"])
async def test_a_body_that_is_too_large_is_refused_before_it_comes(acme: Account, path: str):
    kind = "multipart/form-data; boundary=X" if path == "files" else "application/json"
    announced = head(acme, path, f"Content-Type: {kind}", f"Content-Length: {2 << 30}")
    answer = await spoken(acme, announced)  # not a byte of the body is sent
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"invalid_request_error"' in answer


@works("errors", "408 for a body of which nothing more comes")
@pytest.mark.parametrize("path", ["completions", "files"])
async def test_a_body_that_does_not_come_is_given_up(acme: Account, path: str):
    kind = "multipart/form-data; boundary=X" if path == "files" else "application/json"
    begun = multipart((PURPOSE, b"fine-tune"), (DATA, GOOD))[:200] if path == "files" else b'{"mo'
    request = head(acme, path, f"Content-Type: {kind}", "Content-Length: 5000") + begun
    answer = await spoken(acme, request)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"No more of the request came" in answer


@works("errors", "404 and 405 in the same envelope, with a request id", "double slashes")
async def test_routes_that_are_not_there_answer_in_the_same_form(http: httpx.AsyncClient):
    base = str(http.base_url)
    for verb, path, status in (
        ("GET", "nothing", 404),
        ("GET", "fine-tunes/a/b/c", 404),
        ("PUT", "files", 405),
        ("POST", "models", 405),
        ("PATCH", "fine_tuning/jobs/x", 405),
        ("DELETE", "fine-tunes", 405),
    ):
        answer = await http.request(verb, path)
        found = error(answer)
        assert (answer.status_code, found["type"]) == (status, "invalid_request_error")
        assert verb in found["message"]
    root = base.removesuffix("/v1/")
    assert error(await http.get(f"{root}/"))["message"] == "Invalid URL (GET /)"
    for doubled in (f"{root}//v1/models", f"{root}/v1//models", f"{root}//v1//models/ada"):
        assert (await http.get(doubled)).status_code == 200, doubled


@works(
    "GET /v1/files/{file}", "ids escaped in every way: %3A, %2F, +, Unicode, never decoded twice"
)
async def test_escaped_ids_are_decoded_once(http: httpx.AsyncClient):
    for path, shown in (
        ("files/dir%2Ffile.jsonl", "dir/file.jsonl"),
        ("files/%2Ftmp%2Fx", "/tmp/x"),
        ("files/http%3A%2F%2Fhost%2Fa+b.jsonl", "http://host/a+b.jsonl"),
        ("files/zw%C3%B6lf.jsonl", "zwölf.jsonl"),
        ("files/..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("files/a%252Fb", "a%2Fb"),
    ):
        answer = await http.get(path)
        found = error(answer)
        assert answer.status_code == 404
        assert found["message"] == f"No such File object: {shown}"
    for name in ("ada%3Aft-x-2026-01-02-03-04-05", "ada:ft-x-2026-01-02-03-04-05"):
        answer = await http.get(f"models/{name}")
        assert answer.status_code == 404
        assert "'ada:ft-x-2026-01-02-03-04-05'" in error(answer)["message"]


@works(LEGACY, "suffix against the tenant's naming policy: the words of gRPC")
@works(JOBS, "suffix against the tenant's naming policy: the words of gRPC")
async def test_a_naming_policy_speaks_as_over_grpc(scripted: Scripted):
    naming = tenant_pb2.NamingPolicy(reserved_words=["gpt"], max_length=10)
    async with scripted(slots=0) as service:
        acme = await service.account("acme", naming=naming)
        await acme.caller.upload(jsonl(answers()))
        async with acme.http() as http:
            for suffix in ("my gpt", "much too long for this", "!!"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await acme.caller.create(suffix=suffix)
                words = str(caught.value.details()).partition(": ")[2]
                for path in ("fine-tunes", "fine_tuning/jobs"):
                    body = {"training_file": "numbers", "model": "ada", "suffix": suffix}
                    answer = await http.post(path, json=body)
                    found = error(answer)
                    assert answer.status_code == 400
                    assert found["message"] == f"suffix: {words}"
                    assert found["param"] == "suffix"


async def test_a_file_that_cannot_be_trained_on_is_kept_and_says_why(http: httpx.AsyncClient):
    form = {"file": ("a.jsonl", b'{"prompt": "a"}\n')}
    made = (await http.post("files", files=form, data={"purpose": "fine-tune"})).json()
    assert made["status"] == "error"
    assert "line 1" in made["status_details"].lower()
    body = {"training_file": made["id"], "model": "ada"}
    answer = await http.post("fine_tuning/jobs", json=body)
    found = error(answer)
    assert (answer.status_code, found["code"]) == (400, "invalid_training_file")
    assert found["param"] == "training_file"
