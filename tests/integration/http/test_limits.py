"""What a caller is told of its limits, on both databases."""

import itertools
from typing import Any

from tunesmith_server.bootstrap import Running

from tests.integration.http.conftest import Tenant, error_of, json_of, tenant_of
from tests.openai.conformance import differs, works


def told(headers: Any, of: str) -> tuple[int, int]:
    """The limit and what remains of it; how long it lasts is checked."""
    reset = headers[f"x-ratelimit-reset-{of}"]
    assert reset.endswith("s")
    assert 0 <= int(reset[:-1]) <= 60
    return int(headers[f"x-ratelimit-limit-{of}"]), int(headers[f"x-ratelimit-remaining-{of}"])


@works("headers", "x-ratelimit-…-requests, retry-after")
async def test_every_answer_says_what_is_left_of_the_minute_and_a_refusal_when_to_come_again(
    http_server: Running,
):
    busy = await tenant_of(http_server, "busy", {"requests_per_minute": 5})
    async with busy.http as http:
        answers = [await http.get("/v1/models") for _ in range(11)]
    left = [told(answer.headers, "requests") for answer in answers if answer.status_code == 200]
    # a minute may end in the middle, and then it begins anew
    assert all(after in (before - 1, 4) for (_, before), (_, after) in itertools.pairwise(left))
    assert left[0] == (5, 4)
    assert {limit for limit, _ in left} == {5}
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert error_of(answer, 429)["code"] == "rate_limit_exceeded"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert told(answer.headers, "requests") == (5, 0)
        assert "x-should-retry" not in answer.headers


@differs("headers", "x-ratelimit-… where a tenant has no such limit", "are left out")
async def test_nothing_is_said_of_limits_that_there_are_not(acme: Tenant):
    answer = await acme.http.get("/v1/models")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


@works("headers", "x-ratelimit-…-tokens")
async def test_a_limit_above_counts_and_tokens_are_told_of_beside_requests(http_server: Running):
    both = await tenant_of(
        http_server, "both", {"requests_per_minute": 600, "inference_tokens_per_minute": 9000}
    )
    async with both.http as http:
        headers = (await http.get("/v1/models")).headers
    assert told(headers, "requests") == (600, 599)
    assert told(headers, "tokens") == (9000, 9000)


@works("/v1/fine_tuning/model_limits", "list, from the tenant's quotas")
async def test_the_limits_on_a_model_are_the_tightest_that_the_tenant_has(http_server: Running):
    limits = {
        "fine_tunes_running": 7,
        "fine_tunes_running@ada": 2,
        "requests_per_minute": 500,
    }
    tenant = await tenant_of(http_server, "limited", limits)
    async with tenant.http as http:
        answer = json_of(await http.get("/v1/fine_tuning/model_limits"))
        assert answer["object"] == "list"
        found = {limit["model"]: limit for limit in answer["data"]}
        named = {model["id"] for model in json_of(await http.get("/v1/models"))["data"]}
    assert set(found) == named
    assert found["ada"]["max_queued_jobs"] == 100  # the platform's default
    assert {limit["max_requests_per_minute"] for limit in found.values()} == {500}
    assert {limit["max_tokens_per_minute"] for limit in found.values()} == {None}
    running = {name: limit["max_concurrent_jobs"] for name, limit in found.items()}
    assert (running["ada"], running["curie"]) == (2, 7)
