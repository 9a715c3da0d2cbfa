"""Whole datasets are looked at in the background: through the front door, with real workers."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from tunesmith.v1 import catalog_pb2, common_pb2, dataset_pb2, fine_tune_pb2
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Analysis, Settings
from tunesmith_trainer.bases.materialise import materialise

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, a_tenant, jsonl, refused
from tests.waiting import until

CLASSES = [{"prompt": f"{n} is ->", "completion": f" {('odd', 'even')[n % 2]}"} for n in range(40)]
COMPLETE = dataset_pb2.ANALYSIS_STATE_COMPLETE
FAILED = dataset_pb2.ANALYSIS_STATE_FAILED
OPEN = (dataset_pb2.ANALYSIS_STATE_PENDING, dataset_pb2.ANALYSIS_STATE_RUNNING)


@pytest.fixture(scope="session")
def bases_with_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases that has the tiny one."""
    folder = tmp_path_factory.mktemp("bases")
    materialise("tiny-random", folder / "tiny-random", lambda stage, part: None)
    return folder


@pytest.fixture
def server_settings(server_settings: Settings, bases_with_tiny: Path) -> Settings:
    """With workers, and with encodings."""
    return server_settings.model_copy(
        update={
            "analysis": Analysis(processes=2, plan_wait_seconds=60, validate_wait_seconds=60),
            "bases_dir": bases_with_tiny,
        }
    )


async def statistics(caller: Caller, base: str = "", **more: str) -> list[Any]:
    request = dataset_pb2.GetDatasetStatisticsRequest(
        name="tenants/-/datasets/numbers", base_model=base, **more
    )
    answer = await caller.datasets.GetDatasetStatistics(request, metadata=caller.metadata)
    return list(answer.statistics)


async def counted(caller: Caller, base: str, **more: str) -> dataset_pb2.TokenStatistics:
    (found,) = await until(
        lambda: statistics(caller, base, **more), lambda all: all[0].analysis.state not in OPEN
    )
    return found


async def dataset(caller: Caller, id: str = "numbers") -> dataset_pb2.Dataset:
    request = dataset_pb2.GetDatasetRequest(name=f"tenants/-/datasets/{id}")
    return (await caller.datasets.GetDataset(request, metadata=caller.metadata)).dataset


async def with_encoding(server: Running, name: str = "cl100k_base") -> None:
    """Add the base gpt to the catalogue."""
    admin = Caller(server.address, ADMIN_KEY)
    base = catalog_pb2.BaseModel(
        source="huggingface:nobody/nothing", tokenizer=f"tiktoken:{name}", context_length=8
    )
    request = catalog_pb2.CreateBaseModelRequest(base_model_id="gpt", base_model=base)
    made = await admin.catalogue.CreateBaseModel(request, metadata=admin.metadata)
    assert made.base_model.tokenizer == f"tiktoken:{name}"


async def plan(
    caller: Caller, base: str = "tiny-random", validation: str = ""
) -> fine_tune_pb2.PlanFineTuneResponse:
    run = fine_tune_pb2.FineTune(
        spec=fine_tune_pb2.FineTuneSpec(
            base_model=base, training_dataset="numbers", validation_dataset=validation
        )
    )
    request = fine_tune_pb2.PlanFineTuneRequest(parent="tenants/-", fine_tune=run)
    return await caller.fine_tunes.PlanFineTune(request, metadata=caller.metadata)


async def test_a_new_version_is_looked_at_as_a_whole(acme: Caller):
    found = await until(lambda: dataset(acme), lambda d: d.analysis.state not in OPEN)
    assert found.state == dataset_pb2.DATASET_STATE_READY
    assert found.analysis.state == COMPLETE
    assert found.analysis.bytes_done == found.size_bytes
    assert found.analysis.HasField("complete_time")


async def test_tokens_are_told_for_the_base_that_is_asked_for(server: Running, acme: Caller):
    await with_encoding(server)
    found = await counted(acme, "gpt")
    assert found.base_model == "baseModels/gpt"
    assert found.tokenizer == "cl100k_base"
    assert found.example_count == len(ROWS)
    assert found.total_tokens > found.billable_tokens == 8 * len(ROWS)
    assert found.truncated_count == len(ROWS)
    assert sum(bar.count for bar in found.histogram) == len(ROWS)
    assert found.percentiles[50] <= found.longest_example_tokens
    assert [finding.code for finding in found.findings] == ["LABELLED_PROMPT_TRUNCATED"]


