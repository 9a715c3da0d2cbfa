"""Made-up requests after our own OpenAPI document: no 500, and nothing that it does not declare.

`make fuzz-http` makes many more of them: FUZZ_CASES is how many for each operation.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tunesmith_server import bootstrap
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.domain.completion import (
    Choice,
    Completion,
    CompletionDelta,
    CompletionRequest,
    Logprobs,
    TokenUsage,
)
from tunesmith_server.settings import Settings

from tests.integration.http.conftest import Tenant, json_of, tenant_of

CASES = int(os.environ.get("FUZZ_CASES", "6"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
USAGE = TokenUsage(3, 1)


class Echo:
    """Answers everything at once, in the form that the engine does."""

    def __init__(self, engine: object) -> None:
        pass

    async def complete(self, base: Any, adapter: Any, request: CompletionRequest) -> Completion:
        return Completion((Choice(0, " yes", "stop", logprobs(request)),), USAGE)

    async def stream_complete(
        self, base: Any, adapter: Any, request: CompletionRequest
    ) -> AsyncIterator[CompletionDelta]:
        yield CompletionDelta(0, " yes", None, logprobs(request))
        yield CompletionDelta(0, "", "stop", usage=USAGE)

    async def unload(self, adapter_id: str) -> None:
        pass

    async def close(self) -> None:
        pass


def logprobs(request: CompletionRequest) -> Logprobs | None:
    if request.logprobs is None:
        return None
    return Logprobs((" yes",), (1,), (-0.5,), (((" yes", -0.5),),), (3,))


@pytest.fixture
def database_url(sqlite_database: str) -> str:
    """SQLite alone: the front door is the same, and the other tests have both."""
    return sqlite_database


@pytest.fixture
async def fuzzed(
    http_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setattr(bootstrap, "EmbeddedInference", Echo)
    async with serve(http_settings) as running:
        yield running


async def known(tenant: Tenant) -> dict[str, list[str]]:
    """Fresh ids of things that are there, by the parameter that names them."""
    file = (await tenant.file())["id"]
    body = {"model": "tiny-random", "training_file": file}
    ended, waiting = [
        json_of(await tenant.http.post("/v1/fine_tuning/jobs", json=body))["id"] for _ in range(2)
    ]
    await tenant.http.post(f"/v1/fine_tuning/jobs/{ended}/cancel")
    new = {"filename": "x", "purpose": "fine-tune", "bytes": 3, "mime_type": "x"}
    upload = json_of(await tenant.http.post("/v1/uploads", json=new))["id"]
    path = f"/v1/uploads/{upload}/parts"
    part = json_of(await tenant.http.post(path, files={"data": b"{}\n"}))["id"]
    return {
        "file": [file],
        "training_file": [file],
        "validation_file": [file],
        "job": [ended, waiting],
        "ended": [ended],
        "upload": [upload],
        "part_ids": [part],
        "model": ["tiny-random", "ada"],
        "engine": ["tiny-random"],
    }


def cases(operation: Any, mode: GenerationMode, ids: dict[str, list[str]]) -> Any:
    """Requests for an operation, half of them about things that are there."""

    @st.composite
    def made(draw: Any) -> Any:
        case = draw(operation.as_strategy(generation_mode=mode))
        following = operation.path.endswith("/fine-tunes/{job}/events")  # would never end
        for name in case.path_parameters or {}:
            there = ids.get("ended" if following else name)
            if there and draw(st.booleans()):
                case.path_parameters[name] = draw(st.sampled_from(there))
        if isinstance(case.body, dict):
            for name in case.body.keys() & ids.keys():
                if draw(st.booleans()):
                    found = draw(st.sampled_from(ids[name]))
                    case.body[name] = [found] if name == "part_ids" else found
        return case

    return made()


@pytest.mark.timeout(3000)
async def test_no_made_up_request_is_answered_otherwise_than_declared(
    fuzzed: Running, capsys: pytest.CaptureFixture[str]
):
    tenant = await tenant_of(fuzzed, "fuzzed", {"fine_tunes_queued": 1_000_000})
    async with tenant.http:
        await _ask_everything(fuzzed, tenant, capsys)


async def _ask_everything(
    fuzzed: Running, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    base = f"http://{fuzzed.http_address}"
    document = json_of(await tenant.http.get("/openapi.json"))
    # without `security`, or most of what is wrong with a wrong request would be the key
    schema = schemathesis.openapi.from_dict(document | {"security": []})
    headers = {"authorization": f"Bearer {tenant.grpc.key}"}
    statuses: Counter[int] = Counter()
    operations: Counter[str] = Counter()

    def ask(operation: Any, mode: GenerationMode, ids: dict[str, list[str]]) -> None:
        @hypothesis.settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            derandomize="FUZZ_CASES" not in os.environ,  # as many tests, always the same
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases(operation, mode, ids))
        def answered(case: Any) -> None:
            response = case.call(base_url=base, headers=headers, timeout=30)
            statuses[response.status_code] += 1
            operations[operation.label] += 1
            case.validate_response(response, checks=CHECKS)

        answered()

    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            ids = await known(tenant)
            try:
                await asyncio.to_thread(ask, operation, mode, ids)
            except hypothesis.errors.Unsatisfiable:
                continue  # nothing about it can be wrong: it takes no parameters
    with capsys.disabled():
        print(
            f"\n{sum(statuses.values())} requests to {len(operations)} operations, answered "
            f"{json.dumps(dict(sorted(statuses.items())))}"
        )
    assert len(operations) == sum(len(path) for path in document["paths"].values())
    assert min(statuses[200], statuses[400], statuses[404]) > sum(statuses.values()) / 20
