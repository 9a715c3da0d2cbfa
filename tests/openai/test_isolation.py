"""Isolation over HTTP, from the table of routes: what is another tenant's is not there.

For every route and every place in it that names something: a foreign id, and one that nobody has,
get the same answer but for the id. A new route is in it from the start, or fails the second test.
"""

import inspect
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from unittest.mock import MagicMock

import httpx
import pytest
from tunesmith.v1 import model_pb2, tenant_pb2
from tunesmith_server.edge.http.app import endpoints

from tests.integration.calls import jsonl
from tests.integration.training import until
from tests.openai.conformance import works
from tests.openai.conftest import Account, Scripted
from tests.openai.rows import answers

ROUTES = [
    (verb, path)
    for verb, path, *_ in endpoints(*(MagicMock() for _ in inspect.signature(endpoints).parameters))
]
IN_PATH = [(verb, path) for verb, path in ROUTES if "{" in path]

_FILE, _JOB, _MODEL = "{file}", "{job}", "{model}"
IN_BODY: dict[tuple[str, str], list[dict[str, object]]] = {
    ("POST", "/v1/files"): [],  # a form that names nothing
    ("POST", "/v1/uploads"): [],
    ("POST", "/v1/fine-tunes"): [
        {"training_file": _FILE, "model": "ada"},
        {"training_file": "own", "validation_file": _FILE, "model": "ada"},
        {"training_file": "own", "model": _MODEL},
    ],
    ("POST", "/v1/fine_tuning/jobs"): [
        {"training_file": _FILE, "model": "ada"},
        {"training_file": "own", "validation_file": _FILE, "model": "ada"},
        {"training_file": "own", "model": _MODEL},
    ],
    ("POST", "/v1/completions"): [{"model": _MODEL, "prompt": "x"}],
    ("POST", "/v1/chat/completions"): [
        {"model": _MODEL, "messages": [{"role": "user", "content": "x"}]}
    ],
}
"""Of routes that take a body without a name in their path: the bodies that name something."""
IN_QUERY = {
    ("GET", "/v1/files"): {"after": _FILE},
    ("GET", "/v1/fine_tuning/jobs"): {"after": _JOB},
}


@dataclass(frozen=True)
class World:
    """A caller, and ids by kind: those of another tenant, and others like them of nobody."""

    http: httpx.AsyncClient
    foreign: dict[str, list[str]]
    absent: dict[str, list[str]]
    foreigner: Account


@pytest.fixture
async def world(scripted: Scripted) -> AsyncIterator[World]:
    async with scripted("prepared,metrics=1,checkpoint=1,succeed") as service:
        # administrators: an editor is refused whatever it names
        admin = tenant_pb2.ROLE_TENANT_ADMIN
        own, other = [await service.account(id, role=admin) for id in ("acme", "zzf")]
        await own.caller.upload(jsonl(answers()), id="own")
        async with other.http() as http:
            form = {"file": ("a.jsonl", jsonl(answers()))}
            made = await http.post("files", files=form, data={"purpose": "fine-tune"})
            file = made.json()["id"]
            body = {"training_file": file, "model": "ada", "suffix": "bot"}
            job = (await http.post("fine_tuning/jobs", json=body)).json()["id"]
            pending: dict[str, object] = {"filename": "b", "purpose": "fine-tune", "bytes": 9}
            pending["mime_type"] = "application/jsonl"
            upload = (await http.post("uploads", json=pending)).json()["id"]
            await until(other.caller, f"tenants/zzf/fineTunes/{job}", "SUCCEEDED")
        listed = await other.caller.models.ListModels(
            model_pb2.ListModelsRequest(parent="tenants/-"), metadata=other.caller.metadata
        )
        (model,) = listed.models
        stamp = model.legacy_name[-len("2026-01-02-03-04-05") :]
        foreign = {
            "file": [file, f"file-results-{job}"],
            "job": [job],
            "upload": [upload],
            "model": [model.public_name, model.legacy_name, model.name],
        }
        absent = {
            "file": [_turned(file), f"file-results-{_turned(job)}"],
            "job": [_turned(job)],
            "upload": [_turned(upload)],
            "model": [
                _turned(model.public_name),
                f"{model.legacy_name[: -len(stamp)]}1999{stamp[4:]}",
                _turned(model.name),
            ],
        }
        foreign["engine"], absent["engine"] = foreign["model"][:2], absent["model"][:2]
        async with own.http() as http:
            yield World(http, foreign, absent, other)