async def test_a_base_with_weights_is_counted_by_its_own_tokenizer(acme: Caller):
    found = await counted(acme, "baseModels/tiny-random")
    assert found.tokenizer.startswith("sha256:")
    assert found.billable_tokens == found.total_tokens > 0


async def test_listed_bases_are_counted_without_being_asked_for_and_shared_ones_once(
    server: Running, acme: Caller, database_url: str
):
    await with_encoding(server)
    await acme.upload(jsonl(CLASSES))
    found = await until(
        lambda: statistics(acme),
        lambda all: COMPLETE in {each.analysis.state for each in all},
    )
    assert [each.base_model.split("/")[1] for each in found] == [
        *("ada", "curie", "gpt", "smollm2-135m-instruct")
    ]
    # the weights of the others are not on this machine, and nobody has asked for them
    assert {each.analysis.state for each in found} == {COMPLETE, OPEN[0]}


async def test_an_older_version_has_statistics_of_its_own(acme: Caller):
    first = await dataset(acme)
    await acme.upload(jsonl(CLASSES))
    assert (await counted(acme, "tiny-random")).example_count == len(CLASSES)
    for version in ("1", first.digest):
        found = await counted(acme, "tiny-random", version=version)
        assert found.example_count == len(ROWS)
    reason, _ = await refused(statistics(acme, version="7"))
    assert reason == "RESOURCE_NOT_FOUND"


async def test_an_absent_base_and_one_that_is_not_allowed_are_refused_alike(acme: Caller):
    assert (await refused(statistics(acme, "gpt-9")))[0] == "RESOURCE_NOT_FOUND"


async def test_the_catalogue_takes_only_encodings_that_there_are(server: Running):
    reason, words = await refused(with_encoding(server, "gpt5"))
    assert reason == "FIELD_INVALID"
    assert "base_model.tokenizer: 'tiktoken:gpt5' is none of tiktoken:r50k_base" in words


async def test_a_plan_waits_for_the_tokens_and_then_tells_them_exactly(acme: Caller):
    found = await plan(acme)
    exact = (await statistics(acme, "tiny-random"))[0]
    assert exact.analysis.state == COMPLETE
    assert found.trained_tokens == found.max_trained_tokens == 4 * exact.billable_tokens
    assert f"counted, {exact.billable_tokens} an epoch" in found.cost_basis


async def test_a_plan_warns_of_validation_rows_that_are_trained_on(acme: Caller):
    seen = {"prompt": "the cat sat ->", "completion": " down"}
    near = {"prompt": "a dog ran all the way home ->", "completion": " away"}
    new = {"prompt": "never seen ->", "completion": " new"}
    nearly = {key: text.upper() for key, text in near.items()}
    await acme.upload(jsonl([seen, near]))
    # as a JSON array, of which the worker must be told: nothing but the bytes comes to it
    await acme.upload(json.dumps([new, seen, nearly]).encode(), id="held-out")
    await acme.upload(jsonl([new]), id="clean")
    found = await plan(acme, validation="held-out")
    assert [(each.code, each.count) for each in found.findings] == [
        ("LEAKAGE", 1),
        ("NEAR_LEAKAGE", 1),
    ]
    assert {each.severity for each in found.findings} == {common_pb2.FINDING_SEVERITY_WARNING}
    assert found.plan_token  # it is not in the way
    assert list((await plan(acme, validation="clean")).findings) == []


async def test_a_run_reserves_what_it_will_train_on_once_that_is_counted(acme: Caller):
    await counted(acme, "tiny-random")
    planned = await plan(acme)
    await acme.create(plan_token=planned.plan_token)
    usage = await acme.usage()
    assert usage["trained_tokens_per_month"].reserved == planned.max_trained_tokens


async def test_findings_are_streamed_once_each_also_when_the_analysis_ends_meanwhile(acme: Caller):
    request = dataset_pb2.ValidateDatasetRequest(name="tenants/-/datasets/numbers")
    stream = acme.datasets.ValidateDataset(request, metadata=acme.metadata)
    told = [finding.code async for response in stream for finding in response.findings]
    assert len(told) == len(set(told)) > 0
    assert (await dataset(acme)).analysis.state == COMPLETE


