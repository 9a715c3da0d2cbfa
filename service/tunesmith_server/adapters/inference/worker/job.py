"""A request at work: its prompts, the rows that answer them, and the messages that result."""

import hashlib
import secrets
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunesmith_server.adapters.inference import wire
from tunesmith_server.adapters.inference.worker.answer_text import AnswerText
from tunesmith_server.adapters.inference.worker.base import Base
from tunesmith_server.adapters.inference.worker.lora import Adapter
from tunesmith_server.adapters.inference.worker.sampling import Picked, Sampler
from tunesmith_server.domain.completion import (
    AdapterRef,
    Choice,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineError,
    InvalidSampling,
    Logprobs,
    PromptTooLong,
    TokenUsage,
)

Emit = Callable[[Mapping[str, Any]], None]


@dataclass
class Prompt:
    """One prompt: as text, as tokens, and with what the model thinks of them once it is known."""

    text: str
    tokens: list[int]
    room: int  # how many tokens may follow
    scores: list[Picked] = field(default_factory=list)


class Row:
    """One answer in the making."""

    adapter: Adapter | None = None

    def __init__(self, job: "Job", prompt: int, candidate: int, sampler: Sampler) -> None:
        self.job = job
        self.prompt = job.prompts[prompt]
        self.place = (prompt, candidate)
        self.sampler = sampler
        self.text = AnswerText(job.base.vocabulary, job.request.stop)
        self.picks: list[Picked] = []
        self.finish_reason: str | None = None
        self._logprobs: list[float] = []
        self._shown_prompt = False

    @property
    def tokens(self) -> list[int]:
        """The prompt and what was generated so far."""
        return self.prompt.tokens + [picked.token for picked in self.picks]

    @property
    def length(self) -> int:
        """The number of `tokens`."""
        return len(self.prompt.tokens) + len(self.picks)

    @property
    def generated(self) -> int:
        """How many tokens were generated, an end token included."""
        return len(self._logprobs)

    @property
    def remaining(self) -> int:
        """How many more tokens it may come to."""
        return self.prompt.room - len(self.picks)

    @property
    def mean_logprob(self) -> float:
        """By which the best of several answers is known."""
        return statistics.fmean(self._logprobs) if self._logprobs else 0.0

    def accept(self, picked: Picked) -> None:
        """Take the next token, which may be the last."""
        self._logprobs.append(picked.logprob or 0.0)
        if picked.token in self.job.ends:
            self.finish("stop")
            return
        self.picks.append(picked)
        if self.text.push(picked.token):
            self.finish("stop")
        elif not self.remaining:
            self.finish("length")

    def finish(self, reason: str) -> None:
        """No token follows."""
        self.finish_reason = "stop" if self.text.end() else reason

    def choice(self, index: int) -> Choice:
        """The whole answer."""
        assert self.finish_reason is not None
        echo = self.prompt.text if self.job.request.echo else ""
        logprobs = self._piece_logprobs(range(self.text.tokens()), with_prompt=True)
        return Choice(index, echo + self.text.text, self.finish_reason, logprobs)

    def delta(self, index: int, usage: TokenUsage | None) -> CompletionDelta | None:
        """What can be shown now and was not shown before, if anything."""
        text, brought = self.text.release()
        first = not self._shown_prompt
        if first and self.job.request.echo:
            text = self.prompt.text + text
        if not (text or brought or self.finish_reason):
            return None
        self._shown_prompt = True
        logprobs = self._piece_logprobs(brought, with_prompt=first)
        return CompletionDelta(index, text, self.finish_reason, logprobs, usage)

    def _piece_logprobs(self, brought: range, *, with_prompt: bool) -> Logprobs | None:
        request, vocabulary = self.job.request, self.job.base.vocabulary
        if request.logprobs is None:
            return None
        picks = [self.picks[place] for place in brought]
        offsets = [len(self.prompt.text) + self.text.starts[place] for place in brought]
        if request.echo and with_prompt:
            picks = self.prompt.scores + picks
            offsets = vocabulary.offsets(self.prompt.tokens) + offsets
        return Logprobs(
            tokens=tuple(vocabulary.name(picked.token) for picked in picks),
            token_ids=tuple(picked.token for picked in picks),
            token_logprobs=tuple(picked.logprob for picked in picks),
            top_logprobs=tuple(
                None
                if picked.top is None
                else tuple((vocabulary.name(token), logprob) for token, logprob in picked.top)
                for picked in picks
            ),
            text_offset=tuple(offsets),
        )


