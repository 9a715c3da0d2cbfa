"""Every class of error that the clients have: one call each that raises exactly it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tunesmith.v1 import tenant_pb2
from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.models import Models
from tunesmith_server.app.submission import Submission
from tunesmith_server.domain import errors
from tunesmith_server.domain.completion import CompletionDelta
from tunesmith_server.edge.http.envelopes import envelope

from tests.e2e.daemon import free_port
from tests.integration.calls import ADMIN_KEY, Caller, another_key, jsonl
from tests.openai.clients import PythonClient, Raised
from tests.openai.conformance import differs, works
from tests.openai.conftest import Account, Scripted, Service, old_library, sdk
from tests.openai.rows import answers

ERRORS = "errors"
CREATE = "client.fine_tuning.jobs.create(model='ada', training_file='numbers', **more)"


@pytest.fixture
async def idle(scripted: Scripted) -> AsyncIterator[Service]:
    """A service that trains nothing."""
    async with scripted(slots=0) as service:
        yield service


@pytest.fixture
async def acme(idle: Service) -> Account:
    account = await idle.account("acme")
    await account.caller.upload(jsonl(answers()))
    return account


@pytest.fixture
async def run(acme: Account) -> AsyncIterator[PythonClient]:
    async with sdk(acme) as client:
        yield client


async def raised(run: PythonClient, code: str, **names: Any) -> Raised:
    """What a call raises."""
    with pytest.raises(Raised) as caught:
        await run(code, **names)
    return caught.value


@works(ERRORS, "400 BadRequestError, InvalidRequestError", "404 NotFoundError, InvalidRequestError")
@works(ERRORS, "404 model_not_found for models", "unknown arguments, as OpenAI refuses them")
@works(ERRORS, "x-request-id, as `request_id`")
async def test_what_is_wrong_with_a_request_is_a_bad_request_or_not_found(run: PythonClient):
    wrong = await raised(run, CREATE, more={"hyperparameters": {"n_epochs": 900}})
    assert (wrong.kind, wrong.status, wrong.param) == ("BadRequestError", 400, "n_epochs")
    assert wrong.type == "invalid_request_error"
    assert "fine_tune.spec" not in wrong.message
    assert wrong.request_id == wrong.headers["x-request-id"]
    unknown = await raised(run, CREATE, more={"extra_body": {"epochs": 1}})
    assert unknown.kind == "BadRequestError"
    assert "Unrecognized request argument supplied: epochs" in unknown.message
    file = await raised(run, "client.files.retrieve('file-none')")
    assert (file.kind, file.param) == ("NotFoundError", "id")
    assert "No such File object: file-none" in file.message
    job = await raised(run, "client.fine_tuning.jobs.retrieve('ftjob-none')")
    assert job.kind == "NotFoundError"
    for ask in (
        "client.completions.create(model='nobody', prompt='x')",
        "client.chat.completions.create(model='nobody', messages=[dict(role='user', content='x')])",
        "list(client.completions.create(model='nobody', prompt='x', stream=True))",
        "client.fine_tuning.jobs.create(model='nobody', training_file='numbers')",
        "client.models.retrieve('nobody')",
    ):
        model = await raised(run, ask)
        assert (model.kind, model.code, model.param) == (
            "NotFoundError",
            "model_not_found",
            "model",
        ), ask


@works(ERRORS, "401 AuthenticationError: invalid_api_key", "OpenAI-Organization, OpenAI-Project")
@works(ERRORS, "403 PermissionDeniedError, PermissionError")
async def test_who_may_not_is_told_so(idle: Service, acme: Account, run: PythonClient):
    wrong = await raised(run, "openai.OpenAI(api_key='sk-ts-wrong', max_retries=0).models.list()")
    assert (wrong.kind, wrong.code) == ("AuthenticationError", "invalid_api_key")
    assert "sk-ts-wrong" not in wrong.message
    other = await raised(run, "openai.OpenAI(organization='org-x', max_retries=0).models.list()")
    assert (other.kind, other.code) == ("AuthenticationError", "mismatched_organization")
    own = "openai.OpenAI(organization='org-acme', project='acme').models.list().object"
    assert await run(own) == "list"
    viewer = await another_key(Caller(idle.grpc, ADMIN_KEY), "acme", tenant_pb2.ROLE_VIEWER)
    denied = await raised(
        run,
        "openai.OpenAI(api_key=key, max_retries=0).fine_tuning.jobs.create("
        "model='ada', training_file='numbers')",
        key=viewer.key,
    )
    assert denied.kind == "PermissionDeniedError"
    base = await raised(run, "client.models.delete('ada')")
    assert base.kind == "PermissionDeniedError"
    nobody = await raised(
        run, "openai.OpenAI(api_key=key, max_retries=0).models.list()", key=ADMIN_KEY
    )
    assert (nobody.kind, "keys of tenants" in nobody.message) == ("PermissionDeniedError", True)


COUNTING = """
tries = []
client = openai.OpenAI(max_retries=2, http_client=openai.DefaultHttpxClient(
    event_hooks={"response": [lambda response: tries.append(response.status_code)]}))
