"""Blob stores for the suites of the `Blobs` port."""

from pathlib import Path

import pytest

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


def _objects(request: pytest.FixtureRequest, tmp_path: Path) -> Memory:
    if request.param == "s3":
        return Bucket(request.getfixturevalue("s3"))
    return Memory(tmp_path)
