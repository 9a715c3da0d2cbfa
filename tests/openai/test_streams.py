"""Event streams of the old API: from the first event, resumed, alive, drained, left."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tunesmith.v1 import fine_tune_pb2
from tunesmith_server.app.models import Models
from tunesmith_server.domain import errors
from tunesmith_server.domain.completion import CompletionDelta

from tests.e2e.daemon import Daemon, free_port
from tests.integration.calls import a_tenant, jsonl
from tests.integration.training import until
from tests.openai.catalogue import database_in, prepare
from tests.openai.conformance import works
from tests.openai.conftest import Account, Scripted
from tests.openai.rows import answers

EVENTS = "GET /v1/fine-tunes/{job}/events"
WAITS = "Waiting for a free training slot"
STEPS = "prepared,metrics=1,checkpoint=1,wait=go,metrics=3,succeed"


@dataclass(frozen=True)
class Frame:
    """One frame of a stream."""

    id: str
    data: str
    comment: str

    @property
    def message(self) -> str:
        return str(json.loads(self.data)["message"])


async def frames(response: httpx.Response) -> AsyncIterator[Frame]:
    """The frames as they come."""
    found: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            found[name or "comment"] = value
            if not name:
                found["comment"] = value
        elif found:
            yield Frame(found.get("id", ""), found.get("data", ""), found.get("comment", ""))
            found = {}


def events(http: httpx.AsyncClient, job: str, cursor: str = "") -> Any:
    """The stream of a job."""
    headers = {"last-event-id": cursor} if cursor else {}
    return http.stream("GET", f"fine-tunes/{job}/events?stream=true", headers=headers, timeout=30)


async def a_job(account: Account, http: httpx.AsyncClient) -> str:
    """The id of a job of the old API."""
    await account.caller.upload(jsonl(answers()))
    body = {"training_file": "numbers", "model": "ada"}
    made = await http.post("fine-tunes", json=body)
    return str(made.json()["id"])


async def status(http: httpx.AsyncClient, job: str) -> str:
    """What a job's status is."""
    return str((await http.get(f"fine-tunes/{job}")).json()["status"])


@works(EVENTS, "Last-Event-ID: goes on after that event, none lost and none twice")
@works(EVENTS, "the cursors are those of gRPC")
async def test_a_stream_is_resumed_exactly_wherever_it_was_cut(scripted: Scripted):
    async with scripted(STEPS) as service:
        account = await service.account("acme")
        async with account.http() as http:
            job = await a_job(account, http)
            name = f"tenants/acme/fineTunes/{job}"
            run = await until(account.caller, name, "RUNNING")
            assert service.training
            service.training.let(run)
            await until(account.caller, name, "SUCCEEDED")
            async with events(http, job) as response:
                whole = [frame async for frame in frames(response) if frame.data]
            assert whole.pop().data == "[DONE]"
            told = (await http.get(f"fine-tunes/{job}/events")).json()["data"]
            assert [json.loads(frame.data) for frame in whole] == told
            for place, frame in enumerate(whole):
                if not frame.id:
                    continue
                async with events(http, job, frame.id) as response:
                    rest = [each async for each in frames(response) if each.data]
                assert rest[:-1] == whole[place + 1 :]
                assert rest[-1].data == "[DONE]"
            cursors = [frame.id for frame in whole if frame.id]
            watch = account.caller.watch(name, cursors[0])
            sequences = [e.sequence async for frame in watch for e in frame.events]
            assert sequences[0] == 2
            request = fine_tune_pb2.WatchFineTuneRequest(name=name)
            grpc = account.caller.fine_tunes.WatchFineTune(
                request, metadata=account.caller.metadata
            )
            last = [frame.cursor async for frame in grpc if frame.cursor][-1]
            async with events(http, job, last) as response:
                assert [f.data async for f in frames(response) if f.data] == ["[DONE]"]
            async with events(http, job, "nonsense") as response:
                assert response.status_code == 400
                await response.aread()
                assert response.json()["error"]["param"] == "Last-Event-ID"


@works(EVENTS, "comments while nothing happens", "chunked, one write an event, no gzip")
async def test_a_quiet_stream_shows_that_it_is_alive(scripted: Scripted):
    async with scripted(slots=0, http={"alive_seconds": 0.05}) as service:
        account = await service.account("acme")
        async with account.http() as http:
            job = await a_job(account, http)
            async with events(http, job) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert response.headers["transfer-encoding"] == "chunked"
                assert response.headers["x-accel-buffering"] == "no"
                assert "content-encoding" not in response.headers
                seen: list[Frame] = []
                async for frame in frames(response):
                    seen.append(frame)
                    if len([each for each in seen[4:] if each.comment == "keep-alive"]) > 3:
                        break
            assert "Fine-tune enqueued" in [each.message for each in seen if each.data]


