"""The guide's Python calls, its curl, and Node's clients, with real training behind them."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.openai import environments
from tests.openai.clients import Command, PythonClient
from tests.openai.conformance import differs, works
from tests.openai.conftest import Account, Service, old_library
from tests.openai.rows import PROMPT, answers, lines

pytestmark = pytest.mark.slow

PYTHON, CURL = "openai-python 0.28.1", "curl"


@dataclass
class Desk:
    account: Account
    run: PythonClient
    folder: Path
    model: str
    job: str
    messages: list[str]


@pytest.fixture(scope="module")
async def desk(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A model that the old library had trained, as the guide does it."""
    account = await service.account("library")
    async with old_library(account) as run:
        job, messages, model = await run(
            """
import io, time
file = openai.File.create(file=io.BytesIO(text.encode()), purpose="fine-tune",
                          user_provided_filename="train.jsonl")
job = openai.FineTune.create(training_file=file["id"], model="davinci", n_epochs=1)
messages = [event["message"] for event in openai.FineTune.stream_events(job["id"])]
model = openai.FineTune.retrieve(job["id"])["fine_tuned_model"]
[job["id"], messages, model]
""",
            text=lines(answers(12)),
        )
        folder = tmp_path_factory.mktemp("library")
        yield Desk(account, run, folder, model, job, messages)


@works(PYTHON, "File.create, FineTune.create, FineTune.stream_events, FineTune.retrieve")
@works(PYTHON, "FineTune.list, FineTune.list_events, FineTune.cancel, File.download, Model.list")
async def test_the_librarys_calls_of_the_guide(desk: Desk):
    assert desk.messages[0] == f"Created fine-tune: {desk.job}"
    assert desk.messages[-1] == "Fine-tune succeeded"
    assert desk.model.startswith("davinci:ft-library-")
    listed = await desk.run(
        "[event['message'] for event in openai.FineTune.list_events(id)['data']]", id=desk.job
    )
    assert listed == desk.messages
    assert await desk.run("[job['id'] for job in openai.FineTune.list()['data']]") == [desk.job]
    names = await desk.run("[model['id'] for model in openai.Model.list()['data']]")
    assert desk.model in names
    results = await desk.run(
        "openai.File.download(openai.FineTune.retrieve(id)['result_files'][0]['id']).decode()",
        id=desk.job,
    )
    assert len(list(csv.DictReader(io.StringIO(results)))) == 3
    cancelled = await desk.run(
        "openai.FineTune.cancel(openai.FineTune.create(training_file=file['id'], model='ada',"
        " n_epochs=50)['id'])['status']"
    )
    assert cancelled == "cancelled"


@works(
    PYTHON, "Completion.create: logprobs=2, logit_bias, temperature=0, stop, stream=True, engine="
)
@works(PYTHON, "ChatCompletion.create")
async def test_the_librarys_completions_of_the_guide(desk: Desk):
    answer = await desk.run(
        """
openai.Completion.create(model=model, prompt=prompt, max_tokens=1, temperature=0, logprobs=2,
                         logit_bias={"11": 3})
""",
        model=desk.model,
        prompt=PROMPT,
    )
    choice = answer["choices"][0]
    assert (choice["finish_reason"], len(choice["logprobs"]["tokens"])) == ("length", 1)
    assert 2 <= len(choice["logprobs"]["top_logprobs"][0]) <= 3
    streamed, whole = await desk.run(
        """
ask = dict(prompt=prompt, max_tokens=5, temperature=0, stop=["zebra"])
parts = [c["choices"][0]["text"] for c in openai.Completion.create(model=model, stream=True, **ask)]
["".join(parts), openai.Completion.create(engine=model, **ask)["choices"][0]["text"]]
"""
    )
    assert streamed == whole
    chat = await desk.run(
        "openai.ChatCompletion.create(model='gpt-3.5-turbo', max_tokens=2,"
        " messages=[dict(role='user', content='x')])"
    )
    assert (chat["object"], chat["model"]) == ("chat.completion", "gpt-3.5-turbo")