async def test_a_table_is_counted_as_the_rows_that_it_holds(acme: Caller):
    as_rows = await counted(acme, "tiny-random")
    lines = ["prompt,completion"]
    lines += [f'"{row["prompt"]}","{row["completion"]}"' for row in ROWS]
    await acme.upload("\n".join(lines).encode())
    as_table = await counted(acme, "tiny-random")
    assert as_table.analysis.state == COMPLETE
    assert as_table.total_tokens == as_rows.total_tokens


async def test_equal_bytes_of_another_tenant_are_counted_anew(server: Running, acme: Caller):
    await counted(acme, "tiny-random")
    other = await a_tenant(server.address, "other")
    await other.upload(jsonl(ROWS))
    first = (await statistics(other, "tiny-random"))[0]
    assert first.analysis.state in OPEN
    assert (await counted(other, "tiny-random")).example_count == len(ROWS)


def workers() -> list[psutil.Process]:
    """The workers that this process has started."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "tunesmith_server.adapters.analysis.worker" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture(scope="session")
def large_file() -> bytes:
    """Enough to be at for some seconds: long texts that differ."""
    text = " ".join(str(number) for number in range(150))
    return b"".join(
        b'{"prompt":"%d %s","completion":" %d"}\n' % (n, text.encode(), n) for n in range(30_000)
    )


async def at_it(caller: Caller, id: str = "large") -> dataset_pb2.Dataset:
    """The dataset, once a worker has read some of it."""
    return await until(
        lambda: dataset(caller, id),
        lambda d: d.analysis.state == OPEN[1] and d.analysis.bytes_done > 0,
    )


async def test_progress_is_told_and_a_worker_that_is_killed_is_followed_by_another(
    server: Running, acme: Caller, large_file: bytes
):
    await with_encoding(server)
    await until(lambda: dataset(acme), lambda d: d.analysis.state == COMPLETE)
    await acme.upload(large_file, "large", chunk=2**20)
    found = await at_it(acme)
    assert 0 < found.analysis.bytes_done < found.size_bytes
    (worker,) = workers()
    assert worker.nice() == min(19, os.nice(0) + 10)  # ours is what the tests were started with
    children = worker.children()
    worker.kill()
    gone, left = psutil.wait_procs(children, timeout=10)
    assert (len(gone), left) == (2, [])
    found = await until(lambda: dataset(acme, "large"), lambda d: d.analysis.state == COMPLETE)
    assert found.analysis.bytes_done == found.size_bytes == len(large_file)
    assert not found.analysis.error


async def test_what_keeps_failing_is_given_up_with_the_reason(
    server: Running, acme: Caller, large_file: bytes
):
    await with_encoding(server)
    await until(lambda: dataset(acme), lambda d: d.analysis.state == COMPLETE)
    await acme.upload(large_file, "large", chunk=2**20)
    killed: set[int] = set()

    async def kill() -> dataset_pb2.Dataset:
        for worker in workers():
            killed.add(worker.pid)
            worker.kill()
        return await dataset(acme, "large")

    found = await until(kill, lambda d: d.analysis.state == FAILED)
    assert len(killed) == 3
    assert "given up after 3 attempts: its process was killed" in found.analysis.error
    assert found.state == dataset_pb2.DATASET_STATE_READY


async def test_a_dataset_that_is_deleted_meanwhile_ends_its_worker(
    server: Running, acme: Caller, large_file: bytes
):
    await with_encoding(server)
    await acme.upload(large_file, "large", chunk=2**20)
    await at_it(acme)
    request = dataset_pb2.DeleteDatasetRequest(name="tenants/-/datasets/large")
    await acme.datasets.DeleteDataset(request, metadata=acme.metadata)

    async def running() -> list[psutil.Process]:
        return workers()

    await until(running, lambda found: not found)


async def test_a_service_that_ends_gives_its_work_back_at_once(
    server_settings: Settings, large_file: bytes
):
    async with serve(server_settings) as running:
        await with_encoding(running)
        acme = await a_tenant(running.address, "acme")
        await acme.upload(large_file, "large", chunk=2**20)
        await at_it(acme)
    assert not workers()
    async with serve(server_settings) as running:
        again = Caller(running.address, acme.key)
        found = await until(lambda: dataset(again, "large"), lambda d: d.analysis.state == COMPLETE)
        assert found.analysis.bytes_done == len(large_file)
