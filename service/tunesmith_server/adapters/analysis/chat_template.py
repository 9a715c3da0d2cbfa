"""Rendering conversations by a base's own template, as training does, without its libraries.

A template comes with the weights and is as trustworthy as those: it runs in jinja's sandbox.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tunesmith.dataset_rules.shapes import Chat


class TemplateUnsuitable(Exception):
    """The template does not let assistant turns be told from the rest, or there is none."""


class ChatTemplate:
    """A template with the special tokens that it may name."""

    def __init__(self, source: str, special: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateUnsuitable(f"the chat template cannot be read: {error}") from error
        self._special = dict(special)

    def turns(self, chat: Chat) -> Iterable[tuple[str, bool]]:
        """The rendered conversation cut into texts, each with whether it is learnt.

        What the template renders up to and with an assistant's header is given; the rest of the
        turn, up to its end-of-turn token, is learnt. See `tunesmith_trainer.examples`.
        """
        end_of_turn = self._special.get("eos_token", "")
        done = ""
        for index, message in enumerate(chat.messages):
            if message.role != "assistant":
                continue
            given = self._rendered(chat.messages[:index], header=True)
            whole = self._rendered(chat.messages[: index + 1], header=False)
            if not (given.startswith(done) and whole.startswith(given)):
                raise TemplateUnsuitable("the chat template rewrites earlier turns")
            yield given[len(done) :], False
            answer = whole[len(given) :]
            end = answer.rfind(end_of_turn) if end_of_turn else -1
            answer = answer if end < 0 else answer[: end + len(end_of_turn)]
            yield answer, message.weight != 0
            done = given + answer

    def _rendered(self, messages: Sequence[Any], *, header: bool) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(
                messages=turns,
                tools=None,
                documents=None,
                add_generation_prompt=header,
                **self._special,
            )
        except jinja2.TemplateError as error:
            raise TemplateUnsuitable(
                f"the chat template refuses a conversation: {error}"
            ) from error


class _Generation(Extension):
    """`{% generation %}` marks what is learnt for other trainers; here it is only passed over."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        """The body as it is."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _refuse(message: str) -> str:
    raise jinja2.TemplateError(message)