@works(CURL, "completions with the fine-tuned model, a bare colon in its name")
@works(CURL, "-F purpose=fine-tune -F file=@…", "a job, its events, a model and its deletion")
@works(PYTHON, "Model.delete")
async def test_curl_as_in_the_guide(desk: Desk):
    environments.need("curl")
    key, base = ("-H", f"Authorization: Bearer {desk.account.key}"), desk.account.base
    curl = Command("curl", "-sS", "--fail-with-body", *key, cwd=desk.folder)
    json_type = ("-H", "Content-Type: application/json")
    body = {"prompt": PROMPT, "model": desk.model, "max_tokens": 2}
    answer = (await curl(f"{base}/completions", *json_type, "-d", json.dumps(body))).json
    assert answer["model"] == desk.model
    shown = (await curl(f"{base}/models/{desk.model}")).json
    assert shown["id"] == desk.model
    (desk.folder / "more.jsonl").write_text(lines(answers(4)))
    file = await curl(f"{base}/files", "-F", "purpose=fine-tune", "-F", "file=@more.jsonl")
    assert file.json["filename"] == "more.jsonl"
    events = await curl(f"{base}/fine-tunes/{desk.job}/events?stream=true")
    assert events.out.rstrip().endswith("data: [DONE]")
    made = {"training_file": file.json["id"], "model": "ada", "n_epochs": 1}
    job = (await curl(f"{base}/fine-tunes", *json_type, "-d", json.dumps(made))).json
    log = await curl("-N", f"{base}/fine-tunes/{job['id']}/events?stream=true")
    assert "Fine-tune succeeded" in log.out
    models = [(await curl(f"{base}/fine-tunes/{job['id']}")).json["fine_tuned_model"]]
    again = made | {"model": models[0]}
    job = (await curl(f"{base}/fine-tunes", *json_type, "-d", json.dumps(again))).json
    assert job["model"] == models[0]  # going on from a model of one's own, as the guide says
    await curl("-N", f"{base}/fine-tunes/{job['id']}/events?stream=true")
    models.append((await curl(f"{base}/fine-tunes/{job['id']}")).json["fine_tuned_model"])
    gone = (await curl("-X", "DELETE", f"{base}/models/{models[0]}")).json
    assert gone == {"id": models[0], "object": "model", "deleted": True}
    assert (await desk.run("openai.Model.delete(name)", name=models[1]))["deleted"] is True
    gone = (await curl("-X", "DELETE", f"{base}/files/{file.json['id']}")).json
    assert gone["deleted"] is True


NODE_3 = """
const { Configuration, OpenAIApi } = require("openai");
const fs = require("fs");
(async () => {
  const api = new OpenAIApi(new Configuration({
    apiKey: process.env.OPENAI_API_KEY, basePath: process.env.OPENAI_API_BASE }));
  const done = await api.createCompletion({
    model: process.argv[2], prompt: "is 7 odd? ->", max_tokens: 2 });
  const file = await api.createFile(fs.createReadStream("node.jsonl"), "fine-tune");
  const job = await api.createFineTune({ training_file: file.data.id, model: "ada" });
  const cancelled = await api.cancelFineTune(job.data.id);
  const failed = await api.retrieveFineTune("ft-none").catch((e) => e.response);
  console.log(JSON.stringify({ model: done.data.model, file: file.data, job: job.data.id,
    status: cancelled.data.status, failed: [failed.status, failed.data.error.message] }));
})();
"""


@works("openai@3 for Node", "createCompletion", "createFile, chunked without a length")
@works("openai@3 for Node", "createFineTune, cancelFineTune, retrieveFineTune, and its errors")
async def test_nodes_old_client(desk: Desk):
    home = environments.node(environments.OLD_NODE)
    (desk.folder / "old.js").write_text(NODE_3)
    (desk.folder / "node.jsonl").write_text(lines(answers(6)))
    modules = {"NODE_PATH": str(home / "node_modules")}
    node = Command("node", cwd=desk.folder, **desk.account.old, **modules)
    found = (await node("old.js", desk.model)).json
    assert found["model"] == desk.model
    assert found["file"]["filename"] == "node.jsonl"
    assert found["file"]["bytes"] == (desk.folder / "node.jsonl").stat().st_size
    assert found["status"] == "cancelled"
    assert found["failed"] == [404, "No such fine-tune job: ft-none"]


