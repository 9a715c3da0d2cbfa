"""What is asked of an inference engine, what it answers, and how it fails.

EngineError
├── InvalidSampling      a field of the request is out of its range
├── PromptTooLong        prompt and max_tokens do not fit the model's context
├── AdapterInvalid       the adapter cannot be read, or is not one of this base
├── EngineBusy           too much is waiting: try again after `retry_after` seconds
└── EngineUnavailable    the engine ended or did not start: try again, a new one will start
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

MAX_CHOICES = 128
MAX_BEST_OF = 20
MAX_STOPS = 4
MAX_LOGPROBS = 5
MAX_CHAT_LOGPROBS = 20
MAX_ROWS = 4096


class EngineError(Exception):
    """Something an engine could not do; `reason` is for programs, the words are for people."""

    reason: ClassVar[str] = "ENGINE_ERROR"


class InvalidSampling(EngineError):
    """`field` of the request cannot be honoured."""

    reason = "INVALID_SAMPLING"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class PromptTooLong(EngineError):
    """`tokens` of prompt and `max_tokens` of answer are more than the `context` holds."""

    reason = "CONTEXT_LENGTH_EXCEEDED"

    def __init__(self, tokens: int, context: int, max_tokens: int = 0) -> None:
        super().__init__(
            f"This model's maximum context length is {context} tokens, however you requested "
            f"{tokens + max_tokens} tokens ({tokens} in your prompt; {max_tokens} for the "
            "completion). Please reduce your prompt or the completion length."
        )
        self.tokens = tokens
        self.context = context
        self.max_tokens = max_tokens


class AdapterInvalid(EngineError):
    """The adapter cannot be used with this base."""

    reason = "ADAPTER_INVALID"

    def __init__(self, adapter: str, message: str) -> None:
        super().__init__(f"adapter {adapter}: {message}")
        self.adapter = adapter
        self.message = message


class EngineBusy(EngineError):
    """More is waiting than the engine takes; nothing was started."""

    reason = "ENGINE_BUSY"

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The engine is busy; try again in {retry_after:.0f} s.")
        self.retry_after = retry_after


class EngineUnavailable(EngineError):
    """The engine ended before it answered, or did not start."""

    reason = "ENGINE_UNAVAILABLE"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class AdapterRef:
    """A LoRA adapter: an opaque id, its folder in peft's layout, and what its weights hash to.

    `digest` is `sha256:<hex>` of `adapter_model.safetensors`; empty means: do not check.
    """

    id: str
    path: str
    digest: str = ""


@dataclass(frozen=True)
class ChatMessage:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class CompletionRequest:
    """Prompts to go on from (text or token ids), or messages to answer; never both.

    `max_tokens` None means: up to the end of the context. `best_of` None means `n`. `logprobs` None
    means none, 0 the chosen token's only. The result of a seed depends on seed, prompt, model and
    number of the choice, not on what else is asked in the same request or at the same time.
    """

    prompts: tuple[str | tuple[int, ...], ...] = ()
    messages: tuple[ChatMessage, ...] = ()
    max_tokens: int | None = 16
    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 1
    best_of: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    echo: bool = False
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None

    @property
    def candidates(self) -> int:
        """How many answers to one prompt are made."""
        return self.n if self.best_of is None else self.best_of

    @property
    def rows(self) -> int:
        """How many answers are made in all."""
        return self.candidates * (len(self.prompts) or 1)

    def most_tokens(self, context: int) -> int:
        """Tokens of prompts and answers at most: what a rate limit sets aside.

        A prompt's tokens are not known before it is tokenised; a token has at least a character.
        No row has more than the model's context, so one too large is not counted beyond that.
        """
        prompts = [len(prompt) for prompt in self.prompts] or [
            sum(len(message.content) for message in self.messages)
        ]
        answer = context if self.max_tokens is None else max(self.max_tokens, 0)
        return sum(min(context, size + self.candidates * answer) for size in prompts)

    def check(self, *, stream: bool = False) -> None:
        """Raise InvalidSampling for the first field that is out of its range."""
        for name, wrong, message in self._faults(stream):
            if wrong:
                raise InvalidSampling(name, message)

    def _faults(self, stream: bool) -> tuple[tuple[str, bool, str], ...]:
        chat = bool(self.messages)
        most_logprobs = MAX_CHAT_LOGPROBS if chat else MAX_LOGPROBS
        # Written as `not (a <= x <= b)`, so that NaN is out of every range.
        return (
            ("prompt", not chat and not self.prompts, "at least one prompt is needed"),
            ("prompt", chat and bool(self.prompts), "either a prompt or messages, not both"),
            ("echo", chat and self.echo, "a conversation cannot be echoed"),
            (
                "max_tokens",
                self.max_tokens is not None and self.max_tokens < 0,
                "must be at least 0",
            ),
            ("temperature", not 0 <= self.temperature <= 2, "must be between 0 and 2"),
            ("top_p", not 0 <= self.top_p <= 1, "must be between 0 and 1"),
            ("n", not 1 <= self.n <= MAX_CHOICES, f"must be between 1 and {MAX_CHOICES}"),
            ("best_of", self.candidates < self.n, "must be at least n"),
            (
                "best_of",
                self.candidates > max(self.n, MAX_BEST_OF),
                f"must be at most {MAX_BEST_OF}",
            ),
            ("best_of", stream and self.candidates > self.n, "cannot be more than n in a stream"),
            ("prompt", self.rows > MAX_ROWS, f"at most {MAX_ROWS} answers a request"),
            ("stop", len(self.stop) > MAX_STOPS, f"at most {MAX_STOPS} strings"),
            ("stop", "" in self.stop, "must not be empty strings"),
            (
                "logprobs",
                self.logprobs is not None and not 0 <= self.logprobs <= most_logprobs,
                f"must be between 0 and {most_logprobs}",
            ),
            ("presence_penalty", not -2 <= self.presence_penalty <= 2, "must be between -2 and 2"),
            (
                "frequency_penalty",
                not -2 <= self.frequency_penalty <= 2,
                "must be between -2 and 2",
            ),
            (
                "logit_bias",
                not all(-100 <= bias <= 100 for bias in self.logit_bias.values()),
                "values must be between -100 and 100",
            ),
            ("logit_bias", any(token < 0 for token in self.logit_bias), "keys must be token ids"),
            ("seed", self.seed is not None and not -(2**63) <= self.seed < 2**63, "must be 64 bit"),
        )


@dataclass(frozen=True)
class Logprobs:
    """Of each token: its name, id, natural log of its probability, the likeliest, and its place.

    Names of tokens that are not text by themselves read `bytes:\\xe2\\x80`. Log-probabilities are
    the model's own, before temperature, penalties and bias. A prompt's first token has None.
    `top_logprobs` are likeliest first, with the chosen token last if it is not among them.
    `text_offset` counts characters from the start of the prompt.
    """

    tokens: tuple[str, ...] = ()
    token_ids: tuple[int, ...] = ()
    token_logprobs: tuple[float | None, ...] = ()
    top_logprobs: tuple[tuple[tuple[str, float], ...] | None, ...] = ()
    text_offset: tuple[int, ...] = ()


@dataclass(frozen=True)
class TokenUsage:
    """Tokens worked on: each prompt once, and all that were generated, of `best_of` too.

    A generated end token counts, as in vLLM, though it is not part of the text.
    """

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Choice:
    """One answer; `index` runs over prompts, then over the answers to one prompt.

    `finish_reason` is `stop` (an end token or a stop string) or `length`.
    """

    index: int
    text: str
    finish_reason: str
    logprobs: Logprobs | None = None


@dataclass(frozen=True)
class Completion:
    """All answers to a request, by index."""

    choices: tuple[Choice, ...]
    usage: TokenUsage


@dataclass(frozen=True)
class CompletionDelta:
    """The next piece of one answer.

    The texts of an index put together are the text of its Choice, and so are the logprobs. The last
    piece of an index has a `finish_reason`; the last piece of all has the `usage`.
    """

    index: int
    text: str
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    usage: TokenUsage | None = None
