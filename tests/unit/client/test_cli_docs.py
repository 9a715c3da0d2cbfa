"""What the page for platform engineers tells them to type is typed, against the fake service."""

import asyncio
import re
import shlex
from pathlib import Path

from tunesmith import AsyncClient

from tests.fakes.servicer import FakeService
from tests.unit.client.conftest import Tunesmith

PAGE = Path(__file__).parents[3] / "docs/how-to/tenants-and-quotas.md"


async def test_every_command_on_the_page_works_in_the_order_of_the_page(
    tunesmith: Tunesmith, service: FakeService, client: AsyncClient
):
    await client.fine_tunes.create("tickets", "ada", id="my-run")
    commands = re.findall(r"^    tunesmith (.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) > 25
    for command in commands:
        words = shlex.split(command)
        end = min((words.index(sign) for sign in ("|", ">") if sign in words), default=None)
        # a plan asks whether to start, and a cascade for the tenant's id
        answer = "acme\n" if "delete" in words else "y\n"
        done = await tunesmith(*words[:end], input=answer)
        assert done.exit_code == 0, (command, done.output)
    assert set(service.tenants) == {"tenants/acme-search"}


async def test_the_python_on_the_page_runs(tunesmith: Tunesmith, service: FakeService):
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    await asyncio.to_thread(exec, code, {})
    limits = {one.dimension: one.value for one in service.tenants["tenants/acme"].limits}
    assert limits == {
        "fine_tunes_running": 2,
        "trained_tokens_per_month": 500_000,
        "cost_per_month": 250_000_000,
        "datasets": 0,
    }
