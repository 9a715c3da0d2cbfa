"""What the trainer is given of a version."""

import gzip
import json
from pathlib import Path

from tunesmith_server.adapters.training_data import TrainingData
from tunesmith_server.domain.fine_tune import DatasetVersion

ROW = {"prompt": "a", "completion": "b"}


class Blobs:
    """Gives the same bytes for every digest."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def fetch(self, digest: str, path: Path) -> None:
        path.write_bytes(self._content)  # noqa: ASYNC240


def version(format: str) -> DatasetVersion:
    return DatasetVersion("d", "ab" * 32, "prompt_completion", 1, 2, format)


async def rows(content: bytes, format: str, folder: Path) -> list[object]:
    path = await TrainingData(Blobs(content), folder).file(version(format))  # type: ignore[arg-type]
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_any_format_becomes_plain_json_lines(tmp_path: Path) -> None:
    assert await rows(b"prompt,completion\na,b\n", "csv", tmp_path) == [ROW]
    packed = gzip.compress(b"prompt\tcompletion\na\tb\n")
    assert await rows(packed, "tsv", tmp_path) == [ROW]


async def test_a_version_of_before_there_were_formats_is_json_lines(tmp_path: Path) -> None:
    assert await rows(json.dumps(ROW).encode(), "", tmp_path) == [ROW]


async def test_the_same_bytes_in_two_formats_are_two_files(tmp_path: Path) -> None:
    content = json.dumps(ROW).encode()
    assert await rows(content, "jsonl", tmp_path) == [ROW]
    assert await rows(content, "txt", tmp_path) == [{"prompt": "", "completion": content.decode()}]
