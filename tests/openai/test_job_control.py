"""Pausing, resuming and going on with the current SDK; the trainer follows a script."""

from dataclasses import replace
from pathlib import Path

import pytest
from tunesmith_server.adapters.sql.store import SqlStore

from tests.integration.calls import jsonl
from tests.integration.training import until
from tests.openai.catalogue import database_in
from tests.openai.clients import Raised
from tests.openai.conformance import differs, works
from tests.openai.conftest import Scripted, sdk
from tests.openai.rows import answers

PAUSE = "POST /v1/fine_tuning/jobs/{job}/pause"


@works(PAUSE, "", "400 for a job that has ended")
@works("POST /v1/fine_tuning/jobs/{job}/resume", "", "400 for a job that is not paused")
@differs(PAUSE, "which jobs", "every job; OpenAI's server pauses reinforcement jobs alone")
async def test_a_job_is_paused_and_resumed(scripted: Scripted):
    async with scripted("prepared,metrics=1,checkpoint=1,wait=go,succeed") as service:
        acme = await service.account("acme")
        await acme.caller.upload(jsonl(answers()))
        async with sdk(acme) as run:
            job = await run(
                "job = client.fine_tuning.jobs.create(model='ada', training_file='numbers'); job.id"
            )
            name = f"tenants/acme/fineTunes/{job}"
            await until(acme.caller, name, "RUNNING")
            with pytest.raises(Raised) as caught:
                await run("client.fine_tuning.jobs.resume(job.id)")
            assert (caught.value.kind, caught.value.status) == ("BadRequestError", 400)
            pausing = await run("client.fine_tuning.jobs.pause(job.id)")
            assert pausing["status"] in ("running", "paused")
            await until(acme.caller, name, "PAUSED")
            assert (await run("client.fine_tuning.jobs.retrieve(job.id)"))["status"] == "paused"
            resumed = await run("client.fine_tuning.jobs.resume(job.id)")
            assert resumed["status"] in ("queued", "running")
            again = await until(acme.caller, name, "RUNNING")
            assert service.training
            service.training.let(again, attempt=2)
            await until(acme.caller, name, "SUCCEEDED")
            done = await run("client.fine_tuning.jobs.retrieve(job.id)")
            assert done["status"] == "succeeded"
            messages = await run(
                "[e.message for e in client.fine_tuning.jobs.list_events(job.id, limit=100)]"
            )
            assert "Fine-tune paused" in messages
            assert "Fine-tune resumed" in messages
            with pytest.raises(Raised) as caught:
                await run("client.fine_tuning.jobs.pause(job.id)")
            assert (caught.value.kind, caught.value.status) == ("BadRequestError", 400)


@works("GET /v1/fine-tunes/{job}", "of a job whose model was deleted: with its events")
async def test_a_job_outlives_its_model(scripted: Scripted):
    async with scripted("prepared,metrics=2,succeed") as service:
        acme = await service.account("acme")
        await acme.caller.upload(jsonl(answers()))
        async with acme.http() as http:
            made = {"model": "ada", "training_file": "numbers"}
            job = (await http.post("fine-tunes", json=made)).json()["id"]
            await until(acme.caller, f"tenants/acme/fineTunes/{job}", "SUCCEEDED")
            before = (await http.get(f"fine-tunes/{job}")).json()
            assert (await http.delete(f"models/{before['fine_tuned_model']}")).status_code == 200
            after = (await http.get(f"fine-tunes/{job}")).json()
            assert (after["status"], after["fine_tuned_model"]) == ("succeeded", None)
            events = (await http.get(f"fine-tunes/{job}/events")).json()["data"]
            assert events == after["events"]
            assert len(events) == len(before["events"])
            assert f"Uploaded result file: file-results-{job}" in [e["message"] for e in events]
            stream = await http.get(f"fine-tunes/{job}/events?stream=true")
            assert stream.text.count("fine-tune-event") == len(events)
            assert stream.text.endswith("data: [DONE]\n\n")


async def test_results_of_before_their_size_was_kept_are_counted_when_asked_for(
    scripted: Scripted, tmp_path: Path
):
    async with scripted("prepared,metrics=2,succeed") as service:
        acme = await service.account("acme")
        await acme.caller.upload(jsonl(answers()))
        async with acme.http() as http:
            made = {"model": "ada", "training_file": "numbers"}
            job = (await http.post("fine-tunes", json=made)).json()["id"]
            await until(acme.caller, f"tenants/acme/fineTunes/{job}", "SUCCEEDED")
            path = f"files/file-results-{job}"
            counted = (await http.get(path)).json()
            store = SqlStore(database_in(tmp_path / "data"))
            try:
                await store.write(
                    lambda tx: tx.of("acme").put_fine_tune(
                        replace(tx.of("acme").fine_tune(job), results_bytes=None)
                    )
                )
            finally:
                await store.close()
            assert (await http.get(path)).json() == counted
            assert counted["bytes"] == len((await http.get(f"{path}/content")).content) > 0


@works("POST /v1/fine_tuning/jobs", "model: a checkpoint to go on from")
async def test_a_job_goes_on_from_a_checkpoint(scripted: Scripted):
    async with scripted("prepared,metrics=1,checkpoint=1,succeed") as service:
        acme = await service.account("acme")
        await acme.caller.upload(jsonl(answers()))
        async with sdk(acme) as run:
            create = "client.fine_tuning.jobs.create(model=model, training_file='numbers')"
            first = await run(create, model="ada")
            await until(acme.caller, f"tenants/acme/fineTunes/{first['id']}", "SUCCEEDED")
            (checkpoint,) = await run(
                "list(client.fine_tuning.jobs.checkpoints.list(id))", id=first["id"]
            )
            name = checkpoint["fine_tuned_model_checkpoint"]
            second = await run(create, model=name)
            assert second["model"] == name
            done = await until(acme.caller, f"tenants/acme/fineTunes/{second['id']}", "SUCCEEDED")
            assert done.resolved.parent_model.endswith("#1")
