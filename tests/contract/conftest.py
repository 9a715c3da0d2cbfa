"""What the suites of the ports stand on: blob stores, and a machine for backends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tunesmith_server.domain.fine_tune import FineTune

from tests.contract.backends import Place, an_attempt
from tests.contract.blob_stores import Bucket, Local, Memory, Store


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Of every kind."""
    return Local(tmp_path / "blobs") if request.param == "local" else _objects(request, tmp_path)


@pytest.fixture(params=["memory", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Memory:
    """Of the kinds that keep objects."""
    return _objects(request, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """In a folder."""
    return Local(tmp_path / "blobs")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Where nothing trains any more once the test is over."""
    place = Place(tmp_path)
    yield place
    for process in place.trainers():
        process.kill()
    for child in place.children():
        child.wait(10)


@pytest.fixture
def run() -> FineTune:
    """The first attempt at one."""
    return an_attempt()


def _objects(request: pytest.FixtureRequest, tmp_path: Path) -> Memory:
    if request.param == "s3":
        return Bucket(request.getfixturevalue("s3"))
    return Memory(tmp_path)
