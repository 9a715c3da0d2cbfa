"""Messages survive the wire."""

import math

import pytest
from tunesmith_server.adapters.inference import wire
from tunesmith_server.domain.completion import (
    AdapterInvalid,
    AdapterRef,
    ChatMessage,
    Choice,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineUnavailable,
    InvalidSampling,
    Logprobs,
    PromptTooLong,
    TokenUsage,
)

LOGPROBS = Logprobs(("a", "b"), (1, 2), (None, -0.5), (None, (("b", -0.5), ("é", -1.0))), (0, 1))


def over(message):
    line = wire.encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return wire.decode(line)


@pytest.mark.parametrize(
    "request_",
    [
        CompletionRequest(prompts=("a\nb \ud800", (1, 2)), logit_bias={5: -1.5}, stop=("x", "\n")),
        CompletionRequest(messages=(ChatMessage("user", "hi"),), max_tokens=None, seed=-3),
    ],
)
@pytest.mark.parametrize("adapter", [None, AdapterRef("id", "/p", "sha256:0")])
def test_a_call(request_, adapter):
    message = over(wire.call("7", request_, adapter=adapter, stream=False))
    assert wire.read_call(message) == (request_, adapter)


def test_answers():
    completion = Completion(
        (Choice(0, "t", "stop", LOGPROBS), Choice(1, "", "length")), TokenUsage(3, 4)
    )
    assert wire.read_done(over(wire.done("1", completion))) == completion
    for delta in (
        CompletionDelta(1, "x", None, LOGPROBS),
        CompletionDelta(0, "", "stop", None, TokenUsage(1, 2)),
    ):
        assert wire.read_delta(over(wire.delta("1", delta))) == delta


@pytest.mark.parametrize(
    "fault",
    [
        InvalidSampling("stop", "no"),
        PromptTooLong(9, 8, 7),
        AdapterInvalid("a", "no"),
        EngineUnavailable("gone", 3.0),
    ],
)
def test_errors(fault):
    got = wire.read_error(over(wire.error("1", fault)))
    assert type(got) is type(fault)
    assert (str(got), vars(got)) == (str(fault), vars(fault))


def test_what_is_not_a_number_never_goes_out():
    with pytest.raises(ValueError, match="Out of range"):
        wire.encode({"logprob": math.nan})
