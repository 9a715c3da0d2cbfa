"""A NUL in what would be kept is refused on both ports and both databases, and nothing is kept."""

from typing import Any

import pytest
from tunesmith.v1 import fine_tune_pb2, model_pb2

from tests.integration.calls import ROWS, jsonl, refused
from tests.integration.http.conftest import Tenant, error_of, json_of

_JOB = "/v1/fine_tuning/jobs"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (_JOB, {"metadata": {"team": "a\0b"}}, "metadata"),
        (_JOB, {"metadata": {"a\0b": "team"}}, "metadata"),
        (_JOB, {"suffix": "a\0b"}, "suffix"),
        (_JOB, {"model": "a\0b"}, "model"),
        ("/v1/fine-tunes", {"suffix": "a\0b"}, "suffix"),
        (
            "/v1/fine-tunes",
            {"compute_classification_metrics": True, "classification_positive_class": " y\0es"},
            "classification_positive_class",
        ),
        ("/v1/uploads", {"filename": "a\0b"}, "filename"),
        ("/v1/uploads", {"mime_type": "a\0b"}, "mime_type"),
    ],
)
async def test_a_nul_in_a_body_is_refused_and_its_field_named(
    acme: Tenant, path: str, body: dict[str, Any], param: str
):
    good: dict[str, Any] = {"model": "tiny-random", "training_file": "none"}
    if path == "/v1/uploads":
        good = {"filename": "x", "purpose": "fine-tune", "bytes": 1, "mime_type": "text/plain"}
    error = error_of(await acme.http.post(path, json=good | body), 400)
    assert error["param"] == param
    assert "NUL" in error["message"]


async def test_a_nul_in_the_name_of_a_file_is_refused_and_nothing_stays(acme: Tenant):
    form = (
        b'--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        b'--X\r\nContent-Disposition: form-data; name="file"; filename="a\0b.jsonl"\r\n\r\n'
    ) + (jsonl(ROWS) + b"\r\n--X--\r\n")
    kind = {"content-type": "multipart/form-data; boundary=X"}
    error = error_of(await acme.http.post("/v1/files", content=form, headers=kind), 400)
    assert (error["param"], "NUL" in error["message"]) == ("file", True)
    assert json_of(await acme.http.get("/v1/files"))["data"] == []


async def test_a_nul_over_grpc_is_refused_and_its_field_named(acme: Tenant):
    reason, words = await refused(acme.grpc.upload(jsonl(ROWS), file_name="a\0b.jsonl"))
    assert (reason, "header.file_name: has a NUL" in words) == ("FIELD_INVALID", True)
    await acme.grpc.upload(jsonl(ROWS))
    for changes, field in (
        ({"suffix": "a\0b"}, "fine_tune.spec.suffix"),
        ({"metadata": {"team": "a\0b"}}, "fine_tune.spec.metadata"),
        ({"metadata": {"a\0b": "team"}}, "fine_tune.spec.metadata"),
        (
            {"classification": fine_tune_pb2.Classification(positive_class="a\0b")},
            "fine_tune.spec.classification.positive_class",
        ),
    ):
        reason, words = await refused(acme.grpc.create(**changes))
        assert (reason, f"{field}: has a NUL" in words) == ("FIELD_INVALID", True), words


async def test_what_a_model_is_asked_may_have_a_nul_as_data_may(acme: Tenant):
    body = {"model": "nobody", "prompt": "a\0b"}
    assert error_of(await acme.http.post("/v1/completions", json=body), 404)["param"] == "model"
    ask = model_pb2.CompleteRequest(
        model="tenants/-/models/nobody", prompts=[model_pb2.Prompt(text="a\0b")]
    )
    reason, _ = await refused(acme.grpc.models.Complete(ask, metadata=acme.grpc.metadata))
    assert reason == "RESOURCE_NOT_FOUND"
