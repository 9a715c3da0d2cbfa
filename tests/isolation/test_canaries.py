"""Keys and training text after every way to fail: what of them is left anywhere."""

import secrets
from pathlib import Path
from typing import Any

from tunesmith.v1 import dataset_pb2, fine_tune_pb2, model_pb2, tenant_pb2

from tests.integration.calls import ADMIN_KEY, Caller, another_key, jsonl
from tests.isolation.canaries import EXCERPT, a_text, files, found
from tests.isolation.requests import valid
from tests.isolation.surface import Rpc, rpcs
from tests.isolation.wire import Outcome, invoke
from tests.isolation.world import OWN, World, as_text, dump

_BY_NAME = {rpc.name: rpc for rpc in rpcs()}
_MAY_QUOTE = {"answers", "table datasets", "table versions", "table requests"}
"""Where findings are, which may hold an excerpt: with the dataset, and told to its owner."""


async def test_keys_are_nowhere_and_training_text_is_in_the_blob_store_alone(
    world: World, logged: list[str], tmp_path: Path
):
    keys, outcomes = await _use_and_misuse_keys(world)
    texts = {name: a_text() for name in ("rows", "bad rows", "prompt", "conversation", "user")}
    outcomes += await _send_text(world, texts)
    suffix = "!".join(secrets.token_hex(8) for _ in range(8))
    refused = await invoke(world.own.caller, _BY_NAME["CreateFineTune"], await _run(world, suffix))
    assert refused.reason == "NAMING_POLICY"

    tables = {f"table {name}": as_text({name: rows}) for name, rows in dump(world.url).items()}
    sinks = {
        "logs": "\n".join(logged).encode(),
        "answers": b"\0".join(outcome.everything() for outcome in outcomes),
        "audit log": await _audit(world),
        **{name: text.encode() for name, text in tables.items()},
        **files(tmp_path),
    }
    blobs = {name for name in sinks if name.startswith("data/blobs/")}
    elsewhere = {name: sink for name, sink in sinks.items() if name not in blobs}
    database = {name for name in sinks if name.startswith("test.db")}
    print(f"{len(keys) + len(texts) + 1} canaries × {len(sinks)} sinks")
    # the search finds what there is
    assert found({"rows": texts["rows"]}, {name: sinks[name] for name in blobs})
    assert found({"tenant": f"tenants/{OWN}/datasets/texts"}, {"": sinks["audit log"]})
    assert b"call_refused" in sinks["logs"]
    assert b"Traceback" not in sinks["logs"]

    assert not found(keys, sinks)
    quoted = dict.fromkeys(_MAY_QUOTE | database, EXCERPT)
    assert not found(texts, elsewhere, quoted)
    assert not found({"suffix": suffix}, sinks)


async def _use_and_misuse_keys(world: World) -> tuple[dict[str, str], list[Outcome]]:
    """Every key that there is, good or made up, and what came of their use with every RPC."""
    revoked = await another_key(world.admin, OWN, tenant_pb2.ROLE_VIEWER)
    rotated = await another_key(world.admin, OWN, tenant_pb2.ROLE_VIEWER)
    successor = await _end(world, "RotateApiKey", rotated)
    await _end(world, "RevokeApiKey", revoked)
    ways = ("bearer", "basic", "bare", "x-api-key", "cookie", "large")
    made_up = {way: f"sk-ts-{secrets.token_urlsafe(32)}" for way in ways}
    headers = [
        ("authorization", f"Bearer {made_up['bearer']}"),
        ("authorization", f"Basic {made_up['basic']}"),
        ("authorization", made_up["bare"]),
        ("x-api-key", made_up["x-api-key"]),
        ("cookie", f"key={made_up['cookie']}"),
    ]
    outcomes = [successor]
    for rpc in rpcs():
        empty = [rpc.request()]
        outcomes.append(await invoke(revoked, rpc, empty))
        outcomes.append(await invoke(world.own.caller, rpc, empty, *headers[3:]))
        outcomes.append(await invoke(world.admin, rpc, empty, *headers[3:]))
    for header in headers:
        outcomes.append(await invoke(_with(world, header), _BY_NAME["CreateFineTune"], empty))
    large = dataset_pb2.GetDatasetRequest(name=made_up["large"] * 200_000)
    outcomes.append(await invoke(world.own.caller, _BY_NAME["GetDataset"], [large]))
    assert outcomes[-1].code == "RESOURCE_EXHAUSTED"
    assert {"UNAUTHENTICATED", "INVALID_ARGUMENT", "UNIMPLEMENTED"} <= {o.code for o in outcomes}
    secret = successor.responses[0].secret  # type: ignore[attr-defined]
    successor.responses[0].ClearField("secret")  # the one place where it is shown
    keys = {
        "of the administrator": ADMIN_KEY,
        "of the tenant": world.own.caller.key,
        "of the foreign tenant": world.foreign.caller.key,
        "revoked": revoked.key,
        "rotated": rotated.key,
        "its successor": secret,
        **{f"made up, {way}": key for way, key in made_up.items()},
    }
    return keys, outcomes


