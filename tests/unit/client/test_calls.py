"""What goes over the wire: uploads, retries, pages, names, metadata."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2
from tunesmith import AsyncClient, ConfigurationError, InvalidArgumentError, UnavailableError
from tunesmith import _channel as channel
from tunesmith._config import Endpoint, TlsFiles
from tunesmith.v1 import fine_tune_pb2

from tests.fakes.certificates import Authority
from tests.fakes.servicer import KEY, FakeService, a_status

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("size", [0, 1, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 7])
async def test_an_upload_goes_in_chunks_with_offsets_and_the_digest_of_the_whole(
    client: AsyncClient, service: FakeService, size: int
):
    content = bytes(index % 251 for index in range(size))
    progress: list[tuple[int, int]] = []
    dataset = await client.datasets.upload(
        content, id="d", on_progress=lambda sent, total: progress.append((sent, total))
    )
    assert dataset.digest == hashlib.sha256(content).hexdigest()
    assert [chunk.offset for chunk in service.chunks] == list(range(0, size, MEBIBYTE))
    assert progress == [(min(size, offset + MEBIBYTE), size) for offset in range(0, size, MEBIBYTE)]


async def test_an_upload_takes_paths_and_open_files(
    client: AsyncClient, service: FakeService, tmp_path: Path
):
    path = tmp_path / "tickets.jsonl"
    path.write_bytes(b"{}\n{}\n")
    for source in (path, str(path)):
        assert (await client.datasets.upload(source)).file_name == "tickets.jsonl"
    with path.open("rb") as file:
        file.readline()
        dataset = await client.datasets.upload(file)
        assert (dataset.size_bytes, dataset.file_name) == (3, "tickets.jsonl")
        assert not file.closed
    assert (await client.datasets.upload(io.BytesIO(b"{}"))).file_name == ""


async def test_a_file_that_cannot_be_read_is_an_error_of_the_file(client: AsyncClient):
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await client.datasets.upload(Broken(b"x"))
    with pytest.raises(FileNotFoundError):
        await client.datasets.upload("/nowhere")


async def test_a_create_whose_answer_is_lost_is_repeated_with_the_same_request_id(
    client: AsyncClient, service: FakeService
):
    service.faults.drop_answer["CreateFineTune"] = 2
    run = await client.fine_tunes.create("d", "ada")
    sent: list[Any] = [r for r in service.requests if r.DESCRIPTOR.name == "CreateFineTuneRequest"]
    assert len(sent) == 3
    assert len({request.request_id for request in sent}) == 1
    assert sent[0].request_id
    assert list(service.runs) == [run.name]
    other = await client.fine_tunes.create("d", "ada")
    assert other.name != run.name


async def test_reads_survive_a_service_that_is_away_for_a_moment(
    client: AsyncClient, service: FakeService
):
    away = a_status(code_pb2.UNAVAILABLE, "away", "BACKEND_UNAVAILABLE")
    service.faults.fail["WhoAmI"] = [away] * 2
    assert (await client.whoami()).tenant == "tenants/acme"
    assert service.calls["WhoAmI"] == 3


async def test_a_completion_is_not_repeated_but_for_a_model_that_is_loading(
    client: AsyncClient, service: FakeService
):
    away = a_status(code_pb2.UNAVAILABLE, "away", "BACKEND_UNAVAILABLE")
    service.faults.fail["Complete"] = [away]
    with pytest.raises(UnavailableError):
        await client.models.complete("ada", "x")
    assert service.calls["Complete"] == 1
    soon = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=1_000_000))
    loading = a_status(code_pb2.UNAVAILABLE, "loading", "MODEL_LOADING", soon)
    service.faults.fail["Complete"] = [loading] * 3
    assert (await client.models.complete("ada", ["x", "y"])).choices[1].text == "y!"


def test_exactly_what_the_contract_calls_safe_is_tried_again():
    config = channel.service_config(channel.CONTRACT)
    safe = {name["method"] for name in config["methodConfig"][0]["name"]}
    assert {"GetFineTune", "ListDatasets", "CreateFineTune", "CreateTenant", "WhoAmI"} <= safe
    assert {"GetResults", "CancelFineTune", "RevokeApiKey", "RotateApiKey", "PlanFineTune"} <= safe
    assert not safe & {"UploadDataset", "Complete", "StreamComplete", "Chat"}
    assert not safe & {"WatchFineTune", "WatchFineTunes"}


async def test_lists_fetch_their_pages_themselves(client: AsyncClient, service: FakeService):
    for _ in range(7):
        await client.fine_tunes.create("d", "ada")
    found = [run.name async for run in client.fine_tunes.list()]
    assert found == [f"tenants/acme/fineTunes/r{number}" for number in range(1, 8)]
    assert service.calls["ListFineTunes"] == 3


async def test_bare_ids_are_the_callers_own_and_full_names_stay(
    client: AsyncClient, service: FakeService
):
    run = await client.fine_tunes.create("d", "ada", id="bot", validation_dataset="v")
    assert (run.spec.training_dataset, run.spec.validation_dataset) == (
        "tenants/-/datasets/d",
        "tenants/-/datasets/v",
    )
    assert (await client.fine_tunes.get("bot")).name == run.name
    assert (await client.fine_tunes.get(run.name)).name == run.name


async def test_a_create_says_what_was_asked_and_leaves_the_rest_open(client: AsyncClient):
    bare = (await client.fine_tunes.create("d", "ada")).spec
    assert bare.WhichOneof("method") is None
    assert not bare.HasField("classification")
    assert not bare.HasField("seed")
    spec = fine_tune_pb2.FineTuneSpec(base_model="ada", suffix="kept")
    full = await client.fine_tunes.create(
        "d", n_epochs=0, batch_size=8, seed=0, n_classes=3, betas=[0.5], spec=spec
    )
    knobs = full.spec.supervised.hyperparameters
    assert (knobs.HasField("n_epochs"), knobs.batch_size) == (True, 8)
    assert not knobs.HasField("prompt_loss_weight")
    assert (full.spec.suffix, full.spec.HasField("seed")) == ("kept", True)
    assert (full.spec.classification.n_classes, list(full.spec.classification.betas)) == (3, [0.5])


async def test_dpo_is_asked_for_by_its_name_and_a_beta_without_it_is_refused(client: AsyncClient):
    run = await client.fine_tunes.create("d", "ada", method="dpo", n_epochs=2)
    assert run.spec.WhichOneof("method") == "dpo"
    assert run.spec.dpo.hyperparameters.n_epochs == 2
    assert not run.spec.dpo.HasField("beta")
    held = await client.fine_tunes.create("d", "ada", method="dpo", beta=0.5)
    assert held.spec.dpo.beta == 0.5
    for wrong in ({"beta": 0.5}, {"beta": 0.5, "method": "supervised"}, {"method": "ppo"}):
        with pytest.raises(InvalidArgumentError, match=r"beta|method"):
            await client.fine_tunes.create("d", "ada", **wrong)  # type: ignore[arg-type]


async def test_the_service_sees_the_key_and_who_calls(client: AsyncClient, service: FakeService):
    await client.whoami()
    assert service.metadata["authorization"] == f"Bearer {KEY}"
    assert service.metadata["user-agent"].startswith("tunesmith-python/")


async def test_a_completion_streams(client: AsyncClient):
    pieces = [r.choices[0].text async for r in client.models.stream_complete("ada", "abc")]
    assert pieces == ["a", "b", "c"]


async def test_a_completion_says_how_to_sample(client: AsyncClient, service: FakeService):
    await client.models.complete(
        "ada", "x", max_tokens=1, logit_bias={13: -100, 5: 2.5}, stop="\n", seed=0
    )
    sent: Any = service.requests[-1]
    assert dict(sent.sampling.logit_bias) == {13: -100, 5: 2.5}
    assert (list(sent.sampling.stop), sent.sampling.HasField("seed")) == (["\n"], True)
    assert not sent.sampling.HasField("temperature")


@pytest.mark.parametrize(
    ("address", "rest", "secure"),
    [
        ("localhost:50051", "localhost:50051", False),
        ("http://example.com:1", "example.com:1", False),
        ("https://example.com", "example.com:443", True),
        ("https://example.com:8443/", "example.com:8443", True),
        ("https://[::1]", "[::1]:443", True),
        ("[::1]:5", "[::1]:5", False),
        ("unix:///run/t.sock", "unix:///run/t.sock", False),
    ],
)
def test_an_address_says_where_and_how(address: str, rest: str, secure: bool):
    target = channel.target(Endpoint(address))
    assert (target.address, target.credentials is not None) == (rest, secure)


@pytest.mark.parametrize("address", ["", "ftp://x", "a b:1", "tünesmith:1"])
def test_an_address_that_is_none_is_refused_before_any_call(address: str):
    with pytest.raises(ConfigurationError, match="is expected"):
        channel.target(Endpoint(address))


def test_an_odd_key_is_refused_before_any_call():
    with pytest.raises(ConfigurationError, match="API key"):
        channel.target(Endpoint("localhost:1", "sk-\n"))


def test_roots_of_ones_own_must_be_there():
    with pytest.raises(ConfigurationError, match="root certificates"):
        channel.target(Endpoint("localhost:1", tls=TlsFiles(ca="/nowhere.pem")))


def test_a_file_for_tls_means_tls_and_never_a_key_in_the_clear(tmp_path: Path):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Authority("ca").pem)
    files = TlsFiles(ca=str(ca))
    assert channel.target(Endpoint("localhost:1", tls=files)).secure
    for address, tls in (("http://localhost:1", None), ("localhost:1", False)):
        with pytest.raises(ConfigurationError, match=r"files for TLS .*ca\.pem"):
            channel.target(Endpoint(address, tls=files), tls)


def test_a_certificate_to_show_needs_its_key():
    with pytest.raises(ConfigurationError, match="tls_cert_file and tls_key_file"):
        channel.target(Endpoint("localhost:1", tls=TlsFiles(cert="cert.pem")))


def test_a_file_that_is_not_pem_is_named(tmp_path: Path):
    (tmp_path / "ca.der").write_bytes(b"\x30\x82")
    with pytest.raises(ConfigurationError, match=r"ca\.der is not in PEM"):
        channel.target(Endpoint("localhost:1", tls=TlsFiles(ca=str(tmp_path / "ca.der"))))


def test_a_key_in_a_file_is_read_on_each_call(tmp_path: Path):
    file = tmp_path / "token"
    with pytest.raises(ConfigurationError, match="cannot read the API key"):
        channel.target(Endpoint("localhost:1", api_key_file=str(file)))
    file.write_text("first\n")
    target = channel.target(Endpoint("localhost:1", api_key_file=str(file)))
    assert target.metadata == (("authorization", "Bearer first"),)
    file.write_text("second\n")
    assert target.metadata == (("authorization", "Bearer second"),)
