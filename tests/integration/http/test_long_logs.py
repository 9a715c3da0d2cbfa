"""A job's log is read from its end, and no further than a page needs."""

import asyncio
from datetime import UTC, datetime

import pytest
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.ports import Transaction

from tests.integration.http.conftest import Tenant, error_of, json_of

_EVENTS = 1000
_WAITS = "Waiting for a free training slot"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each look at a log brought."""
    counts: list[int] = []
    events = FineTunes.events

    async def counted(*arguments: object, **named: object) -> object:
        page = await events(*arguments, **named)  # type: ignore[arg-type]
        counts.append(len(page.rows))
        return page

    monkeypatch.setattr(FineTunes, "events", counted)
    return counts


async def a_long_log(acme: Tenant, database_url: str) -> str:
    """The path of the log of a run with many events."""
    body = {"model": "tiny-random", "training_file": (await acme.file())["id"]}
    job = json_of(await acme.http.post("/v1/fine_tuning/jobs", json=body))["id"]
    path = f"/v1/fine_tuning/jobs/{job}/events"
    async with asyncio.timeout(20):  # once it has been told what it waits for, only we write to it
        while _WAITS not in (await acme.http.get(path)).text:
            pass
    store = SqlStore(database_url)

    def talk(tx: Transaction) -> None:
        run = tx.of("acme").fine_tune(job)
        now = datetime.now(UTC)
        said = [Event(Kind.MESSAGE, now, f"line {number}") for number in range(_EVENTS)]
        tx.of("acme").put_fine_tune(run, said)

    try:
        await store.write(talk)
    finally:
        await store.close()
    return path


async def test_a_page_of_a_long_log_costs_what_it_shows(
    acme: Tenant, database_url: str, read: list[int]
):
    path = await a_long_log(acme, database_url)
    read.clear()
    newest = json_of(await acme.http.get(path, params={"limit": 3}))
    assert [event["message"] for event in newest["data"]] == ["line 999", "line 998", "line 997"]
    assert newest["has_more"] is True
    last = newest["data"][-1]["id"]
    more = json_of(await acme.http.get(path, params={"limit": 2, "after": last}))
    assert [event["message"] for event in more["data"]] == ["line 996", "line 995"]
    assert max(read) < _EVENTS / 2
    seen: list[str] = []
    after, read[:] = "", []
    while True:
        params = {"limit": "90"} | ({"after": after} if after else {})
        page = json_of(await acme.http.get(path, params=params))
        seen += [event["message"] for event in page["data"]]
        if not page["has_more"]:
            break
        after = page["data"][-1]["id"]
    assert [text for text in seen if text.startswith("line ")] == [
        f"line {number}" for number in range(_EVENTS - 1, -1, -1)
    ]
    assert seen[-1].startswith("Created fine-tune")
    assert len(seen) == len(set(seen))
    error = error_of(await acme.http.get(path, params={"after": "ftevent-of-nobody-1"}), 404)
    assert error["param"] == "after"