"""


@works(ERRORS, "429 RateLimitError: rate_limit_exceeded with Retry-After, which clients wait for")
async def test_a_rate_limit_says_when_to_come_again(idle: Service):
    account = await idle.account("slow", {"requests_per_minute": 2})
    async with sdk(account) as run:
        await run(COUNTING)
        await run("client.files.list(); client.files.list(); None")
        limited = await raised(run, "client.with_options(max_retries=0).files.list()")
        assert (limited.kind, limited.code) == ("RateLimitError", "rate_limit_exceeded")
        assert limited.type == "requests"
        assert 1 <= int(limited.headers["retry-after"]) <= 60
        assert "x-should-retry" not in limited.headers


@works(ERRORS, "429 insufficient_quota for limits that waiting does not lift: x-should-retry false")
async def test_a_full_quota_is_not_tried_again(idle: Service):
    account = await idle.account("full", {"fine_tunes_queued": 1})
    await account.caller.upload(jsonl(answers()))
    async with sdk(account) as run:
        await run(COUNTING)
        await run(CREATE, more={})
        full = await raised(run, CREATE, more={})
        assert (full.kind, full.code) == ("RateLimitError", "insufficient_quota")
        assert full.headers["x-should-retry"] == "false"
        assert await run("tries") == [200, 429]
    async with old_library(account) as old:
        again = await raised(old, "openai.FineTune.create(model='ada', training_file='numbers')")
        assert (again.kind, again.status) == ("RateLimitError", 429)
        assert "fine_tunes_queued" in again.message


SECRET = "the connection string"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(FineTunes, "get", fails)


@works(ERRORS, "500 InternalServerError, APIError: an incident, a request id, nothing else")
async def test_a_fault_of_the_service_is_an_internal_error(
    acme: Account, run: PythonClient, broken: None
):
    fault = await raised(run, "client.fine_tuning.jobs.retrieve('ftjob-x')")
    assert (fault.kind, fault.status, fault.type) == ("InternalServerError", 500, "server_error")
    assert fault.request_id
    assert "incident" in fault.message
    assert SECRET not in str(fault.body)
    await run(COUNTING)
    await raised(run, "client.fine_tuning.jobs.retrieve('ftjob-x')")
    assert await run("tries") == [500] * 3
    async with old_library(acme) as old:
        old_fault = await raised(old, "openai.FineTune.retrieve('ft-x')")
        assert (old_fault.kind, old_fault.status) == ("APIError", 500)
        assert SECRET not in str(old_fault.body) + old_fault.message


@works(ERRORS, "503 InternalServerError, ServiceUnavailableError, with Retry-After")
async def test_what_is_away_for_a_while_is_tried_again(
    acme: Account, run: PythonClient, monkeypatch: pytest.MonkeyPatch
):
    right, calls = Datasets.get, []

    async def away(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) < 3:
            raise errors.Unavailable("the database is away", retry_after=1)
        return await right(*arguments)

    monkeypatch.setattr(Datasets, "get", away)
    async with old_library(acme) as old:
        first = await raised(old, "openai.File.retrieve('numbers')")
        assert (first.kind, first.headers["retry-after"]) == ("ServiceUnavailableError", "1")
    await run(COUNTING)
    assert (await run("client.files.retrieve('numbers')"))["status"] == "processed"
    assert await run("tries") == [503, 200]


@works(ERRORS, "APIConnectionError, APITimeoutError: nobody there, or no answer in time")
async def test_who_does_not_answer_is_a_connection_or_a_timeout(
    acme: Account, run: PythonClient, monkeypatch: pytest.MonkeyPatch
):
    port = free_port()
    away = f"openai.OpenAI(base_url='http://127.0.0.1:{port}/v1', max_retries=0).models.list()"
    assert (await raised(run, away)).kind == "APIConnectionError"
    answer = asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        await answer.wait()

    monkeypatch.setattr(FineTunes, "get", slow)
    late = "client.with_options(timeout=0.2).fine_tuning.jobs.retrieve('ftjob-x')"
    assert (await raised(run, late)).kind == "APITimeoutError"
    async with old_library(acme) as old:
        nobody = f"openai.Model.list(api_base='http://127.0.0.1:{port}/v1')"
        assert (await raised(old, nobody)).kind == "APIConnectionError"
        late = "openai.FineTune.retrieve('ft-x', request_timeout=0.2)"
        assert (await raised(old, late)).kind == "Timeout"
    answer.set()


@works(ERRORS, "an error within a stream: APIError, in both clients")
async def test_what_fails_within_a_stream_is_raised_there(
    acme: Account, run: PythonClient, monkeypatch: pytest.MonkeyPatch
):
    async def breaks(*_: object, **__: object) -> AsyncIterator[CompletionDelta]:
        yield CompletionDelta(0, " yes")
        raise errors.Unavailable("the engine has ended", retry_after=1)

    monkeypatch.setattr(Models, "stream_complete", breaks)
    ask = "list(client.completions.create(model='ada', prompt='x', stream=True))"
    fault = await raised(run, ask)
    assert (fault.kind, fault.code) == ("APIError", "backend_unavailable")
    assert "the engine has ended" in fault.message
    async with old_library(acme) as old:
        ask = "list(openai.Completion.create(model='ada', prompt='x', stream=True))"
        fault = await raised(old, ask)
        assert fault.kind == "APIError"
        assert "the engine has ended (Error occurred while streaming.)" in fault.message


@works(ERRORS, "413 APIStatusError, APIError")
async def test_a_body_over_the_limit_is_a_status_error(scripted: Scripted):
    async with scripted(slots=0, http={"max_body_bytes": 1000}) as service:
        account = await service.account("acme")
        ask = "client.completions.create(model='ada', prompt='x' * 2000)"
        async with sdk(account) as run:
            large = await raised(run, ask)
            assert (large.kind, large.status) == ("APIStatusError", 413)
            assert "larger than the 1,000 bytes" in large.message
        async with old_library(account) as old:
            large = await raised(old, ask.replace("client.completions", "openai.Completion"))
            assert (large.kind, large.status) == ("APIError", 413)
            assert "larger than the 1,000 bytes" in large.message


@works("POST /v1/fine_tuning/jobs", "Idempotency-Key: repeated, it gives the first job again")
async def test_a_create_that_is_repeated_with_its_key_makes_one_job(
    acme: Account, run: PythonClient, monkeypatch: pytest.MonkeyPatch
):
    more = {"extra_headers": {"Idempotency-Key": "nightly 7"}, "suffix": "one"}
    await run("from concurrent.futures import ThreadPoolExecutor as Pool")
    jobs = await run(
        "[job.id for job in Pool(4).map(lambda _: " + CREATE + ", range(8))]", more=more
    )
    assert len(set(jobs)) == 1
    other = await raised(run, CREATE, more=more | {"suffix": "two"})
    assert (other.kind, other.code) == ("BadRequestError", "idempotency_key_reused")
    right = Submission.create

    async def lost(*arguments: Any, **named: Any) -> Any:
        await right(*arguments, **named)
        monkeypatch.setattr(Submission, "create", right)
        raise errors.Unavailable("after it was done", retry_after=1)

    monkeypatch.setattr(Submission, "create", lost)
    await run(COUNTING)
    more = {"extra_headers": {"Idempotency-Key": "another"}}
    repeated = await run(CREATE + ".id", more=more)
    assert await run("tries") == [503, 200]
    listed = await run("[job.id for job in client.fine_tuning.jobs.list()]")
    assert listed == [repeated, jobs[0]]


def _all_errors(kind: type[errors.DomainError] = errors.DomainError) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _all_errors(each)


_MADE = {
    errors.RateLimited: {"retry_after": 1.0},
    errors.RequestInProgress: {"retry_after": 1.0},
    errors.Unavailable: {"retry_after": 1.0},
    errors.NamingPolicyBroken: {"rule": "normalisation"},
    errors.PayloadTooLarge: {"limit": 1},
}
_GIVEN: dict[type, tuple[Any, ...]] = {
    errors.InvalidArgument: ([errors.FieldViolation("a.b", "is wrong")],),
    errors.PayloadTooLarge: ("a.b", "is wrong"),
    errors.PreconditionFailed: ("tenants/a/fineTunes/b", "is over"),
    errors.QuotaExceeded: ("a", [errors.QuotaViolation("datasets", 1, 1, 1)]),
    errors.OffsetMismatch: (1, 2),
    errors.CursorExpired: (7,),
}


@works(ERRORS, "never 422, which the old client takes for a broken answer, and never 409")
@differs(ERRORS, "507 when the disk is full", "OpenAI has no such case; InternalServerError")
@pytest.mark.parametrize("kind", list(_all_errors()), ids=lambda kind: str(kind.__name__))
def test_no_refusal_has_a_status_that_a_client_misreads(kind: Any):
    given = next((_GIVEN[base] for base in kind.__mro__ if base in _GIVEN), ("some words",))
    named = next((_MADE[base] for base in kind.__mro__ if base in _MADE), {})
    made = kind(*given, **named)
    shown = envelope(made)
    assert shown.status in (400, 401, 403, 404, 413, 429, 500, 503, 507)
    assert shown.message
    assert "tenants/" not in shown.message


@works(ERRORS, "the old client's classes")
async def test_the_old_client_raises_its_own_classes(acme: Account, idle: Service):
    viewer = await another_key(Caller(idle.grpc, ADMIN_KEY), "acme", tenant_pb2.ROLE_VIEWER)
    cases = {
        "openai.FineTune.retrieve('ft-none')": "InvalidRequestError",
        "openai.FineTune.create(training_file='numbers', model='ada', n_epochs=900)": (
            "InvalidRequestError"
        ),
        "openai.Completion.create(model='nobody', prompt='x')": "InvalidRequestError",
        "openai.Completion.create(model='nobody', prompt='x', stream=True)": "InvalidRequestError",
        "openai.Model.delete('ada', api_key=viewer)": "PermissionError",
        "openai.Model.list(api_key='sk-ts-wrong')": "AuthenticationError",
        "openai.Model.list(organization='org-x')": "AuthenticationError",
    }
    async with old_library(acme) as old:
        for code, kind in cases.items():
            assert (await raised(old, code, viewer=viewer.key)).kind == kind, code
        async with asyncio.timeout(20):  # it would repeat a 409 without end
            await raised(old, "openai.Completion.create(model='ada', prompt=[])")
