"""Figures about the sound examples of a dataset, gathered while the rows go by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tunesmith.dataset_rules.shapes import Chat, Example, PromptCompletion, utf8_length

MAX_CLASSES: Final = 50
"""With more distinct completions than this, a dataset is no classification."""
MAX_CLASS_CHARACTERS: Final = 64
"""A longer completion is a text and no label."""
MAX_REMEMBERED: Final = 500_000
"""Distinct examples that are compared with the later ones: some 40 MB."""


@dataclass(frozen=True)
class Statistics:
    """Figures about the sound examples. Bytes are those of the texts in UTF-8."""

    prompt_bytes: int = 0
    """Of the prompts; of a conversation, all messages that are not learnt."""
    completion_bytes: int = 0
    """Of what is learnt: the completions, or the assistant messages of a weight other than 0."""
    longest_example_bytes: int = 0
    """Of the longest example, prompt and completion together."""
    message_count: int = 0
    """Messages in all conversations: a chat template adds some tokens to each; 0 without chat."""
    class_counts: Mapping[str, int] | None = None
    """How often each completion occurs, most frequent first, if these look like class labels:
    at most 50 distinct ones of at most 64 characters. None for conversations."""


class Tally:
    """Adds up the statistics, one example after the other."""

    def __init__(self) -> None:
        self.example_count = 0
        self.prompt_bytes = 0
        self.completion_bytes = 0
        self.longest = 0
        self.message_count = 0
        self.classes: Counter[str] | None = Counter()
        self.empty_prompts = 0

    def add(self, example: Example) -> None:
        """Count one sound example, but not its label."""
        if isinstance(example, PromptCompletion):
            self._add_prompt_completion(example)
        else:
            self._add_chat(example)

    def statistics(self) -> Statistics:
        """The figures so far."""
        classes = sorted(self.classes.items(), key=lambda c: (-c[1], c[0])) if self.classes else ()
        return Statistics(
            prompt_bytes=self.prompt_bytes,
            completion_bytes=self.completion_bytes,
            longest_example_bytes=self.longest,
            message_count=self.message_count,
            class_counts=dict(classes) or None,
        )

    def _add_prompt_completion(self, row: PromptCompletion) -> None:
        prompt, completion = utf8_length(row.prompt), utf8_length(row.completion)
        self.example_count += 1
        self.prompt_bytes += prompt
        self.completion_bytes += completion
        self.longest = max(self.longest, prompt + completion)
        self.empty_prompts += not prompt

    def _add_chat(self, row: Chat) -> None:
        prompt = completion = 0
        for message in row.messages:
            if message.role == "assistant" and message.weight != 0:
                completion += utf8_length(message.content)
            else:
                prompt += utf8_length(message.content)
        self.add_chat(row, prompt, completion)

    def add_chat(self, row: Chat, prompt_bytes: int, completion_bytes: int) -> None:
        """Count a conversation that is measured already."""
        self.example_count += 1
        self.prompt_bytes += prompt_bytes
        self.completion_bytes += completion_bytes
        if prompt_bytes + completion_bytes > self.longest:
            self.longest = prompt_bytes + completion_bytes
        self.message_count += len(row.messages)
        self.classes = None

    def count_classes(self, examples: Sequence[Example]) -> None:
        """Count completions as labels, and give up on labels when they cannot be any."""
        if self.classes is None or not examples:
            return
        labels = [row.completion for row in examples if isinstance(row, PromptCompletion)]
        self.classes.update(labels)
        if len(self.classes) > MAX_CLASSES or max(map(len, labels)) > MAX_CLASS_CHARACTERS:
            self.classes = None


class Repeats:
    """Finds examples that came before.

    Remembers a 64-bit fingerprint of each, for the first 500,000 distinct ones; later examples are
    still compared with those. The fingerprints are Python's own and differ from process to process;
    which of them are equal does not.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first_line = 0
        self.full = False
        """Whether there were more distinct examples than are remembered."""
        self._seen: set[int] = set()

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Compare a batch of examples, and the lines they stand on, with those before."""
        prints = list(map(hash, examples))
        if len(self._seen) + len(prints) > MAX_REMEMBERED:
            repeated = self._add_singly(prints)
        elif self._seen.isdisjoint(prints):
            before = len(self._seen)
            self._seen.update(prints)
            if len(self._seen) - before == len(prints):
                return
            repeated = _indices_of_repeats(prints, set(prints))
        else:
            unseen = set(prints) - self._seen
            self._seen |= unseen
            repeated = _indices_of_repeats(prints, unseen)
        self.count += len(repeated)
        if repeated and not self.first_line:
            self.first_line = numbers[repeated[0]]

    def _add_singly(self, prints: Sequence[int]) -> list[int]:
        """One by one: what is remembered must not depend on the sizes of the batches."""
        repeated: list[int] = []
        for index, mark in enumerate(prints):
            if mark in self._seen:
                repeated.append(index)
            elif len(self._seen) < MAX_REMEMBERED:
                self._seen.add(mark)
            else:
                self.full = True
        return repeated


def _indices_of_repeats(prints: Sequence[int], unseen: set[int]) -> list[int]:
    """Where in `prints` stands a mark that is not `unseen`, or no more; empties `unseen`."""
    repeated: list[int] = []
    for index, mark in enumerate(prints):
        if mark in unseen:
            unseen.discard(mark)
        else:
            repeated.append(index)
    return repeated
