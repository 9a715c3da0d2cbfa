"""The current official SDK against the real daemon: what it offers, field by field."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tunesmith.v1 import model_pb2, tenant_pb2

from tests.integration.asking import models
from tests.integration.calls import ADMIN_KEY, Caller, another_key
from tests.openai.clients import PythonClient, Raised
from tests.openai.conformance import differs, not_offered, works
from tests.openai.conftest import Account, Service, sdk
from tests.openai.rows import PROMPT, answers, lines

pytestmark = pytest.mark.slow

JOBS, JOB = "POST /v1/fine_tuning/jobs", "GET /v1/fine_tuning/jobs/{job}"
COMPLETIONS, CHAT = "POST /v1/completions", "POST /v1/chat/completions"


@dataclass
class Desk:
    """The SDK with a key, and a model that it had trained."""

    account: Account
    run: PythonClient
    training_file: str
    validation_file: str


@pytest.fixture(scope="module")
async def desk(service: Service) -> AsyncIterator[Desk]:
    account = await service.account("modern")
    async with sdk(account) as run:
        upload = "client.files.create(file=(name, text.encode()), purpose='fine-tune').id"
        training = await run(upload, name="train.jsonl", text=lines(answers(20)))
        validation = await run(upload, name="valid.jsonl", text=lines(answers(8, start=60)))
        yield Desk(account, run, training, validation)


@pytest.fixture(scope="module")
async def job(desk: Desk) -> dict[str, object]:
    """A job that has succeeded."""
    made = await desk.run(
        """
