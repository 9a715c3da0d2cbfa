"""`tunesmith datasets import`, `download`, `versions`, `descendants` and `diff`, with a service."""

# ruff: noqa: ASYNC240 (small files)

import hashlib
import json
from pathlib import Path

import pytest
from tunesmith import AsyncClient
from tunesmith.v1 import common_pb2
from tunesmith.v1 import dataset_pb2 as pb

from tests.fakes.servicer import FakeService
from tests.unit.client.conftest import Tunesmith

NAME = "tenants/acme/datasets/t"
URI = "https://data.example.com/tickets.jsonl"
ROWS = [{"prompt": f"{n} ->", "completion": f" {n}"} for n in range(100)]


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
async def versions(client: AsyncClient) -> list[pb.Dataset]:
    """Four versions of a dataset, more than one page of the fake service."""
    return [await client.datasets.upload(lines(*ROWS[: 10 + n]), id="t") for n in range(4)]


async def test_an_import_names_the_place_and_tells_what_came(
    tunesmith: Tunesmith, service: FakeService
):
    service.elsewhere[URI] = lines(*ROWS)
    digest = hashlib.sha256(lines(*ROWS)).hexdigest()
    done = await tunesmith("datasets", "import", URI, "--id", "t", "--sha256", digest)
    assert done.exit_code == 0, done.output
    (request,) = service.sent(pb.ImportDatasetRequest)
    assert (request.uri, request.dataset_id, request.sha256) == (URI, "t", digest)
    assert "tickets.jsonl" in done.stdout
    assert "Train on it: tunesmith fine-tunes create -t t -m ada" in done.stderr
    assert service.deadlines["ImportDataset"] is None  # the service bounds it
    document = json.loads((await tunesmith("datasets", "import", URI, "-o", "json")).stdout)
    assert document["digest"] == digest


async def test_a_rehearsed_import_makes_nothing_and_a_bad_file_is_exit_code_3(
    tunesmith: Tunesmith, service: FakeService
):
    service.elsewhere[URI] = lines(*ROWS)
    looked = await tunesmith("datasets", "import", URI, "--id", "t", "--dry-run")
    assert (looked.exit_code, service.datasets) == (0, {})
    assert "tickets.jsonl" in looked.stdout
    error = common_pb2.FINDING_SEVERITY_ERROR
    service.findings.append(common_pb2.Finding(code="JSON_INVALID", severity=error, line=3))
    bad = await tunesmith("datasets", "import", URI, "--id", "t")
    assert bad.exit_code == 3
    assert f"error: {URI} cannot be trained on as it is" in bad.stderr
    assert "JSON_INVALID" in bad.stdout


async def test_versions_are_listed_newest_first_over_all_pages(
    tunesmith: Tunesmith, versions: list[pb.Dataset]
):
    done = await tunesmith("datasets", "versions", "t")
    shown = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert (done.exit_code, shown) == (0, ["4", "3", "2", "1"])
    assert all(version.digest[:12] in done.stdout for version in versions)
    document = json.loads((await tunesmith("datasets", "versions", "t", "-o", "json")).stdout)
    assert [each["digest"] for each in document] == [v.digest for v in reversed(versions)]


async def test_descendants_are_the_models_that_were_made_with_a_dataset(
    tunesmith: Tunesmith, service: FakeService, versions: list[pb.Dataset]
):
    models = [f"tenants/acme/models/m{n}" for n in range(5)]
    service.descendants += models
    done = await tunesmith("datasets", "descendants", "t")
    assert (done.exit_code, done.stdout.splitlines()) == (0, models)
    (first, second) = service.sent(pb.ListDescendantsRequest)
    assert (first.parent, first.page_token, second.page_token) == (
        "tenants/-/datasets/t",
        "",
        "3",
    )
    document = json.loads((await tunesmith("datasets", "descendants", "t", "-o", "json")).stdout)
    assert document == models


async def test_any_version_is_downloaded_to_a_file_or_a_pipe(
    tunesmith: Tunesmith,
    service: FakeService,
    versions: list[pb.Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    service.faults.cut_downloads = 1  # goes on by itself
    current = await tunesmith("datasets", "download", "t")
    assert current.exit_code == 0, current.output
    assert Path("t.jsonl").read_bytes() == lines(*ROWS[:13])
    for version in ("2", versions[1].digest):
        done = await tunesmith("datasets", "download", "t", "--to", "old", "--version", version)
        assert f"sha256 {versions[1].digest[:12]}" in done.stderr
        assert Path("old").read_bytes() == lines(*ROWS[:11])
    piped = await tunesmith("datasets", "download", "t", "--to", "-", "--version", "1")
    assert (piped.stdout_bytes, piped.stderr) == (lines(*ROWS[:10]), "")
    absent = await tunesmith("datasets", "download", "t", "--version", "9")
    assert (absent.exit_code, "does not exist" in absent.stderr) == (1, True)
    assert not Path("t.jsonl.part").exists()


async def test_a_version_differs_from_a_file_and_from_another_version(
    tunesmith: Tunesmith, versions: list[pb.Dataset], tmp_path: Path
):
    file = tmp_path / "file.jsonl"
    file.write_bytes(lines(*ROWS[:10]))
    same = await tunesmith("datasets", "diff", "t@1", str(file))
    assert (same.exit_code, same.stderr) == (0, "")
    for sides in (("t@1", "t@3"), ("t@1", f"t@{versions[2].digest}"), (str(file), f"{NAME}@3")):
        done = await tunesmith("datasets", "diff", *sides, "-o", "json")
        told = json.loads(done.stdout)
        assert (done.exit_code, told["same"], told["added"]) == (3, 10, 2)
        assert [each["right"] for each in told["samples"]["added"]]
    current = json.loads((await tunesmith("datasets", "diff", "t@1", "t", "-o", "json")).stdout)
    assert current["added"] == 3
    assert (await tunesmith("datasets", "diff", "t@9", "t")).exit_code == 1
