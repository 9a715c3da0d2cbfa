"""Runs through the front door, on both databases."""

import asyncio
import uuid
from collections import Counter

import grpc
import pytest
from tunesmith.v1 import common_pb2, fine_tune_pb2, model_pb2, tenant_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Settings

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, a_tenant, another_key, jsonl, reason


async def test_a_run_can_be_read_back_as_submitted_with_every_choice_explained(acme: Caller):
    made = await acme.create(fine_tune_id="bot", suffix="My Bot!")
    assert made.name == "tenants/acme/fineTunes/bot"
    assert made.spec.suffix == "my-bot"
    assert made.status.state == common_pb2.FINE_TUNE_STATE_QUEUED
    sources = {value.path.rpartition(".")[2]: value.source for value in made.resolved.values}
    assert sources["n_epochs"] == "guide"
    assert made.resolved.training_dataset.example_count == len(ROWS)
    read = await acme.get(made.name)
    assert (read.spec, read.resolved, read.uid) == (made.spec, made.resolved, made.uid)


async def test_exactly_as_many_runs_are_admitted_as_the_quota_allows(server: Running):
    caller = await a_tenant(server.address, "limited", {"fine_tunes_queued": 10})
    await caller.upload(jsonl(ROWS))

    async def ask(number: int) -> str:
        try:
            await caller.create(fine_tune_id=f"bot-{number}")
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            return reason(error)
        return "admitted"

    outcomes = Counter(await asyncio.gather(*map(ask, range(64))))
    assert outcomes == {"admitted": 10, "QUOTA_EXCEEDED": 54}


async def test_a_cancelled_run_gives_its_place_and_its_tokens_back(server: Running):
    caller = await a_tenant(
        server.address, "small", {"fine_tunes_queued": 1, "trained_tokens_per_month": 10_000}
    )
    await caller.upload(jsonl(ROWS))
    for _ in range(3):
        run = await caller.create()
        await caller.fine_tunes.CancelFineTune(
            fine_tune_pb2.CancelFineTuneRequest(name=run.name), metadata=caller.metadata
        )
    usage = await caller.tenants.GetUsage(
        tenant_pb2.GetUsageRequest(name="tenants/-"), metadata=caller.metadata
    )
    of = {row.dimension: row for row in usage.dimensions}
    for dimension in ("fine_tunes_queued", "trained_tokens_per_month"):
        assert (of[dimension].used, of[dimension].reserved) == (0, 0)
    assert of["fine_tunes_created_per_day"].used == 3


async def test_a_repeated_request_id_gives_the_first_answer_and_another_body_is_refused(
    acme: Caller,
):
    request_id = str(uuid.uuid4())
    runs = await asyncio.gather(*(acme.create(request_id=request_id) for _ in range(16)))
    assert len({run.SerializeToString(deterministic=True) for run in runs}) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.create(request_id=request_id, suffix="other")
    assert reason(caught.value) == "REQUEST_ID_REUSED"


async def test_validate_only_checks_everything_and_changes_nothing(acme: Caller):
    run = await acme.create(validate_only=True, fine_tune_id="bot")
    assert run.resolved.seed == 42
    with pytest.raises(grpc.aio.AioRpcError, match="does not exist"):
        await acme.get(run.name)


async def test_pages_join_up_newest_first_and_a_token_fits_its_own_list_alone(acme: Caller):
    for number in range(5):
        await acme.create(fine_tune_id=f"bot-{number}")
    seen, token = [], ""
    while True:
        page = await acme.fine_tunes.ListFineTunes(
            fine_tune_pb2.ListFineTunesRequest(
                parent="tenants/acme", page_size=2, page_token=token
            ),
            metadata=acme.metadata,
        )
        seen += [run.name.rpartition("/")[2] for run in page.fine_tunes]
        token = page.next_page_token or token
        if not page.next_page_token:
            break
    assert seen == [f"bot-{number}" for number in reversed(range(5))]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.fine_tunes.ListFineTunes(
            fine_tune_pb2.ListFineTunesRequest(
                parent="tenants/acme",
                page_token=token,
                states=[common_pb2.FINE_TUNE_STATE_FAILED],
            ),
            metadata=acme.metadata,
        )
    assert reason(caught.value) == "PAGE_TOKEN_INVALID"


