"""The current SDK and data of other shapes: conversations, and preferences between answers."""

from collections.abc import AsyncIterator

import pytest

from tests.openai.clients import PythonClient, Raised
from tests.openai.conformance import works
from tests.openai.conftest import Service, sdk
from tests.openai.rows import chats, lines, preferences

pytestmark = pytest.mark.slow

JOBS = "POST /v1/fine_tuning/jobs"


@pytest.fixture(scope="module")
async def run(service: Service) -> AsyncIterator[PythonClient]:
    async with sdk(await service.account("shapes")) as run:
        yield run


@works(JOBS, "conversations as training data")
@works("GET /v1/models", "the SDK's list")
@works("DELETE /v1/models/{model}", "by the modern name: gone under both")
async def test_a_model_of_conversations_is_listed_and_deleted(run: PythonClient):
    file = await run(
        "client.files.create(file=('chat.jsonl', text.encode()), purpose='fine-tune').id",
        text=lines(chats()),
    )
    model = await run(
        """
import time
job = client.fine_tuning.jobs.create(
    model="gpt-4o-mini", training_file=file, hyperparameters={"n_epochs": 1})
while job.status in ("validating_files", "queued", "running"):
    time.sleep(0.2)
    job = client.fine_tuning.jobs.retrieve(job.id)
job.fine_tuned_model
""",
        file=file,
    )
    assert model.startswith("ft:gpt-4o-mini:shapes::")
    names = await run("[model.id for model in client.models.list()]")
    legacy = [name for name in names if name.startswith("gpt-4o-mini:ft-shapes-")]
    assert {model, *legacy, "gpt-4o-mini", "davinci-002"} <= set(names)
    shown = await run("client.models.retrieve(model)", model=legacy[0])
    assert shown["id"] == legacy[0]
    assert (await run("client.models.delete(model)", model=model))["deleted"] is True
    for name in (model, legacy[0]):
        with pytest.raises(Raised) as caught:
            await run("client.models.retrieve(model)", model=name)
        assert caught.value.code == "model_not_found"


@works(JOBS, "method.dpo.hyperparameters", "method.dpo.hyperparameters.beta")
async def test_a_job_learns_preferences_by_dpo_and_its_model_chats(run: PythonClient):
    made = await run(
        """
import time
pairs = client.files.create(file=("pairs.jsonl", text.encode()), purpose="fine-tune").id
liked = client.fine_tuning.jobs.create(
    model="gpt-3.5-turbo", training_file=pairs, validation_file=pairs,
    method={"type": "dpo", "dpo": {"hyperparameters": {
        "beta": 0.2, "n_epochs": 4, "batch_size": 4, "learning_rate_multiplier": "auto"}}},
)
made, busy = liked.to_dict(), ("validating_files", "queued", "running")
while client.fine_tuning.jobs.retrieve(liked.id).status in busy:
    time.sleep(0.2)
made
""",
        text=lines(preferences()),
    )
    asked = {"n_epochs": 4, "batch_size": 4, "learning_rate_multiplier": "auto"}
    assert made["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, **asked}}}
    assert made["hyperparameters"] == asked
    done = await run("client.fine_tuning.jobs.retrieve(liked.id)")
    assert done["status"] == "succeeded", done
    values = done["method"]["dpo"]["hyperparameters"]
    assert (values["beta"], values["n_epochs"]) == (0.2, 4)
    assert values["learning_rate_multiplier"] > 0
    results = await run("client.files.content(id).read().decode()", id=done["result_files"][0])
    header, first, *_, last = (line.split(",") for line in results.splitlines())
    loss = header.index("training_loss")
    assert float(first[loss]) == pytest.approx(0.6931, abs=1e-3)
    assert float(last[header.index("validation_reward_margin")]) > 0
    answer = await run(
        "client.chat.completions.create(model=model, messages=asked, max_tokens=4)"
        ".choices[0].message.role",
        model=done["fine_tuned_model"],
        asked=[{"role": "user", "content": "is 7 odd?"}],
    )
    assert answer == "assistant"


@works(JOBS, "a file that does not fit the method: 400, param training_file")
async def test_preferences_and_their_method_go_together(run: PythonClient):
    raised = list[Raised]()
    for kind, rows in (("supervised", preferences()), ("dpo", chats())):
        with pytest.raises(Raised) as caught:
            await run(
                """
file = client.files.create(file=("some.jsonl", text.encode()), purpose="fine-tune").id
client.fine_tuning.jobs.create(model="ada", method={"type": kind}, training_file=file)
""",
                kind=kind,
                text=lines(rows),
            )
        raised.append(caught.value)
    assert [each.status for each in raised] == [400] * 2
    assert [each.param for each in raised] == ["training_file"] * 2
    assert "ask for the method dpo" in raised[0].message
    assert "holds no preferences" in raised[1].message
