"""Every failure arrives as the exception that its caller can act on."""

import time
from datetime import timedelta

import grpc
import pytest
import tunesmith
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from tunesmith import AsyncClient, Client, TunesmithError, UnavailableError
from tunesmith._errors import KINDS, REASONS
from tunesmith.v1 import errors_pb2

from tests.fakes.servicer import KEY, FakeService, a_status, not_found

TABLE = {
    "INVALID_ARGUMENT": tunesmith.InvalidArgumentError,
    "OUT_OF_RANGE": tunesmith.InvalidArgumentError,
    "UNAUTHENTICATED": tunesmith.AuthenticationError,
    "PERMISSION_DENIED": tunesmith.PermissionDeniedError,
    "NOT_FOUND": tunesmith.NotFoundError,
    "ALREADY_EXISTS": tunesmith.AlreadyExistsError,
    "FAILED_PRECONDITION": tunesmith.ConflictError,
    "ABORTED": tunesmith.ConflictError,
    "RESOURCE_EXHAUSTED": tunesmith.QuotaExceededError,
    "UNAVAILABLE": tunesmith.UnavailableError,
    "DEADLINE_EXCEEDED": tunesmith.UnavailableError,
    "CANCELLED": tunesmith.UnavailableError,
    "DATA_LOSS": tunesmith.UnavailableError,
    "UNIMPLEMENTED": tunesmith.NotBuiltYetError,
    "INTERNAL": TunesmithError,
    "UNKNOWN": TunesmithError,
}


@pytest.mark.parametrize(("code", "kind"), TABLE.items())
async def test_each_status_becomes_its_exception_with_the_reason(
    client: AsyncClient, service: FakeService, code: str, kind: type[TunesmithError]
):
    service.faults.fail["Complete"] = [a_status(code_pb2.Code.Value(code), "words", "A_REASON")]
    with pytest.raises(TunesmithError) as caught:
        await client.models.complete("ada", "x")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason) == (code, "A_REASON")
    assert caught.value.metadata == {"k": "v"}
    assert str(caught.value) == "words"


def test_the_table_names_every_status_but_ok():
    others = {"OK", "INTERNAL", "UNKNOWN"}
    assert {code.name for code in KINDS} == {code.name for code in grpc.StatusCode} - others


def test_every_reason_of_the_contract_has_its_exception():
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert REASONS.keys() == names - {"UNSPECIFIED"}


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", tunesmith.QuotaExceededError),
        ("RESOURCE_EXHAUSTED", "STORAGE_FULL", tunesmith.StorageFullError),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED", tunesmith.RateLimitedError),
        ("FAILED_PRECONDITION", "TENANT_SUSPENDED", tunesmith.PermissionDeniedError),
        ("FAILED_PRECONDITION", "BASE_MODEL_SHUT_DOWN", tunesmith.InvalidArgumentError),
        ("FAILED_PRECONDITION", "RESOURCE_IN_USE", tunesmith.ConflictError),
        ("FAILED_PRECONDITION", "FIELD_IMMUTABLE", tunesmith.ConflictError),
        ("ABORTED", "PLAN_STALE", tunesmith.ConflictError),
    ],
)
async def test_a_reason_says_more_than_its_code(
    client: AsyncClient, service: FakeService, code: str, reason: str, kind: type[TunesmithError]
):
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7))
    status = a_status(code_pb2.Code.Value(code), "words", reason, retry)
    service.faults.fail["Complete"] = [status]
    with pytest.raises(TunesmithError) as caught:
        await client.models.complete("ada", "x")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.retry_after) == (code, 7)


async def test_a_call_whose_first_try_is_still_under_way_is_repeated_until_it_is_answered(
    client: AsyncClient, service: FakeService
):
    soon = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=1_000_000))
    status = a_status(code_pb2.ABORTED, "not yet", "REQUEST_IN_PROGRESS", soon)
    service.faults.fail["CreateFineTune"] = [status] * 2
    run = await client.fine_tunes.create("d", "ada")
    assert list(service.runs) == [run.name]
    assert service.calls["CreateFineTune"] == 3


async def test_details_arrive_as_values(client: AsyncClient, service: FakeService):
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.n_epochs", description="is 900")
    bad.field_violations.add(field="spec.suffix", description="is odd")
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="tenants/acme", description="10 of 10 used")
    state = error_details_pb2.PreconditionFailure()
    state.violations.add(type="X", subject="datasets/d", description="is invalid")
    delay = Duration()
    delay.FromTimedelta(timedelta(seconds=1.5))
    retry = error_details_pb2.RetryInfo(retry_delay=delay)
    status = a_status(code_pb2.RESOURCE_EXHAUSTED, "no", "QUOTA_EXCEEDED", bad, quota, state, retry)
    service.faults.fail["Complete"] = [status]
    with pytest.raises(tunesmith.QuotaExceededError) as caught:
        await client.models.complete("ada", "x")
    assert [str(violation) for violation in caught.value.violations] == [
        "spec.n_epochs: is 900",
        "spec.suffix: is odd",
        "tenants/acme: 10 of 10 used",
        "datasets/d: is invalid",
    ]
    assert caught.value.retry_after == 1.5


async def test_not_found_names_the_resource(client: AsyncClient, service: FakeService):
    service.faults.fail["Complete"] = [not_found("tenants/acme/models/m")]
    with pytest.raises(tunesmith.NotFoundError) as caught:
        await client.models.complete("ada", "x")
    assert caught.value.resource == "tenants/acme/models/m"


async def test_a_status_without_details_still_makes_sense(
    client: AsyncClient, service: FakeService
):
    service.faults.fail["Complete"] = [status_pb2.Status(code=code_pb2.INTERNAL, message="a proxy")]
    with pytest.raises(TunesmithError, match="a proxy") as caught:
        await client.models.complete("ada", "x")
    assert caught.value.reason == ""


async def test_a_call_the_service_does_not_know_says_so(client: AsyncClient):
    with pytest.raises(tunesmith.NotBuiltYetError, match="does not know this call"):
        await client.models.get("m")


async def test_a_wrong_key_is_an_authentication_error(service: FakeService):
    async with AsyncClient(service.address, "sk-ts-wrong") as client:
        with pytest.raises(tunesmith.AuthenticationError):
            await client.whoami()


async def test_a_service_that_does_not_answer_is_named_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("tunesmith._transport.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("tunesmith._blocking.CONNECT_SECONDS", 0.5)
    began = time.monotonic()
    async with AsyncClient("127.0.0.1:1", KEY) as client:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1\. Start one there"):
            await client.whoami()
        with pytest.raises(UnavailableError, match="no Tunesmith service answers"):
            await anext(client.fine_tunes.watch("r1"))
    blocking = Client("127.0.0.1:1", KEY)
    with pytest.raises(UnavailableError, match="no Tunesmith service answers"):
        blocking.whoami()
    blocking.close()
    assert time.monotonic() - began < 5


def test_the_tree_at_the_top_of_the_module_is_the_tree():
    from tunesmith import _errors

    assert _errors.__doc__
    documented = {word for word in _errors.__doc__.split() if word.endswith("Error")}
    classes = {kind.__name__ for kind in TunesmithError.__subclasses__()} | {"TunesmithError"}
    assert documented == classes
    assert classes | {"Violation"} <= set(tunesmith.__all__)