def _turned(id: str) -> str:
    """An id of the same form that nobody has."""
    return id[:-4] + ("0000" if id[-4:] != "0000" else "1111")


async def compared(world: World, verb: str, path: str, kind: str, body: object, query: object):
    """The answers for a foreign and an absent id of that kind, which must be the same."""
    for foreign, absent in zip(world.foreign[kind], world.absent[kind], strict=True):
        found = []
        for id in (foreign, absent):

            def filled(value: object, id: str = id) -> str:
                return json.dumps(value).replace(f"{{{kind}}}", id).replace(f"{{{kind}:path}}", id)

            url = str(world.http.base_url).removesuffix("/v1/") + json.loads(filled(path))
            answer = await world.http.request(
                verb,
                url,
                content=filled(body) if body is not None else None,
                params=json.loads(filled(query)),
            )
            headers = {k: v for k, v in answer.headers.items() if k not in _VARIES}
            found.append(
                (answer.status_code, answer.text.replace(id.rpartition("/")[2], "ID"), headers)
            )
            assert 400 <= answer.status_code < 500, (verb, path, id, answer.text)
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert found[0] == found[1], (verb, path, foreign)


_VARIES = {"date", "x-request-id", "openai-processing-ms", "content-length"}


@works("isolation", "another tenant's file, job and model ids answer as ids that nobody has")
async def test_every_name_of_another_tenant_is_answered_as_an_absent_one(world: World):
    before = await world.foreigner.caller.usage()
    for verb, path in IN_PATH:
        kind = path.partition("{")[2].partition("}")[0].partition(":")[0]
        asked: object = {}
        if path.endswith("completions"):
            asked = {"prompt": "x"}
            if "chat" in path:
                asked = {"messages": [{"role": "user", "content": "x"}]}
        if path.endswith("permissions"):
            asked = {"project_ids": ["nobody"]}
        if kind in world.foreign:
            await compared(world, verb, path, kind, asked if verb == "POST" else None, {})
    for (verb, path), bodies in IN_BODY.items():
        for body in bodies:
            kind = json.dumps(body).partition("{")[2].partition("{")[2].partition("}")[0]
            await compared(world, verb, path, kind, body, {})
    for (verb, path), query in IN_QUERY.items():
        await compared(world, verb, path, query["after"].strip("{}"), None, query)
    assert {k: v.used for k, v in (await world.foreigner.caller.usage()).items()} == {
        k: v.used for k, v in before.items()
    }
    for path in ("files", "models", "fine-tunes", "fine_tuning/jobs"):
        listed = (await world.http.get(path)).text
        assert "zzf" not in listed
        assert world.foreign["job"][0] not in listed


def test_every_route_that_takes_names_is_compared():
    named = {"file", "job", "model", "engine", "upload"}
    for verb, path in IN_PATH:
        kind = path.partition("{")[2].partition("}")[0].partition(":")[0]
        assert kind in named or (verb, path) in _ELSEWHERE, (verb, path)
    bodies = {(verb, path) for verb, path in ROUTES if verb == "POST" and "{" not in path}
    assert bodies <= set(IN_BODY) | _ELSEWHERE


_ELSEWHERE = {
    ("POST", "/v1/uploads"),
    *(("POST", f"/v1/uploads/{{upload}}/{step}") for step in ("parts", "complete", "cancel")),
}
"""Routes that other tests prove this of: tests/integration/http/test_uploads.py."""


@works("isolation", "Last-Event-ID and cursors of another tenant's run are refused")
async def test_cursors_of_another_tenants_run_are_refused(world: World):
    job = world.foreign["job"][0]
    async with (
        world.foreigner.http() as http,
        http.stream("GET", f"fine-tunes/{job}/events", params={"stream": "true"}) as stream,
    ):
        text = (await stream.aread()).decode()
    cursor = next(line[4:] for line in text.splitlines() if line.startswith("id: "))
    body = {"training_file": "own", "model": "ada"}
    mine = (await world.http.post("fine-tunes", json=body)).json()["id"]
    refused = await world.http.get(
        f"fine-tunes/{mine}/events",
        params={"stream": "true"},
        headers={"last-event-id": cursor},
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Last-Event-ID"