@works("POST /v1/completions", "stream: comments while a model is slow to answer")
async def test_a_stream_begins_before_a_slow_model_does(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
):
    fails, goes_on = False, asyncio.Event()

    async def slow(*_: object) -> AsyncIterator[CompletionDelta]:
        await goes_on.wait()
        if fails:
            raise errors.Unavailable("the engine has ended", retry_after=1)
        yield CompletionDelta(0, " yes", finish_reason="stop")

    monkeypatch.setattr(Models, "stream_complete", slow)
    async with scripted(slots=0, http={"alive_seconds": 0.05}) as service:
        account = await service.account("acme")
        async with account.http() as http:
            ask = {"model": "ada", "prompt": "x", "stream": True}
            for fails in (False, True):
                goes_on.clear()
                async with http.stream("POST", "completions", json=ask) as response:
                    assert response.status_code == 200
                    seen = []
                    async for frame in frames(response):
                        seen.append(frame)
                        if len(seen) == 3:
                            goes_on.set()
                assert [frame.comment for frame in seen[:3]] == ["keep-alive"] * 3
                last = [frame.data for frame in seen if frame.data]
                if fails:
                    assert json.loads(last[0])["error"]["code"] == "backend_unavailable"
                else:
                    assert json.loads(last[0])["choices"][0]["text"] == " yes"
                    assert last[1] == "[DONE]"


@works(EVENTS, "hanging up leaves no watch behind, and several may follow")
async def test_a_client_that_hangs_up_neither_cancels_nor_leaves_a_watch(scripted: Scripted):
    async with scripted(STEPS) as service:
        account = await service.account("acme", {"watches": 2})
        async with account.http() as http:
            job = await a_job(account, http)
            name = f"tenants/acme/fineTunes/{job}"
            async with asyncio.timeout(20):
                while (await status(http, job)) != "running":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)  # the deadline is above
            for _ in range(3):  # each time both places must be free again
                async with events(http, job) as one, events(http, job) as two:
                    assert (one.status_code, two.status_code) == (200, 200)
                    following = frames(two)  # kept: the stream ends with its iterator
                    async for frame in following:
                        if frame.data and frame.message == "Fine-tune started":
                            break
                    async with events(http, job) as third:
                        assert third.status_code == 429
                        await third.aread()
                        assert third.json()["error"]["code"] == "rate_limit_exceeded"
                async with asyncio.timeout(10):
                    while (await account.caller.usage())["watches"].reserved:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)  # the deadline is above
            assert service.training
            service.training.let(await account.caller.get(name))
            done = await until(account.caller, name, "SUCCEEDED")
            assert done.status.attempt == 1


@works(EVENTS, "a service that drains ends the stream without [DONE]; it is taken up at the next")
async def test_a_stream_outlives_the_service(tmp_path: Path):
    await prepare(database_in(tmp_path / "data"))
    port = free_port()
    daemon = Daemon(
        tmp_path, TUNESMITH_HTTP__LISTEN=f"127.0.0.1:{port}", TUNESMITH_LOCAL__SLOTS="0"
    )
    await daemon.start()
    try:
        caller = await a_tenant(daemon.address, "acme")
        account = Account("acme", caller, f"http://127.0.0.1:{port}/v1")
        async with account.http() as http:
            job = await a_job(account, http)
            async with events(http, job) as response:
                before = []
                async for frame in frames(response):
                    if frame.data:
                        before.append(frame)
                    if frame.data and frame.message == WAITS:
                        stopped = asyncio.get_running_loop().run_in_executor(None, daemon.stop)
            assert await stopped == 0
            assert [frame.message for frame in before][-1] == WAITS
            await daemon.start()
            async with asyncio.timeout(30):
                while True:
                    try:
                        await http.get("models")
                        break
                    except httpx.ConnectError:
                        await asyncio.sleep(0.05)  # the deadline is above
            async with events(http, job, before[-1].id) as response:
                await http.post(f"fine-tunes/{job}/cancel")
                after = [frame async for frame in frames(response) if frame.data]
            assert [frame.message for frame in after[:-1]] == ["Fine-tune cancelled"]
            assert after[-1].data == "[DONE]"
    finally:
        daemon.stop()
