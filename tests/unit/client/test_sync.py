"""The blocking client is the asynchronous one, made to run in place."""

import asyncio
import inspect
import subprocess
import sys

import pytest
import tunesmith
from tunesmith import Client, NotFoundError, _sync
from tunesmith._blocking import run

from tests.fakes.servicer import KEY, FakeService, some_events

FACADES = [
    _sync.Datasets, _sync.FineTunes, _sync.Models, _sync.BaseModels, _sync.Tenants, _sync.Keys
]  # fmt: skip


@pytest.mark.parametrize("facade", FACADES)
def test_it_offers_every_method_under_the_same_signature(facade: type):
    inner = getattr(_sync, f"Async{facade.__name__}")
    methods = {name for name in vars(inner) if not name.startswith("_")}
    assert {name for name in vars(facade) if not name.startswith("_")} == methods
    for name in methods:
        mine, theirs = getattr(facade, name), getattr(inner, name)
        assert inspect.signature(mine) == inspect.signature(theirs)
        assert mine.__doc__ == theirs.__doc__


async def test_it_does_what_the_other_does(service: FakeService):
    service.events = some_events(7)
    service.faults.cut_watch_after = 2

    def use() -> None:
        with Client(service.address, KEY) as client:
            assert client.whoami().principal == "key-1"
            assert client.datasets.upload(b"x" * 3_000_000, id="d").size_bytes == 3_000_000
            runs = [client.fine_tunes.create("d", "ada").name for _ in range(4)]
            assert [run.name for run in client.fine_tunes.list()] == runs
            events = client.fine_tunes.watch("r1")
            assert next(events).sequence == 1
            assert [event.sequence for event in events] == [2, 3, 4, 5, 6, 7]
            assert events.cursor == "c7"
            assert events.snapshot is not None
            with pytest.raises(NotFoundError):
                client.datasets.get("nope")
            answers = client.models.stream_complete("ada", "ab")
            assert [answer.choices[0].text for answer in answers] == ["a", "b"]

    await asyncio.to_thread(use)


async def test_leaving_a_watch_ends_the_call(service: FakeService):
    service.events = some_events(2000)

    def use() -> None:
        with Client(service.address, KEY) as client:
            events = client.fine_tunes.watch("r1")
            next(events)
            events.close()

    await asyncio.to_thread(use)
    async with asyncio.timeout(5):
        while service.watches_open:  # noqa: ASYNC110  # nothing tells of it but the count
            await asyncio.sleep(0.01)


async def suspends() -> None:
    await asyncio.sleep(0)


def test_it_refuses_to_wait_for_anything_but_its_transport():
    with pytest.raises(RuntimeError, match="other than its transport"):
        run(suspends())


def test_the_package_exports_what_it_says():
    assert tunesmith.__all__ == sorted(tunesmith.__all__)
    for name in tunesmith.__all__:
        assert getattr(tunesmith, name)
    assert set(tunesmith.__all__) <= set(dir(tunesmith))
    with pytest.raises(AttributeError):
        tunesmith.nonsense  # noqa: B018
    assert tunesmith.__version__


SERVERS = [
    *("tunesmith_server", "tunesmith_trainer", "alembic", "obstore", "protovalidate", "psutil"),
    *("psycopg", "pydantic", "sqlalchemy", "sqlmodel", "structlog", "uvloop"),
    *("numpy", "peft", "safetensors", "sklearn", "torch", "transformers"),
]
COMMANDS = ["typer", "rich", "plotext", "msgspec", "yaml"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import tunesmith", [*SERVERS, *COMMANDS, "grpc", "google"]),
        ("import tunesmith; tunesmith.Client; tunesmith.AsyncClient", [*SERVERS, *COMMANDS]),
        ("from tunesmith.cli._app import app", [*SERVERS, "plotext", "msgspec", "yaml"]),
    ],
)
def test_an_import_brings_nothing_that_it_does_not_need(statement: str, absent: list[str]):
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & set(absent) == set()


def test_the_service_s_command_without_the_service_says_what_to_install():
    script = "import sys; sys.modules['pydantic_settings'] = None; import tunesmith_server.__main__"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: there is no pydantic_settings here: pip install 'tunesmith[all]'\n"
    )