job = client.fine_tuning.jobs.create(
    model="gpt-3.5-turbo", training_file=train, validation_file=valid, suffix="My Model", seed=7,
    metadata={"team": "a", "of": "tests"},
    method={"type": "supervised", "supervised": {"hyperparameters": {
        "n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 0.3}}},
)
job
""",
        train=desk.training_file,
        valid=desk.validation_file,
    )
    assert made["status"] in ("validating_files", "queued")
    assert made["hyperparameters"] == {
        "n_epochs": 2,
        "batch_size": "auto",
        "learning_rate_multiplier": 0.3,
    }
    done = await desk.run(
        """
import time
while client.fine_tuning.jobs.retrieve(job.id).status in ("validating_files", "queued", "running"):
    time.sleep(0.2)
client.fine_tuning.jobs.retrieve(job.id)
"""
    )
    assert done["status"] == "succeeded", done
    return dict(done)


@works("POST /v1/files", "", "the SDK's wait_for_processing")
@works("GET /v1/files", "purpose, limit, order, after: pages to the end")
@works("GET /v1/files/{file}/content", "the bytes as they were sent", "Range")
@works("GET /v1/files/{file}", "every field")
async def test_files_go_up_are_paged_read_and_deleted(desk: Desk):
    ids = await desk.run(
        """
made = [
    client.files.create(file=(f"{n}.jsonl", text.encode()), purpose="fine-tune") for n in range(5)
]
[client.files.wait_for_processing(file.id).status for file in made] + [file.id for file in made]
""",
        text=lines(answers(3)),
    )
    assert ids[:5] == ["processed"] * 5
    paged = await desk.run("[f.id for f in client.files.list(limit=2, purpose='fine-tune')]")
    assert len(paged) == len(set(paged)) == 7
    assert set(ids[5:]) <= set(paged)
    turned = await desk.run("[f.id for f in client.files.list(limit=3, order='asc')]")
    assert set(paged) <= set(turned)
    assert turned.index(ids[5]) < turned.index(ids[9])
    assert await desk.run("client.files.content(made[0].id).read()") == lines(answers(3))
    part = await desk.run(
        "client.files.content(made[0].id, extra_headers={'Range': 'bytes=5-'}).read()"
    )
    assert part == lines(answers(3))[5:]
    deleted = await desk.run("[client.files.delete(file.id) for file in made][0]")
    assert deleted == {"id": ids[5], "object": "file", "deleted": True}


@works(
    JOBS, "model, an alias too", "training_file", "validation_file", "suffix", "seed", "metadata"
)
@works(JOBS, "method.supervised.hyperparameters", "auto, echoed until the job is prepared")
@works(JOB, "every field")
@differs(
    JOB, "result_files", "the ids of the rows of the guide's results.csv, not step_metrics.csv"
)
@works("GET /v1/files", "bytes of results")
async def test_a_job_is_made_trained_and_shown(desk: Desk, job: dict[str, object]):
    assert job["object"] == "fine_tuning.job"
    assert job["model"] == "gpt-3.5-turbo"
    assert re.fullmatch(r"ft:gpt-3\.5-turbo:modern:my-model:\w{8}", str(job["fine_tuned_model"]))
    assert job["user_provided_suffix"] == "my-model"
    assert job["organization_id"] == "org-modern"
    assert (job["seed"], job["metadata"]) == (7, {"team": "a", "of": "tests"})
    assert (job["training_file"], job["validation_file"]) == (
        desk.training_file,
        desk.validation_file,
    )
    values = job["hyperparameters"]
    assert isinstance(values, dict)
    assert values["n_epochs"] == 2
    assert isinstance(values["batch_size"], int)
    assert job["method"] == {
        "type": "supervised",
        "dpo": None,
        "reinforcement": None,
        "supervised": {"hyperparameters": values},
    }
    assert isinstance(job["trained_tokens"], int)
    assert job["trained_tokens"] > 0
    assert isinstance(job["finished_at"], int)
    assert isinstance(job["created_at"], int)
    assert job["finished_at"] >= job["created_at"]
    assert job["error"] is None
    results = await desk.run("client.files.content(id).read()", id=_first(job["result_files"]))
    assert results.splitlines()[0].startswith("step,elapsed_tokens,")
    assert "validation_loss" in results.splitlines()[0]
    sizes = await desk.run(
        """
listed = [file.bytes for file in client.files.list(purpose="fine-tune-results")]
[listed, client.files.retrieve(id).bytes]
"""
    )
    assert sizes == [[len(results)], len(results)]


def _first(values: object) -> str:
    assert isinstance(values, list)
    return str(values[0])


@works(JOB + "/events", "newest first, limit and after to the end", "type metrics with data")
@differs(JOB + "/events", "the texts", "those of the guide's log: `Fine-tune started`")
@works(JOB + "/checkpoints", "newest first, limit and after to the end", "metrics, step_number")
@differs(
    JOB + "/checkpoints",
    "which are kept",
    "the two newest; while the job goes on all are listed, and none answers yet",
)
async def test_events_and_checkpoints_are_paged_to_the_end(desk: Desk, job: dict[str, object]):
    events = await desk.run(
        "list(client.fine_tuning.jobs.list_events(id, limit=3))", id=str(job["id"])
    )
    assert len({event["id"] for event in events}) == len(events) > 10
    assert events[0]["message"] == "Fine-tune succeeded"
    assert events[-1]["message"] == f"Created fine-tune: {job['id']}"
    steps = [event for event in events if event["type"] == "metrics"]
    first = steps[-1]["data"]
    assert first["step"] == 1
    assert first["train_loss"] > 0
    assert "train_mean_token_accuracy" in first
    assert first["total_steps"] == len(steps)
    checkpoints = await desk.run(
        "list(client.fine_tuning.jobs.checkpoints.list(id, limit=1))", id=str(job["id"])
    )
    assert [each["step_number"] for each in checkpoints] == [len(steps), len(steps) // 2]
    last = checkpoints[0]
    assert (
        last["fine_tuned_model_checkpoint"] == f"{job['fine_tuned_model']}:ckpt-step-{len(steps)}"
    )
    assert last["fine_tuning_job_id"] == job["id"]
    assert last["metrics"]["train_loss"] > 0
    assert last["metrics"]["valid_loss"] > 0


@works(COMPLETIONS, "model: a checkpoint, ft:…:ckpt-step-N")
@works(CHAT, "model: a checkpoint, ft:…:ckpt-step-N")
@works("GET /v1/models", "checkpoints")
@works("GET /v1/models/{model}", "a checkpoint")
async def test_checkpoints_answer_as_the_model_was_at_their_step(
    desk: Desk, job: dict[str, object]
):
    model = str(job["fine_tuned_model"])
    names = await desk.run(
        """
listed = list(client.fine_tuning.jobs.checkpoints.list(id))
[each.fine_tuned_model_checkpoint for each in listed]
""",
        id=str(job["id"]),
    )
    probabilities = [
        await desk.run(
            "client.completions.create(model=model, prompt=prompt, max_tokens=1, temperature=0,"
            " logprobs=1).choices[0].logprobs.token_logprobs[0]",
            model=name,
            prompt=PROMPT,
        )
        for name in (model, *names)
    ]
    # the last checkpoint has the weights that the run ended with, the one before has not
    assert probabilities[1] == probabilities[0] != probabilities[2]
    said = await desk.run(
        "client.chat.completions.create(model=model, max_tokens=1,"
        " messages=[{'role': 'user', 'content': 'x'}]).model",
        model=names[1],
    )
    assert said == names[1]
    assert set(names) < set(await desk.run("[model.id for model in client.models.list()]"))
    assert (await desk.run("client.models.retrieve(name)", name=names[1]))["id"] == names[1]
    with pytest.raises(Raised) as caught:
        await desk.run("client.models.delete(name)", name=names[1])
    assert (caught.value.kind, caught.value.status) == ("PermissionDeniedError", 403)


async def test_a_model_that_is_shared_answers_the_other_tenant_as_its_owner(
    service: Service, desk: Desk, job: dict[str, object]
):
    admin = await another_key(
        Caller(service.grpc, ADMIN_KEY), "modern", tenant_pb2.ROLE_TENANT_ADMIN
    )
    other = await service.account("borrower", role=tenant_pb2.ROLE_TENANT_ADMIN)
    (model,) = [each for each in await models(admin) if each.public_name == job["fine_tuned_model"]]
    asked = """
answer = client.completions.create(model=model, prompt=prompt, max_tokens=3, temperature=0,
    logprobs=1)
[answer.choices[0].text, answer.choices[0].logprobs.token_logprobs]
"""
    checkpoint = model.checkpoints[0].public_name
    async with sdk(other) as run:
        with pytest.raises(Raised) as caught:
            await run(asked, model=model.public_name, prompt=PROMPT)
        assert caught.value.code == "model_not_found"
        offer = model_pb2.ShareModelRequest(name=model.name, tenant="tenants/borrower")
        await admin.models.ShareModel(offer, metadata=admin.metadata)
        accept = model_pb2.AcceptShareRequest(tenant="tenants/-", model=model.name)
        await other.caller.models.AcceptShare(accept, metadata=other.caller.metadata)
        for name in (model.public_name, model.legacy_name, checkpoint):
            answers = [await each(asked, model=name, prompt=PROMPT) for each in (desk.run, run)]
            assert answers[0] == answers[1]
        take_back = model_pb2.UnshareModelRequest(name=model.name, tenant="tenants/borrower")
        await admin.models.UnshareModel(take_back, metadata=admin.metadata)
        # though its adapter is in memory
        with pytest.raises(Raised) as caught:
            await run(asked, model=checkpoint, prompt=PROMPT)
        assert caught.value.code == "model_not_found"


@works("GET /v1/fine_tuning/jobs", "newest first, limit and after to the end", "metadata[k]=v")
@works("GET /v1/fine_tuning/jobs", "metadata=null")
@works("POST /v1/fine_tuning/jobs/{job}/cancel", "", "400 for a job that has ended")
@works(JOBS, "hyperparameters, the older form")
async def test_jobs_are_paged_filtered_and_cancelled(desk: Desk, job: dict[str, object]):
    made = await desk.run(
        """
jobs = [
    client.fine_tuning.jobs.create(
        model="ada", training_file=train, hyperparameters={"n_epochs": 50},
        metadata={"team": "b"} if n == 1 else None,
    ).id
    for n in range(4)
]
cancelled = [client.fine_tuning.jobs.cancel(id).status for id in jobs]
jobs
""",
        train=desk.training_file,
    )
    assert await desk.run("cancelled") == ["cancelled"] * 4
    listed = await desk.run("[job.id for job in client.fine_tuning.jobs.list(limit=2)]")
    assert listed == [*reversed(made), job["id"]]
    of = "[job.id for job in client.fine_tuning.jobs.list(limit=1, metadata=wanted)]"
    assert await desk.run(of, wanted={"team": "b"}) == [made[1]]
    assert await desk.run(of, wanted={"team": "a", "of": "tests"}) == [job["id"]]
    assert await desk.run(of, wanted={"team": "c"}) == []
    without = "[j.id for j in client.fine_tuning.jobs.list(extra_query={'metadata': 'null'})]"
    assert await desk.run(without) == [made[3], made[2], made[0]]
    with pytest.raises(Raised) as caught:
        await desk.run("client.fine_tuning.jobs.cancel(id)", id=str(job["id"]))
    assert (caught.value.kind, caught.value.status) == ("BadRequestError", 400)


@works(COMPLETIONS, "model: base, alias, tuned by either name", "prompt: string, list, tokens")
@works(COMPLETIONS, "max_tokens", "temperature", "top_p", "n", "best_of", "stop", "seed", "user")
@works(
    COMPLETIONS, "presence_penalty", "frequency_penalty", "logit_bias", "logprobs 0 to 5", "usage"
)
@not_offered(COMPLETIONS, "suffix (insertion)", "the models here only go on from a text")
async def test_completions(desk: Desk, job: dict[str, object]):
    model = str(job["fine_tuned_model"])
    ask = "client.completions.create(model=model, prompt=prompt, temperature=0, **more)"
    answer = await desk.run(ask, model=model, prompt=PROMPT, more={"max_tokens": 3, "logprobs": 2})
    assert re.fullmatch(r"cmpl-\w{24}", answer["id"])
    assert (answer["object"], answer["model"]) == ("text_completion", model)
    choice = answer["choices"][0]
    logprobs = choice["logprobs"]
    assert len(logprobs["tokens"]) == answer["usage"]["completion_tokens"] == 3
    assert choice["finish_reason"] == "length"
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert logprobs["text_offset"][0] == len(PROMPT)
    assert all(2 <= len(top) <= 3 for top in logprobs["top_logprobs"])
    several = await desk.run(
        ask, model="gpt-4o-mini", prompt=[PROMPT, "x"], more={"max_tokens": 2, "n": 2, "best_of": 2}
    )
    assert [each["index"] for each in several["choices"]] == [0, 1, 2, 3]
    assert several["model"] == "gpt-4o-mini"
    options = {
        "max_tokens": 2,
        "top_p": 0.5,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "logit_bias": {"7": 100},
        "seed": 1,
        "user": "somebody",
        "stop": ["zebra"],
        "n": 1,
    }
    biased = await desk.run(ask, model="davinci", prompt=[5, 6, 7], more=options)
    assert biased["usage"]["prompt_tokens"] == 3
    scored = await desk.run(
        ask, model=model, prompt=PROMPT, more={"max_tokens": 0, "echo": True, "logprobs": 0}
    )
    assert scored["choices"][0]["text"] == PROMPT
    assert scored["choices"][0]["logprobs"]["token_logprobs"][0] is None
    with pytest.raises(Raised) as caught:
        await desk.run(ask, model=model, prompt="a", more={"suffix": "b"})
    assert (caught.value.kind, caught.value.param) == ("BadRequestError", "suffix")


@works(COMPLETIONS, "stream", "stream_options.include_usage")
@works(CHAT, "stream, with roles and finish_reason", "stream_options.include_usage")
async def test_what_is_streamed_is_what_comes_whole(desk: Desk, job: dict[str, object]):
    model = str(job["fine_tuned_model"])
    answers = await desk.run(
        """
ask = dict(model=model, prompt=prompt, max_tokens=6, temperature=0, n=2)
whole = client.completions.create(**ask)
chunks = list(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
[[choice.text for choice in whole.choices], whole.usage, chunks]
""",
        model=model,
        prompt=PROMPT,
    )
    texts, usage, chunks = answers
    together = ["", ""]
    for chunk in chunks:
        for choice in chunk["choices"]:
            together[choice["index"]] += choice["text"]
    assert together == texts
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == usage
    ends = [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    assert len(ends) == 2
    chat = await desk.run(
        """
ask = dict(model=model, messages=[{"role": "user", "content": "is 7 odd?"}], temperature=0,
           max_completion_tokens=6)
whole = client.chat.completions.create(**ask)
chunks = list(
    client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
)
[whole, chunks]
""",
        model=model,
    )
    whole, chunks = chat
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["role"] == "assistant"
    deltas = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert deltas[0]["delta"]["role"] == "assistant"
    said = "".join(delta["delta"]["content"] or "" for delta in deltas)
    assert said == whole["choices"][0]["message"]["content"]
    assert deltas[-1]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-1]["usage"] == whole["usage"]


@works(CHAT, "messages: system, developer, user, assistant; text parts", "max_tokens", "logprobs")
@works(CHAT, "top_logprobs 0 to 20", "metadata, store, service_tier: taken, of no effect")
@not_offered(CHAT, "tools, functions", "the chat templates of the models here know none")
@not_offered(CHAT, "response_format other than text", "the models here answer in text")
async def test_chat(desk: Desk, job: dict[str, object]):
    ask = "client.chat.completions.create(model=model, messages=messages, **more)"
    model = str(job["fine_tuned_model"])
    turns = [
        {"role": "developer", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "is 7 odd?"}]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "and 8?", "name": "me"},
    ]
    more = {"max_tokens": 3, "logprobs": True, "top_logprobs": 7, "metadata": {"a": "b"}}
    more |= {"store": False, "service_tier": "auto", "temperature": 0}
    answer = await desk.run(ask, model=model, messages=turns, more=more)
    content = answer["choices"][0]["logprobs"]["content"]
    assert len(content) == answer["usage"]["completion_tokens"]
    assert all(7 <= len(token["top_logprobs"]) <= 8 for token in content)
    assert "".join(t["token"] for t in content) == answer["choices"][0]["message"]["content"]
    for refused, param in (
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"top_logprobs": 3}, "top_logprobs"),
    ):
        with pytest.raises(Raised) as caught:
            await desk.run(ask, model=model, messages=turns, more=refused)
        assert (caught.value.kind, caught.value.param) == ("BadRequestError", param)