class Job:
    """A request with an id; it ends with one message that says so, or is cancelled."""

    def __init__(
        self,
        id: str,
        request: CompletionRequest,
        *,
        adapter: AdapterRef | None,
        stream: bool,
        base: Base,
        emit: Emit,
    ) -> None:
        request.check(stream=stream)
        if any(token >= base.outputs for token in request.logit_bias):
            raise InvalidSampling("logit_bias", f"token ids are below {base.outputs}")
        self.id = id
        self.request = request
        self.adapter = adapter
        self.base = base
        self.over = False
        self.ends = base.turn_ends if request.messages else base.ends
        self.prompts = list(_prompts(request, base))
        self._stream = stream
        self._emit = emit
        self.rows = [
            [self._row(prompt, candidate) for candidate in range(request.candidates)]
            for prompt in range(len(self.prompts))
        ]
        self._unfinished = request.candidates * len(self.prompts)

    @property
    def scores_prompts(self) -> bool:
        """Whether the log-probabilities of the prompts themselves are wanted."""
        return self.request.echo and self.request.logprobs is not None

    def advanced(self, row: Row) -> None:
        """A row has a new token or has ended: tell what there is to tell."""
        if self.over:
            return
        self._unfinished -= row.finish_reason is not None
        self.over = self._unfinished == 0
        if self._stream:
            prompt, candidate = row.place
            usage = self._usage() if self.over else None
            piece = row.delta(prompt * self.request.n + candidate, usage)
            if piece is not None:
                self._emit(wire.delta(self.id, piece))
        elif self.over:
            self._emit(wire.done(self.id, Completion(tuple(self._choices()), self._usage())))

    def fail(self, fault: EngineError) -> None:
        """End with an error; rows that are still at work count no more."""
        if not self.over:
            self.over = True
            self._emit(wire.error(self.id, fault))

    def cancel(self) -> None:
        """End without a word."""
        self.over = True

    def _row(self, prompt: int, candidate: int) -> Row:
        # Of the seed and the number of the candidate, not of the prompt: a prompt's answers are
        # the same, whether it is asked alone or in a list. Four bytes are what torch uses.
        seed = self.request.seed
        start = f"{secrets.randbits(64) if seed is None else seed}:{candidate}"
        digest = hashlib.blake2b(start.encode(), digest_size=4).digest()
        return Row(self, prompt, candidate, Sampler(self.request, int.from_bytes(digest)))

    def _choices(self) -> Sequence[Choice]:
        chosen: list[Row] = []
        for rows in self.rows:
            best = rows
            if self.request.candidates > self.request.n:
                best = sorted(rows, key=lambda row: row.mean_logprob, reverse=True)
            chosen += best[: self.request.n]
        return [row.choice(index) for index, row in enumerate(chosen)]

    def _usage(self) -> TokenUsage:
        return TokenUsage(
            prompt_tokens=sum(len(prompt.tokens) for prompt in self.prompts),
            completion_tokens=sum(row.generated for rows in self.rows for row in rows),
        )


def _prompts(request: CompletionRequest, base: Base) -> Sequence[Prompt]:
    asked = (base.render(request.messages),) if request.messages else request.prompts
    prompts = []
    for prompt in asked:
        tokens = base.vocabulary.encode(prompt) if isinstance(prompt, str) else list(prompt)
        if any(not 0 <= token < base.outputs for token in tokens):
            raise InvalidSampling("prompt", f"token ids are between 0 and {base.outputs - 1}")
        text = prompt if isinstance(prompt, str) else base.vocabulary.text(tokens)
        if not tokens:
            first = base.first_token()
            if first is None:
                raise InvalidSampling("prompt", "must not be empty with this model")
            tokens = [first]
        room = base.context - len(tokens)
        wanted = max(room, 1) if request.max_tokens is None else request.max_tokens
        if wanted > room:
            raise PromptTooLong(len(tokens), base.context, wanted)
        prompts.append(Prompt(text, tokens, wanted))
    return prompts