async def _end(world: World, name: str, caller: Caller) -> Outcome:
    """Rotate or revoke the key of a caller."""
    who = await invoke(caller, _BY_NAME["WhoAmI"], [_BY_NAME["WhoAmI"].request()])
    request: Any = _BY_NAME[name].request()
    request.name = f"tenants/{OWN}/apiKeys/{who.responses[0].principal}"  # type: ignore[attr-defined]
    outcome = await invoke(world.admin, _BY_NAME[name], [request])
    assert outcome.code == "OK", outcome
    return outcome


def _with(world: World, header: tuple[str, str]) -> Caller:
    caller = Caller(world.admin.address, "")
    caller.metadata = (header,)
    return caller


async def _send_text(world: World, texts: dict[str, str]) -> list[Outcome]:
    """Text in every request that takes any, most of them refused."""
    caller = world.own.caller
    rows = [
        {"prompt": f"{texts['rows']} {n} ->", "completion": f" {texts['rows']}{n}"}
        for n in range(3)
    ]
    await caller.upload(jsonl(rows), id="texts")
    bad = texts["bad rows"]
    files_of_it = [
        bad.encode(),
        f'{{"prompt": "{bad}", "completion": {bad}}}'.encode(),
        f'{{"prompt": "{bad}" "completion": ""}}\n["{bad}"]\n{{"{bad}": 1}}'.encode(),
        f'{{"prompt": "\\u{bad}", "completion": "{bad}\\ud800"}}'.encode(),
        f'{{"messages": [{{"role": "{bad}", "content": "{bad}"}}]}}'.encode(),
        bad.encode("utf-16"),
        b"\xff" + bad.encode(),
        f'prompt,completion\n"{bad},{bad}'.encode(),
    ]
    for number, content in enumerate(files_of_it):
        dataset = await caller.upload(content, id=f"bad-{number}")
        assert dataset.state == dataset_pb2.DATASET_STATE_INVALID, number
    outcomes = []
    for id in ("texts", *(f"bad-{number}" for number in range(len(files_of_it)))):
        name = f"tenants/{OWN}/datasets/{id}"
        for rpc in ("GetDataset", "ValidateDataset"):
            request: Any = _BY_NAME[rpc].request()
            request.name = name
            outcomes.append(await invoke(caller, _BY_NAME[rpc], [request]))
        outcomes.append(await invoke(caller, _BY_NAME["CreateFineTune"], await _run(world, "", id)))
    outcomes += await _broken_uploads(caller, bad)
    model = world.own.names["Model"].replace("model", "absent")
    asked = model_pb2.CompleteRequest(
        model=model, prompts=[model_pb2.Prompt(text=texts["prompt"])], user=texts["user"]
    )
    asked.sampling.stop.append(texts["prompt"])
    asked.sampling.temperature = 99
    chat = model_pb2.ChatRequest(
        model=model,
        messages=[model_pb2.ChatMessage(role="user", content=texts["conversation"])],
    )
    outcomes.append(await invoke(caller, _BY_NAME["Complete"], [asked]))
    asked.sampling.temperature = 1
    outcomes.append(await invoke(caller, _BY_NAME["Complete"], [asked]))
    outcomes.append(await invoke(caller, _BY_NAME["Chat"], [chat]))
    return outcomes


async def _broken_uploads(caller: Caller, text: str) -> list[Outcome]:
    """Uploads that break off, do not join up, or are not what was announced."""
    rpc: Rpc = _BY_NAME["UploadDataset"]
    upload = dataset_pb2.UploadDatasetRequest
    header = upload(header=dataset_pb2.UploadHeader(parent="tenants/-", dataset_id="broken"))
    chunk = upload(chunk=dataset_pb2.UploadChunk(offset=0, data=text.encode()))
    gap = upload(chunk=dataset_pb2.UploadChunk(offset=9999, data=text.encode()))
    wrong = upload(finish=dataset_pb2.UploadFinish(sha256="0" * 64))
    ways = ([chunk], [header, chunk], [header, chunk, gap], [header, chunk, wrong])
    outcomes = [await invoke(caller, rpc, list(way)) for way in ways]
    assert {outcome.code for outcome in outcomes} == {"INVALID_ARGUMENT", "OUT_OF_RANGE"}
    given_up = caller.datasets.UploadDataset(metadata=caller.metadata)
    await given_up.write(header)
    await given_up.write(chunk)
    given_up.cancel()
    return outcomes


async def _run(world: World, suffix: str, dataset: str = "set") -> list[Any]:
    requests: list[Any] = await valid(world, _BY_NAME["CreateFineTune"], world.own)
    spec: fine_tune_pb2.FineTuneSpec = requests[0].fine_tune.spec
    spec.suffix, spec.training_dataset = suffix, dataset
    return requests


async def _audit(world: World) -> bytes:
    request = tenant_pb2.ListAuditEventsRequest(parent="tenants/-", page_size=1000)
    outcome = await invoke(world.admin, _BY_NAME["ListAuditEvents"], [request])
    return outcome.everything()
