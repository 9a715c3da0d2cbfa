"""Preparing and splitting through the front door."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from tunesmith.dataset_rules.fixes import Choice, Job, run
from tunesmith.dataset_rules.split import SplitChoice
from tunesmith.v1 import dataset_pb2 as pb

from tests.integration.calls import Caller, reason

NAME = "tenants/acme/datasets/raw"
ROWS = [
    {"Prompt": f"How is number {n}?", "completion": ["good", "bad", "good"][n % 3], "id": n % 7}
    for n in range(60)
]
RAW = b"\xef\xbb\xbf" + b"".join(
    json.dumps(row).encode() + b"\r\n" for row in [*ROWS, ROWS[3], {**ROWS[4], "completion": ""}]
)


async def prepare(caller: Caller, **fields: Any) -> pb.PrepareDatasetResponse:
    request = pb.PrepareDatasetRequest(name=NAME, **fields)
    response: pb.PrepareDatasetResponse = await caller.datasets.PrepareDataset(
        request, metadata=caller.metadata
    )
    return response


async def split(caller: Caller, name: str = NAME, **fields: Any) -> pb.SplitDatasetResponse:
    request = pb.SplitDatasetRequest(name=name, **fields)
    response: pb.SplitDatasetResponse = await caller.datasets.SplitDataset(
        request, metadata=caller.metadata
    )
    return response


async def content(caller: Caller, name: str, version: str = "") -> bytes:
    request = pb.DownloadDatasetRequest(name=name, version=version)
    parts = caller.datasets.DownloadDataset(request, metadata=caller.metadata)
    return b"".join([part.data async for part in parts])


async def get(caller: Caller, name: str = NAME) -> pb.Dataset:
    response = await caller.datasets.GetDataset(
        pb.GetDatasetRequest(name=name), metadata=caller.metadata
    )
    dataset: pb.Dataset = response.dataset
    return dataset


def counts(response: pb.PrepareDatasetResponse) -> Mapping[str, int]:
    return {fix.code: fix.count for fix in response.fixes}


async def test_a_proposal_tells_every_fix_in_order_and_changes_nothing(acme: Caller):
    raw = await acme.upload(RAW, id="raw")
    response = await prepare(acme)
    assert list(counts(response).items()) == [
        ("BOM", 1),
        ("CRLF", 62),
        ("FIELD_CASE", 62),
        ("FIELD_UNKNOWN", 61),
        ("COMPLETION_EMPTY", 1),
        ("DUPLICATE_ROWS", 1),
        ("PROMPT_PREFIX_COMMON", 60),
        ("COMPLETION_SPACE_MISSING", 60),
    ]
    assert [fix.code for fix in response.fixes if fix.necessary] == [
        "FIELD_CASE",
        "COMPLETION_EMPTY",
    ]
    assert not any(fix.applied for fix in response.fixes)
    assert (response.split.training_count, response.split.validation_count) == (48, 12)
    assert not response.HasField("dataset")
    assert await get(acme) == raw


async def test_applied_it_is_a_new_version_with_its_parent_and_the_bytes_of_the_offline_tool(
    acme: Caller, tmp_path: Path
):
    raw = await acme.upload(RAW, id="raw")
    response = await prepare(acme, all_fixes=True)
    # long instructions are cut off only by name
    assert [fix.code for fix in response.fixes if not fix.applied] == ["PROMPT_PREFIX_COMMON"]
    dataset = response.dataset
    assert (dataset.version_number, dataset.parent_digest) == (2, raw.digest)
    assert dataset.state == pb.DATASET_STATE_READY
    assert dataset.example_count == 60
    (tmp_path / "raw.jsonl").write_bytes(RAW)
    run(Job(str(tmp_path / "raw.jsonl"), out=(str(tmp_path / "out.jsonl"),)))
    assert await content(acme, NAME) == (tmp_path / "out.jsonl").read_bytes()
    assert await content(acme, NAME, "1") == RAW
    again = await prepare(acme, all_fixes=True)
    assert not any(fix.applied for fix in again.fixes)
    assert not again.HasField("dataset")


async def test_only_the_fixes_that_are_named_are_applied_and_the_necessary_ones(acme: Caller):
    await acme.upload(RAW, id="raw")
    response = await prepare(acme, fixes=["DUPLICATE_ROWS"])
    applied = {fix.code for fix in response.fixes if fix.applied}
    assert {"DUPLICATE_ROWS", "COMPLETION_EMPTY", "FIELD_CASE"} <= applied
    assert "COMPLETION_SPACE_MISSING" not in applied
    assert b'"completion":"good"' in await content(acme, NAME)


async def test_a_repeat_with_the_same_request_id_gets_the_first_answer(acme: Caller):
    await acme.upload(RAW, id="raw")
    id, another = str(uuid.uuid4()), str(uuid.uuid4())
    first = await prepare(acme, all_fixes=True, request_id=id)
    assert await prepare(acme, all_fixes=True, request_id=id) == first
    sides = await split(acme, request_id=another)
    assert await split(acme, request_id=another) == sides


async def test_samples_show_nothing_secret_or_personal_also_when_the_answer_comes_again(
    acme: Caller,
):
    canary = {"Prompt": "Who is canary.jane@gmail.com?", "completion": "password: kV9!canary2"}
    await acme.upload(RAW + 2 * (json.dumps(canary).encode() + b"\n"), id="raw")
    mending: dict[str, Any] = {"all_fixes": True, "request_id": str(uuid.uuid4())}
    for fields in ({}, mending, mending):
        told = str(await prepare(acme, **fields))
        assert "canary" not in told
        assert "Who is [EMAIL]?" in told


async def test_secrets_and_personal_data_go_if_they_are_named_as_with_the_offline_tool(
    acme: Caller, tmp_path: Path
):
    canary = {"prompt": "Who is canary.jane@gmail.com?", "completion": "password: kV9!canary2"}
    raw = RAW + json.dumps(canary).encode() + b"\n"
    await acme.upload(raw, id="raw")
    (tmp_path / "raw.jsonl").write_bytes(raw)
    codes = ["SECRET_FOUND", "PERSONAL_DATA_FOUND"]
    assert not {*codes} & counts(await prepare(acme)).keys()
    response = await prepare(acme, fixes=codes)
    assert {code: counts(response)[code] for code in codes} == dict.fromkeys(codes, 1)
    out = tmp_path / "out.jsonl"
    run(Job(str(tmp_path / "raw.jsonl"), choice=Choice(False, frozenset(codes)), out=(str(out),)))
    made = await content(acme, NAME)
    assert made == out.read_bytes()
    assert b'{"prompt":"Who is [EMAIL]?","completion":"password: [SECRET_PASSWORD]"}\n' in made


async def test_validate_only_tells_what_would_be_and_makes_nothing(acme: Caller):
    raw = await acme.upload(RAW, id="raw")
    foreseen = await prepare(acme, all_fixes=True, validate_only=True)
    assert foreseen.dataset.version_number == 2
    assert await get(acme) == raw
    made = await prepare(acme, all_fixes=True)
    assert made.dataset.digest == foreseen.dataset.digest
    await split(acme, validate_only=True)
    with pytest.raises(grpc.aio.AioRpcError, match="does not exist"):
        await get(acme, f"{NAME}-train")


async def test_a_fix_that_does_not_exist_is_named(acme: Caller):
    await acme.upload(RAW, id="raw")
    with pytest.raises(grpc.aio.AioRpcError, match=r"fixes\[1\]: there is no fix 'NOPE'") as caught:
        await prepare(acme, fixes=["DUPLICATE_ROWS", "NOPE"])
    assert reason(caught.value) == "FIELD_INVALID"


async def test_rows_that_only_their_author_can_mend_are_in_the_way(acme: Caller):
    await acme.upload(RAW + b'{"prompt": 1, "completion": "x"}\n', id="raw")
    proposed = await prepare(acme)
    assert [f.line for f in proposed.findings if f.code == "FIELD_TYPE"] == [63]
    with pytest.raises(grpc.aio.AioRpcError, match="line 63") as caught:
        await prepare(acme, all_fixes=True)
    assert reason(caught.value) == "DATASET_NOT_READY"


async def test_a_split_keeps_shares_and_groups_and_records_where_it_came_from(acme: Caller):
    raw = await acme.upload(RAW, id="raw")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await split(acme)
    assert reason(caught.value) == "DATASET_NOT_READY"  # it has errors
    prepared = (await prepare(acme, all_fixes=True)).dataset
    assert prepared.parent_digest == raw.digest
    sides = await split(acme, seed=7)
    assert (sides.training.example_count, sides.validation.example_count) == (48, 12)
    assert sides.training.parent_digest == sides.validation.parent_digest == prepared.digest
    assert sides.validation.statistics.class_counts == {" good": 8, " bad": 4}
    whole = sorted((await content(acme, NAME)).splitlines())
    halves = [await content(acme, f"{NAME}-{kind}") for kind in ("train", "valid")]
    assert sorted(b"".join(halves).splitlines()) == whole
    assert (await split(acme, seed=7)) == sides
    assert (await split(acme, seed=8)).validation.digest != sides.validation.digest


@pytest.mark.parametrize("group", ["", "/prompt"])
async def test_both_sides_of_a_split_are_the_bytes_of_the_offline_tool(
    acme: Caller, tmp_path: Path, group: str
):
    await acme.upload(RAW, id="raw")
    await prepare(acme, all_fixes=True)
    sides = await split(acme, seed=7, group_by=group, validation_share=0.25)
    (tmp_path / "raw.jsonl").write_bytes(await content(acme, NAME))
    out = [tmp_path / kind for kind in ("train", "valid")]
    how = SplitChoice(validation_share=0.25, seed=7, group_by=group)
    job = Job(str(tmp_path / "raw.jsonl"), out=(str(out[0]), str(out[1])), split=how)
    assert len(run(job).prepared) == 2
    for side, file in zip((sides.training, sides.validation), out, strict=True):
        assert await content(acme, side.name) == file.read_bytes()


async def test_rows_of_one_group_stay_on_one_side(acme: Caller):
    rows = [{"prompt": f"{n}->", "completion": " x", "of": n % 7} for n in range(60)]
    await acme.upload(b"".join(json.dumps(row).encode() + b"\n" for row in rows), id="raw")
    sides = await split(acme, group_by="/of", validation_share=0.3)
    groups = []
    for side in (sides.training, sides.validation):
        lines = (await content(acme, side.name)).splitlines()
        groups.append({int(json.loads(line)["prompt"][:-2]) % 7 for line in lines})
    assert not groups[0] & groups[1]
    with pytest.raises(grpc.aio.AioRpcError, match="group_by"):
        await split(acme, group_by="/nothing")
