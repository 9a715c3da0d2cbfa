"""From records to tokens: what the model sees and which of it is learnt.

Prompt and completion are tokenised apart and joined, without special tokens, as the legacy API
did: inference gets the prompt alone, and the first completion token (" positive") must be the same
token there as here.

**No end-of-text token is appended to a completion.** The legacy contract is that completions teach
their own stop sequence ("\\n", " END"), given again as `stop` at inference; appending a token
would change the tokens billed and planned, and lift the token accuracy of one-token labels by a
trivial second token. `common_stop` finds that sequence, and `contract.json` carries it, so that
serving can apply it without being told. Chat examples end their turns with the template's own
end-of-turn token, which is learnt.

An empty prompt becomes the one token BOS (or EOS), because the first completion token must be
predicted from something.

Too long for `max_sequence_length`: of a prompt the *beginning* goes, since its end carries the
separator that the completion answers to; of a conversation the end goes. Both are counted and
reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tunesmith_trainer.failures import BadBaseModel, BadData
from tunesmith_trainer.records import Chat, Completion, Message, Record


class Tokenizer(Protocol):
    """What is asked of a transformers tokenizer."""

    bos_token_id: int | None
    eos_token_id: int | None
    eos_token: str | None
    chat_template: str | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...  # noqa: D102

    def apply_chat_template(  # noqa: D102
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Example:
    """One training example.

    `tokens`: prompt and completion (or the whole conversation). `learnt`: half-open ranges of
    positions in `tokens` that are completion, ascending; everything else is prompt. No range
    starts at 0, as nothing predicts the first token.
    """

    tokens: list[int]
    learnt: list[tuple[int, int]]

    def weights(self, prompt_weight: float) -> list[float]:
        """The loss weights: 1 in completions, `prompt_weight` else, 0 for the first token."""
        weights = [prompt_weight] * len(self.tokens)
        weights[0] = 0.0
        for start, end in self.learnt:
            weights[start:end] = [1.0] * (end - start)
        return weights


@dataclass(slots=True)
class Encoded:
    """The examples of one file in its order, and what length did to them."""

    examples: list[Example] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    truncated: int = 0
    dropped: int = 0


def encode_records(records: Sequence[Record], tokenizer: Tokenizer, *, limit: int) -> Encoded:
    """The examples of `records`, each at most `limit` tokens long.

    An example with nothing to learn (an empty completion; a conversation whose assistant turns
    all lie behind the limit) is dropped and counted. BadData if none is left.
    """
    encoded = Encoded()
    for record in records:
        if isinstance(record, Completion):
            example, truncated = _completion(record, tokenizer, limit)
        else:
            assert isinstance(record, Chat)  # pairs are another matter: see preferences.py
            example, truncated = conversation(record, tokenizer, limit)
        if example is None:
            encoded.dropped += 1
            continue
        encoded.truncated += truncated
        encoded.examples.append(example)
        encoded.records.append(record)
    if not encoded.examples:
        raise BadData(
            "No example has anything to learn: every completion is empty or too long.",
            advice="Give each example a completion, or raise max_sequence_length.",
        )
    return encoded


def _completion(
    record: Completion, tokenizer: Tokenizer, limit: int
) -> tuple[Example | None, bool]:
    prompt = tokenizer.encode(record.prompt, add_special_tokens=False)
    completion = tokenizer.encode(record.completion, add_special_tokens=False)
    if not completion:
        return None, False
    prompt = prompt or [_start_of_text(tokenizer)]
    kept_completion = completion[: limit - 1]
    room = limit - len(kept_completion)
    kept_prompt = prompt[-room:]
    truncated = len(kept_prompt) + len(kept_completion) < len(prompt) + len(completion)
    tokens = kept_prompt + kept_completion
    return Example(tokens, [(len(kept_prompt), len(tokens))]), truncated


def _start_of_text(tokenizer: Tokenizer) -> int:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    raise BadBaseModel("The base's tokenizer has neither a BOS nor an EOS token for empty prompts.")


def conversation(record: Chat, tokenizer: Tokenizer, limit: int) -> tuple[Example | None, bool]:
    """The example of a conversation, and whether it was cut; None if nothing is left to learn."""
    tokens: list[int] = []
    learnt: list[tuple[int, int]] = []
    for text, is_learnt in _turns(record, tokenizer):
        start = len(tokens)
        tokens += tokenizer.encode(text, add_special_tokens=False)
        if is_learnt and len(tokens) > start:
            learnt.append((max(start, 1), len(tokens)))
    # What follows the last turn that is learnt teaches nothing, and costs.
    tokens = tokens[: learnt[-1][1]] if learnt else []
    truncated = len(tokens) > limit
    tokens = tokens[:limit]
    learnt = [(start, min(end, limit)) for start, end in learnt if start < limit]
    return (Example(tokens, learnt) if learnt else None), truncated


def _turns(record: Chat, tokenizer: Tokenizer) -> Iterable[tuple[str, bool]]:
    """The rendered conversation cut into (text, whether it is learnt), in order.

    The cuts are where inference would begin to generate: what the template renders up to and with
    the assistant's header is given, the rest of the turn up to its end-of-turn token is learnt.
    """
    done = ""
    for index, message in enumerate(record.messages):
        if message.role != "assistant":
            continue
        given = _rendered(record.messages[:index], tokenizer, header=True)
        whole = _rendered(record.messages[: index + 1], tokenizer, header=False)
        if not (given.startswith(done) and whole.startswith(given)):
            raise BadBaseModel(
                "The base's chat template rewrites earlier turns, so that assistant turns cannot be"
                " told from the rest.",
                advice="Train on one assistant turn per example, the last.",
            )
        yield given[len(done) :], False
        answer = whole[len(given) :]
        # Templates put a newline behind the end-of-turn token; generation has stopped before it.
        end = answer.rfind(tokenizer.eos_token) if tokenizer.eos_token else -1
        cut = len(answer) if end < 0 else end + len(tokenizer.eos_token or "")
        yield answer[:cut], message.weight > 0
        done = given + answer[:cut]


def _rendered(messages: Sequence[Message], tokenizer: Tokenizer, *, header: bool) -> str:
    if not tokenizer.chat_template:
        raise BadBaseModel(
            "The base's tokenizer has no chat template, so that conversations cannot be rendered.",
            advice="Use a base that was made for chat, or train on prompts and completions.",
        )
    turns = [{"role": message.role, "content": message.content} for message in messages]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=header)
    return str(rendered)


def common_stop(examples: Sequence[Example]) -> list[int] | None:
    """The token sequence that every completion ends with and none has before its end.

    The longest such sequence that is shorter than the shortest completion; None if there is none.
    It is the stop sequence that the old guide tells people to put behind their completions.
    """
    completions = [
        example.tokens[slice(*example.learnt[-1])] for example in examples if example.learnt
    ]
    first = completions[0]
    length = min(len(completion) for completion in completions) - 1
    while length > 0 and any(tokens[-length:] != first[-length:] for tokens in completions):
        length -= 1
    if length == 0:
        return None
    stop = first[-length:]
    for tokens in completions:
        body = tokens[:-length]
        if any(body[at : at + length] == stop for at in range(len(body) - length + 1)):
            return None
    return stop
