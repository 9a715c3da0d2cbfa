"""Answers are those of plain transformers and peft, alone and among others."""

import pytest
from tunesmith_server.adapters.inference.worker.scheduler import Limits
from tunesmith_server.domain.completion import CompletionRequest

from tests.unit.inference.conftest import InProcess, Models

PROMPTS = (
    "Tweet: I love",
    "the quick brown fox jumps over the lazy dog and reads",
    "naïve 🙂",
    "a",
    "Tweet: this was awful -> negative. the lazy " * 4,
)
NAMES = ("", "a", "b", "c")
TOLERANCE = 1e-4


def greedy(prompt: str, max_tokens: int = 24) -> CompletionRequest:
    return CompletionRequest(prompts=(prompt,), max_tokens=max_tokens, temperature=0, logprobs=3)


@pytest.mark.parametrize("name", NAMES)
def test_a_greedy_answer_alone_is_that_of_transformers(worker, models, name):
    for prompt in PROMPTS:
        (answer,) = worker.complete_all([(greedy(prompt), models.ref(name))])
        expect_like_transformers(models, name, prompt, answer.choices[0])


def test_a_greedy_answer_among_other_adapters_is_that_of_transformers(worker, models):
    # Lengths differ, so that rows leave at different times.
    asked = [
        (prompt, name, 4 + 3 * place)
        for place, (prompt, name) in enumerate((p, n) for p in PROMPTS for n in NAMES)
    ]
    answers = worker.complete_all(
        [(greedy(prompt, most), models.ref(name)) for prompt, name, most in asked]
    )
    for (prompt, name, most), answer in zip(asked, answers, strict=True):
        expect_like_transformers(models, name, prompt, answer.choices[0], most)


def test_a_row_that_joins_late_and_one_that_goes_on_do_not_disturb_each_other(worker, models):
    long = worker.ask(greedy(PROMPTS[1], 60), models.ref("b"))
    worker.work(10)
    longer_prompt = worker.ask(greedy(PROMPTS[4], 8), models.ref("a"))
    worker.work(3)
    short = worker.ask(greedy(PROMPTS[3], 3))
    worker.work()
    for id, name, prompt, most in (
        (long, "b", PROMPTS[1], 60),
        (longer_prompt, "a", PROMPTS[4], 8),
        (short, "", PROMPTS[3], 3),
    ):
        expect_like_transformers(models, name, prompt, worker.answer(id).choices[0], most)


def test_chunked_prompts_and_rows_sent_back_for_room_end_the_same(new_worker, models):
    # Room for about 130 positions of 96 bytes x 3 layers: rows must wait or start over.
    tight = new_worker(limits=Limits(rows=4, prefill_tokens=16, cache_bytes=130 * 3 * 2 * 96 * 2))
    asked = [(prompt, name) for prompt in PROMPTS for name in NAMES]
    answers = tight.complete_all([(greedy(prompt, 40), models.ref(name)) for prompt, name in asked])
    for (prompt, name), answer in zip(asked, answers, strict=True):
        expect_like_transformers(models, name, prompt, answer.choices[0], 40)


def test_short_answers_do_not_wait_for_a_long_one(worker: InProcess, models: Models):
    long = worker.ask(greedy(PROMPTS[0], 100), models.ref("a"))
    worker.work(5)
    short = worker.ask(greedy(PROMPTS[1], 2), models.ref("b"))
    worker.work(5)
    assert worker.of(short)
    assert not worker.of(long)
    worker.work()
    assert worker.of(long)


def test_an_answer_ends_at_the_end_token(worker, models):
    # The first token that the model would give is made an end token by its bias.
    answer = worker.complete(
        prompts=(PROMPTS[0],), temperature=0, logit_bias={0: 100}, max_tokens=5, logprobs=0
    )
    choice = answer.choices[0]
    assert (choice.text, choice.finish_reason) == ("", "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ()
    assert answer.usage.completion_tokens == 1


def expect_like_transformers(models, name, prompt, choice, most=24):
    reference = models.reference(name)
    tokens = reference.greedy(prompt, most)
    got = choice.logprobs
    assert list(got.token_ids) == tokens
    assert choice.text == reference.text(tokens)
    before = reference.ids(prompt)
    wanted = reference.logprobs(before + tokens)[len(before) - 1 :]
    for place, token in enumerate(tokens):
        assert got.token_logprobs[place] == pytest.approx(
            wanted[place, token].item(), abs=TOLERANCE
        )
        best = wanted[place].topk(3)
        assert [lp for _, lp in got.top_logprobs[place]] == pytest.approx(
            best.values.tolist(), abs=TOLERANCE
        )
