"""Sharing models from Python and on the command line, against the fake service."""

import asyncio
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tunesmith import AsyncClient, InvalidArgumentError, NotFoundError
from tunesmith.v1 import model_pb2 as pb

from tests.fakes.servicer import FakeService
from tests.unit.client.conftest import Tunesmith

PAGE = Path(__file__).parents[3] / "docs/how-to/share-models.md"
FULL = "tenants/acme/models/support"


async def test_a_share_is_offered_accepted_listed_and_ended(
    client: AsyncClient, service: FakeService
):
    until = datetime(2030, 1, 2, tzinfo=UTC)
    offer = await client.models.share("support#40", "rival", expire_time=until)
    assert (offer.model, offer.tenant, offer.checkpoint_step) == (FULL, "tenants/rival", 40)
    assert offer.expire_time.ToDatetime(UTC) == until
    (asked,) = service.sent(pb.ShareModelRequest)
    assert (asked.name, asked.request_id != "") == ("tenants/-/models/support", True)
    await client.models.share("support", "tenants/acme")
    accepted = await client.models.accept_share(FULL)
    assert accepted.state == pb.MODEL_SHARE_STATE_ACTIVE
    assert not accepted.HasField("checkpoint_step")
    assert [share.tenant async for share in client.models.shares()] == [
        "tenants/rival",
        "tenants/acme",
    ]
    assert [share.tenant async for share in client.models.shares(received=True)] == ["tenants/acme"]
    await client.models.unshare("support#40", "rival")
    await client.models.unshare(FULL)
    assert service.shares == []
    with pytest.raises(NotFoundError):
        await client.models.unshare(FULL)
    with pytest.raises(InvalidArgumentError, match="such as #40"):
        await client.models.share("support#x", "rival")


async def test_a_share_whose_answer_was_lost_is_made_once(
    client: AsyncClient, service: FakeService
):
    service.faults.drop_answer["ShareModel"] = 1
    await client.models.share("support", "rival")
    assert (service.calls["ShareModel"], len(service.shares)) == (2, 1)


async def test_the_commands_say_what_is_shared_and_how_it_goes_on(
    tunesmith: Tunesmith, service: FakeService
):
    made = await tunesmith("models", "share", "support#40", "rival", "--expires", "30d")
    assert made.exit_code == 0
    assert f"model        {FULL}#40\n" in made.stdout
    assert "state        offered\n" in made.stdout
    assert "(in 30 days)" in made.stdout
    assert f"rival accepts it with: tunesmith models accept {FULL}#40" in made.stderr
    await tunesmith("models", "share", "support", "acme")
    accepted = await tunesmith("models", "accept", "ft:ada:acme:support:12ab34cd")
    assert "state        active\n" in accepted.stdout
    listed = await tunesmith("models", "shares")
    assert re.findall(r"^tenants\S+  +(\S+)  +(\S+)", listed.stdout, re.MULTILINE) == [
        ("rival", "offered"),
        ("acme", "active"),
        ("acme", "active"),  # with oneself, which the fake service lets one
    ]
    assert "rival" in (await tunesmith("models", "shares", "--given")).stdout
    assert "rival" not in (await tunesmith("models", "shares", "--received")).stdout
    document = json.loads((await tunesmith("models", "shares", "--given", "-o", "json")).stdout)
    assert document[0]["checkpointStep"] == "40"
    assert document[0]["state"] == "MODEL_SHARE_STATE_OFFERED"
    names = await tunesmith("models", "shares", "--given", "-o", "name")
    assert names.stdout.split() == [f"{FULL}#40", FULL]
    ended = await tunesmith("models", "unshare", "support#40", "rival")
    assert "support#40 is no longer shared" in ended.stderr
    await tunesmith("models", "unshare", FULL)
    assert "nothing is shared" in (await tunesmith("models", "shares")).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("share", "support", "rival", "--expires", "soon"), "--expires"),
        (("accept", "ft:ada:acme:other:12ab34cd"), "models shares --received"),
        (("unshare", "support"), "models shares --received"),
        (("share", "support#", "rival"), "such as #40"),
    ],
)
async def test_what_cannot_be_shared_is_refused_with_what_to_do(
    tunesmith: Tunesmith, arguments: tuple[str, ...], words: str
):
    refused = await tunesmith("models", *arguments)
    assert refused.exit_code != 0
    assert words in refused.stderr


async def test_every_command_on_the_page_works_in_the_order_of_the_page(
    tunesmith: Tunesmith, service: FakeService
):
    commands = re.findall(r"^    tunesmith (.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        done = await tunesmith(*shlex.split(command))
        assert done.exit_code == 0, (command, done.output)
    assert service.shares == []


async def test_the_python_on_the_page_runs(tunesmith: Tunesmith, service: FakeService):
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    await asyncio.to_thread(exec, code, {})
    assert [share.checkpoint_step for share in service.shares] == [40]