async def test_what_is_another_tenants_answers_as_what_is_not_there(server: Running, acme: Caller):
    run = await acme.create(fine_tune_id="bot")
    evil = await a_tenant(server.address, "evil")
    for call in (
        lambda name: evil.get(name),
        lambda name: anext(aiter(evil.watch(name))),
        lambda name: evil.fine_tunes.CancelFineTune(
            fine_tune_pb2.CancelFineTuneRequest(name=name), metadata=evil.metadata
        ),
        lambda name: evil.create(training_dataset=name.replace("fineTunes", "datasets")),
        lambda name: evil.models.Complete(
            model_pb2.CompleteRequest(
                model=name.replace("fineTunes", "models"), prompts=[model_pb2.Prompt(text="x")]
            ),
            metadata=evil.metadata,
        ),
    ):
        answers = []
        for name in (run.name, "tenants/acme/fineTunes/absent", "tenants/nobody/fineTunes/bot"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(name)
            words = (caught.value.details() or "").replace("acme", "T").replace("nobody", "T")
            answers.append((caught.value.code(), words.replace("absent", "bot")))
        assert answers[0][0] is grpc.StatusCode.NOT_FOUND
        assert len(set(answers)) == 1, answers


async def test_a_role_may_do_what_its_row_says_and_a_bad_key_nothing(server: Running, acme: Caller):
    viewer = await another_key(Caller(server.address, ADMIN_KEY), "acme", tenant_pb2.ROLE_VIEWER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await viewer.create()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for key in ("sk-ts-wrong", "x"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Caller(server.address, key).create()
        assert (caught.value.code(), reason(caught.value)) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "UNAUTHENTICATED",
        )


@pytest.mark.parametrize(
    ("changes", "why", "words"),
    [
        ({"base_model": "gpt-9"}, "BASE_MODEL_UNKNOWN", "ada"),
        ({"training_dataset": "absent"}, "RESOURCE_NOT_FOUND", "datasets/absent"),
        ({"suffix": "!!!"}, "NAMING_POLICY", "fine_tune.spec.suffix"),
        ({"seed": -1}, "FIELD_INVALID", "fine_tune.spec.seed"),
        (
            {"classification": fine_tune_pb2.Classification(n_classes=2)},
            "FIELD_INVALID",
            "validation_dataset",
        ),
        ({"dpo": fine_tune_pb2.DpoMethod()}, "DATASET_UNSUITABLE", "holds no preferences"),
        ({"dpo": fine_tune_pb2.DpoMethod(beta=2.5)}, "FIELD_INVALID", "fine_tune.spec.dpo.beta"),
        (
            {"dpo": fine_tune_pb2.DpoMethod(beta=float("nan"))},
            "FIELD_INVALID",
            "fine_tune.spec.dpo.beta",
        ),
    ],
)
async def test_a_bad_spec_is_refused_by_field_and_reason(
    acme: Caller, changes: dict, why: str, words: str
):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.create(**changes)
    assert reason(caught.value) == why
    assert words in (caught.value.details() or "")


async def test_what_is_not_built_yet_says_so(acme: Caller):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.models.ListAliases(
            model_pb2.ListAliasesRequest(parent="tenants/acme"), metadata=acme.metadata
        )
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason(caught.value) == "NOT_BUILT_YET"


async def test_a_watch_shows_what_was_then_bookmarks_then_what_comes_and_ends(acme: Caller):
    run = await acme.create(fine_tune_id="bot")
    call = acme.watch(run.name)
    sequences: list[int] = []
    cancelled = False
    async for response in call:
        sequences += [event.sequence for event in response.events]
        if response.bookmark and not cancelled:
            cancelled = True
            await acme.fine_tunes.CancelFineTune(
                fine_tune_pb2.CancelFineTuneRequest(name=run.name), metadata=acme.metadata
            )
    assert cancelled
    assert sequences == list(range(1, 6))  # created, admitted, enqueued, waits, cancelled
    assert await call.code() is grpc.StatusCode.OK


async def test_a_watch_resumes_at_every_cursor_without_loss_or_repeat(acme: Caller):
    run = await acme.create(fine_tune_id="bot")
    await acme.fine_tunes.CancelFineTune(
        fine_tune_pb2.CancelFineTuneRequest(name=run.name), metadata=acme.metadata
    )
    whole = [e async for response in acme.watch(run.name) for e in response.events]
    cursors = [response.cursor async for response in acme.watch(run.name)]
    for cursor in cursors:
        rest = [e async for response in acme.watch(run.name, cursor) for e in response.events]
        assert rest == whole[len(whole) - len(rest) :]
    assert cursors[-1]
    other = await acme.create(fine_tune_id="other")
    for bad in (cursors[-1] + "x", "nonsense"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(acme.watch(run.name, bad)))
        assert reason(caught.value) == "CURSOR_INVALID"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(acme.watch(other.name, cursors[-1])))
    assert reason(caught.value) == "CURSOR_INVALID"


async def test_a_drained_server_closes_its_watches_with_a_cursor_to_resume_at(
    server_settings: Settings,
):
    async with serve(server_settings) as first:
        caller = await a_tenant(first.address, "acme")
        await caller.upload(jsonl(ROWS))
        run = await caller.create()
        call = aiter(caller.watch(run.name))
        seen = []
        while not (response := await anext(call)).bookmark:
            seen += list(response.events)
    closing = [response async for response in call if response.HasField("closing")]
    assert closing[0].closing.reason == "draining"
    async with serve(server_settings) as second:
        again = Caller(second.address, caller.key)
        await again.fine_tunes.CancelFineTune(
            fine_tune_pb2.CancelFineTuneRequest(name=run.name), metadata=again.metadata
        )
        async for response in again.watch(run.name, closing[0].cursor):
            seen += list(response.events)
    # how many there are depends on whether the run was told in between what it waits for
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].message == "Fine-tune cancelled"


async def test_a_watch_that_is_at_the_end_already_leaves_other_watches_alone(
    server_settings: Settings,
):
    async with serve(server_settings) as first:
        caller = await a_tenant(first.address, "acme")
        await caller.upload(jsonl(ROWS))
        ended = await caller.create()
        await caller.cancel(ended.name)
        cursor = [response.cursor async for response in caller.watch(ended.name)][-1]
    async with serve(server_settings) as second:
        caller = Caller(second.address, caller.key)
        assert [r.HasField("snapshot") async for r in caller.watch(ended.name, cursor)] == [True]
        run = await caller.create()
        async with asyncio.timeout(30):
            events = []
            async for response in caller.watch(run.name):
                events += list(response.events)
                if response.bookmark:
                    await caller.cancel(run.name)
    assert events[-1].message == "Fine-tune cancelled"