NODE_NEW = """
const OpenAI = require("openai").default;
const { toFile } = require("openai");
const fs = require("fs");
(async () => {
  const client = new OpenAI({ maxRetries: 0 });
  const file = await client.files.create({
    file: await toFile(fs.createReadStream("node.jsonl"), "node.jsonl"), purpose: "fine-tune" });
  const job = await client.fineTuning.jobs.create({ training_file: file.id, model: "gpt-4o-mini" });
  const cancelled = await client.fineTuning.jobs.cancel(job.id);
  const listed = [];
  for await (const each of client.fineTuning.jobs.list({ limit: 1 })) listed.push(each.id);
  const events = [];
  for await (const e of client.fineTuning.jobs.listEvents(job.id, { limit: 2 })) events.push(e.id);
  let text = "";
  const stream = await client.chat.completions.create({ model: process.argv[2], stream: true,
    max_tokens: 3, temperature: 0, messages: [{ role: "user", content: "is 7 odd?" }] });
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  const done = await client.completions.create({ model: process.argv[2], prompt: "x",
    max_tokens: 1 });
  const failed = await client.models.retrieve("nobody").catch((e) => e);
  console.log(JSON.stringify({ job: job.id, status: cancelled.status, listed, text,
    events: new Set(events).size, all: events.length, model: done.model,
    failed: [failed.constructor.name, failed.status, failed.code, !!failed.requestID] }));
})();
"""


@works(
    "openai@6 for Node", "files, jobs, pagination to the end, events, completions, chat streamed"
)
@works("openai@6 for Node", "NotFoundError with code and request id")
async def test_nodes_current_sdk(desk: Desk):
    home = environments.node(environments.NEW_NODE)
    (desk.folder / "new.js").write_text(NODE_NEW)
    (desk.folder / "node.jsonl").write_text(lines(answers(6)))
    modules = {"NODE_PATH": str(home / "node_modules")}
    node = Command("node", cwd=desk.folder, **desk.account.new, **modules)
    found = (await node("new.js", desk.model)).json
    assert found["status"] == "cancelled"
    assert found["job"] in found["listed"]
    assert found["events"] == found["all"] > 3
    assert found["model"] == desk.model
    assert found["failed"] == ["NotFoundError", 404, "model_not_found", True]


SYNC = """
import json, sys
import wandb
from openai import _openai_scripts, wandb_logger
from wandb.sdk.wandb_run import Run

wandb.login = lambda *_, **__: True  # offline it would say False
class Api:  # what was logged before is asked of W&B's own service
    def run(self, path): raise ValueError(path)
    artifact = run
wandb.Api = Api
used = []
Run.use_artifact = lambda self, artifact, **_: used.append(artifact.name)
logged = []
log = Run.log
Run.log = lambda self, row, *rest, **more: (logged.append(row), log(self, row, *rest, **more))[1]
job = sys.argv[1]
sys.argv[1:] = ["wandb", "sync", "-i", job]
_openai_scripts.main()
steps = len(logged)
wandb_logger.WandbLogger.sync(id=job, legacy=True)
print("SHOWN " + json.dumps([steps, logged[0], len(logged) - steps, used]))
"""


@works("openai wandb sync", "-i with a job of either API")
@works("GET /v1/fine_tuning/jobs/{job}", "jobs of the old API")
@differs(
    "openai wandb sync",
    "without -i",
    "0.28.1 itself ends with an AttributeError at any job; 0.27 lists the old API's jobs",
)
@differs("openai wandb sync", "WANDB_MODE=offline", "W&B's login, Api and use_artifact need W&B")
async def test_wandb_logs_what_the_results_have(desk: Desk):
    python = environments.old_python_with_wandb()
    (desk.folder / "sync.py").write_text(SYNC)
    environment = {"WANDB_MODE": "offline", "WANDB_DIR": str(desk.folder), "WANDB_SILENT": "true"}
    run = Command(str(python), "-W", "ignore", cwd=desk.folder, **desk.account.old, **environment)
    ended = await run("sync.py", desk.job)
    assert "wandb sync completed successfully" in ended.out
    shown = next(line for line in ended.out.splitlines() if line.startswith("SHOWN "))
    steps, first, again, used = json.loads(shown.removeprefix("SHOWN "))
    assert steps == again == 3
    assert first["training_loss"] > 0
    assert "elapsed_tokens" in first
    assert used == ["train-train.jsonl"]
