"""The embedded engine with real worker processes."""

import asyncio
import os
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from tunesmith_server.adapters.inference import (
    AdapterInvalid,
    AdapterRef,
    CompletionRequest,
    EmbeddedEngine,
    EngineBusy,
    EngineUnavailable,
    InvalidSampling,
    PromptTooLong,
)

from tests.unit.inference.tiny import Reference, make_adapter, make_base

GREEDY = CompletionRequest(prompts=("Tweet: I love",), temperature=0, max_tokens=8)
# Only token 9 is ever chosen: it goes on until max_tokens.
LONG = replace(GREEDY, max_tokens=240, logit_bias={9: 100})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def base(folder):
    return make_base(folder / "base")


@pytest.fixture(scope="module")
def adapters(base, folder):
    paths = [make_adapter(base, folder / f"adapter-{seed}", seed=seed) for seed in range(3)]
    return [AdapterRef(path.name, str(path)) for path in paths]


@pytest.fixture(scope="module")
async def engine(base):
    engine = EmbeddedEngine(base_path=lambda _: base, adapters=2, waiting_rows=100)
    yield engine
    await engine.close()


def wanted(base, adapter, request=GREEDY):
    reference = Reference(base, Path(adapter.path) if adapter else None)
    return reference.text(reference.greedy(request.prompts[0], request.max_tokens))


async def until(condition):
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - what is awaited is another process
            await asyncio.sleep(0.01)


async def test_requests_at_once_start_one_worker_and_get_their_own_adapters_answers(
    engine, base, adapters
):
    asked = [None, *adapters] * 4
    answers = await asyncio.gather(*(engine.complete("tiny", one, GREEDY) for one in asked))
    for adapter, answer in zip(asked, answers, strict=True):
        assert answer.choices[0].text == wanted(base, adapter)
    assert len(engine._workers) == 1
    assert len((await engine.stats("tiny"))["adapters"]) == 2


async def test_a_stream_is_the_answer_in_pieces(engine, adapters):
    request = replace(GREEDY, logprobs=1, echo=True)
    whole = await engine.complete("tiny", adapters[0], request)
    deltas = [delta async for delta in engine.stream_complete("tiny", adapters[0], request)]
    assert len(deltas) > 1
    assert "".join(delta.text for delta in deltas) == whole.choices[0].text
    assert deltas[-1].usage == whole.usage
    assert deltas[-1].finish_reason == whole.choices[0].finish_reason


async def test_the_workers_errors_come_through(engine, adapters):
    with pytest.raises(PromptTooLong) as caught:
        await engine.complete("tiny", None, replace(GREEDY, max_tokens=10_000))
    assert caught.value.context == 256
    with pytest.raises(AdapterInvalid):
        await engine.complete("tiny", replace(adapters[0], digest="sha256:0"), GREEDY)
    with pytest.raises(InvalidSampling):
        await engine.complete("tiny", None, replace(GREEDY, temperature=float("nan")))


async def test_who_is_cancelled_stops_the_work(engine):
    task = asyncio.create_task(engine.complete("tiny", None, LONG))

    async def running():
        return (await engine.stats("tiny"))["rows"] == 1

    async def stopped():
        return (await engine.stats("tiny"))["rows"] == 0

    await until(running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(stopped)

    async with aclosing(engine.stream_complete("tiny", None, LONG)) as deltas:
        async for _ in deltas:
            break
    await until(stopped)


async def test_a_stream_abandoned_by_its_reader_does_not_hold_up_others(engine):
    """Its pieces are kept, but nobody else waits for them to be read."""
    deltas = engine.stream_complete("tiny", None, LONG)
    await anext(deltas)
    await engine.complete("tiny", None, GREEDY)
    await deltas.aclose()


async def test_too_much_at_once_is_refused_and_nothing_is_lost(engine):
    many = replace(GREEDY, prompts=("Tweet: I love",) * 60, max_tokens=1)
    results = await asyncio.gather(
        *(engine.complete("tiny", None, many) for _ in range(3)), return_exceptions=True
    )
    busy = [result for result in results if isinstance(result, EngineBusy)]
    assert len(busy) == 2
    assert all(1 <= error.retry_after <= 60 for error in busy)
    # Alone, a request may be larger than what may wait.
    await engine.complete("tiny", None, replace(many, prompts=many.prompts * 2))


async def test_an_unloaded_adapter_is_in_no_memory(engine, adapters):
    await engine.complete("tiny", adapters[0], GREEDY)
    assert adapters[0].id in (await engine.stats("tiny"))["adapters"]
    await engine.unload(adapters[0].id)
    assert adapters[0].id not in (await engine.stats("tiny"))["adapters"]


async def test_a_killed_worker_fails_what_is_in_flight_and_the_next_request_starts_another(
    engine, base
):
    pid = (await engine.stats("tiny"))["pid"]
    calls = [asyncio.create_task(engine.complete("tiny", None, LONG)) for _ in range(3)]
    stream = engine.stream_complete("tiny", None, LONG)
    await anext(stream)
    os.kill(pid, signal.SIGKILL)
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, EngineUnavailable)
        assert result.retry_after > 0
    with pytest.raises(EngineUnavailable):
        async for _ in stream:
            pass
    answer = await engine.complete("tiny", None, GREEDY)
    assert answer.choices[0].text == wanted(base, None)
    assert (await engine.stats("tiny"))["pid"] != pid


async def test_workers_end_when_idle_and_make_room_for_other_bases(base):
    engine = EmbeddedEngine(base_path=lambda _: base, idle_timeout=0.5, max_workers=1)
    # Who leaves while the worker starts does not stop it for the others.
    leaver = asyncio.create_task(engine.complete("one", None, GREEDY))
    stayer = asyncio.create_task(engine.complete("one", None, LONG))
    await asyncio.sleep(0.1)
    leaver.cancel()
    with pytest.raises(EngineBusy):
        await engine.complete("other", None, GREEDY)
    await stayer
    # Idle now, so it gives way at once.
    await engine.complete("other", None, GREEDY)
    assert await engine.stats("one") is None

    async def ended():
        return await engine.stats("other") is None

    await until(ended)
    await engine.close()


async def test_a_base_that_cannot_be_had_or_loaded_is_an_error_for_all_who_ask(tmp_path):
    async def nowhere(source):
        raise LookupError(source)

    engine = EmbeddedEngine(base_path=nowhere)
    with pytest.raises(LookupError):
        await engine.complete("x", None, GREEDY)
    await engine.close()
    engine = EmbeddedEngine(base_path=lambda _: tmp_path)
    results = await asyncio.gather(
        *(engine.complete("x", None, GREEDY) for _ in range(2)), return_exceptions=True
    )
    assert [type(result) for result in results] == [EngineUnavailable] * 2
    await engine.close()
    with pytest.raises(EngineUnavailable):
        await engine.complete("x", None, GREEDY)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_worker_dies_with_a_killed_server(base):
    """Though it has a session of its own."""
    program = (
        "import asyncio\n"
        "from pathlib import Path\n"
        "from tunesmith_server.adapters.inference import EmbeddedEngine\n"
        "async def main():\n"
        f"    engine = EmbeddedEngine(base_path=lambda _: Path({str(base)!r}))\n"
        "    await engine.warm('x')\n"
        "    print((await engine.stats('x'))['pid'], flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    pid = int(await server.stdout.readline())
    os.kill(pid, 0)
    server.kill()
    await server.wait()
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
