"""How long the texts are, in bytes of UTF-8."""

from collections.abc import Sequence
from dataclasses import replace

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.shapes import Example, PromptCompletion, utf8_length
from tunesmith.dataset_rules.statistics import Statistics


class _Sizes(Check):
    """What is added up of examples of any shape."""

    def __init__(self) -> None:
        self._prompts = 0
        self._completions = 0
        self._longest = 0
        self._messages = 0

    def measured(self, figures: Statistics) -> Statistics:
        """With the bytes, and the messages of conversations."""
        return replace(
            figures,
            prompt_bytes=self._prompts,
            completion_bytes=self._completions,
            longest_example_bytes=self._longest,
            message_count=self._messages,
        )


class TextSizes(_Sizes):
    """Adds up the prompts and completions."""

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Add their sizes."""
        for row in examples:
            assert isinstance(row, PromptCompletion)
            prompt, completion = utf8_length(row.prompt), utf8_length(row.completion)
            self._prompts += prompt
            self._completions += completion
            if prompt + completion > self._longest:
                self._longest = prompt + completion


class ConversationSizes(_Sizes):
    """Adds up the messages: what is learnt, and what it is learnt from."""

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Add their sizes."""
        for row in examples:
            assert not isinstance(row, PromptCompletion)
            whole = 0
            for message in row.messages:
                size = utf8_length(message.content)
                whole += size
                if message.role == "assistant" and message.weight != 0:
                    self._completions += size
                else:
                    self._prompts += size
            self._messages += len(row.messages)
            if whole > self._longest:
                self._longest = whole
