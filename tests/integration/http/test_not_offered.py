"""What OpenAI has and this service has not: an envelope with the reason, never a bare 404."""

import pytest
from tunesmith_server.bootstrap import Running

from tests.integration.http.conftest import Tenant, client_of, error_of
from tests.openai.conformance import not_offered


@not_offered("/v1/fine_tuning/alpha/graders", "run, validate", "reinforcement is not offered: 404")
@not_offered(
    "other APIs",
    "embeddings, batches, assistants, responses, vector stores, …",
    "404 with the reason and what there is",
)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("embeddings", "Embeddings are not offered here"),
        ("batches/batch_1/cancel", "Batches are not offered"),
        ("assistants", "Assistants are not offered"),
        ("fine_tuning/alpha/graders/run", "reinforcement"),
        ("responses", "chat completions"),
        ("vector_stores/vs_1/files", "Vector stores"),
    ],
)
async def test_what_is_not_offered_says_so_and_what_is(acme: Tenant, path: str, words: str):
    error = error_of(await acme.http.post(f"/v1/{path}", json={}), 404)
    assert words in error["message"]
    assert "fine-tuning jobs" in error["message"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_offered")


async def test_what_nobody_offers_is_an_invalid_url(http_server: Running):
    async with client_of(http_server, "") as http:
        error = error_of(await http.get("/v1/embeddings2"), 404)
        assert error["message"] == "Invalid URL (GET /v1/embeddings2)"
        assert "PUT" in error_of(await http.put("/v1/files"), 405)["message"]
