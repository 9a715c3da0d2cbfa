"""Adding up the lengths of examples, block by block."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from tunesmith.dataset_rules.shapes import Chat, Example, PromptCompletion
from tunesmith.token_counts.count import TokenCount

MAX_LABELS: Final = 50
"""With more distinct completions than this, they are no labels of classes."""
MAX_LABEL_CHARACTERS: Final = 64
"""A longer completion is a text and no label."""
LONGEST_TOLD_APART: Final = 2**17
"""Up to here lengths are exact; above them steps of 1 in 64 bound the memory, rounded up."""
_REMEMBERED: Final = 4096
"""Short texts whose length is kept, since labels come again and again."""
_SHORT: Final = 40
"""Characters; a longer text hardly comes twice."""


class Encoder(Protocol):
    """A tokenizer as training uses it."""

    def encode(self, texts: Sequence[str]) -> Sequence[int]:
        """How many tokens each text is, without any special token."""
        ...

    def ids(self, text: str) -> Sequence[int]:
        """The tokens of one text."""
        ...

    def turns(self, chat: Chat) -> Iterable[tuple[str, bool]]:
        """A conversation as the texts that are encoded one by one, and whether each is learnt."""
        ...


class TokenTally:
    """Counts the tokens of examples with one encoder, or merges what others have counted."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder: Encoder = encoder  # type: ignore[assignment]
        self._examples = 0
        self._empty = 0
        self._lengths: Counter[int] = Counter()
        self._starts: Counter[int] = Counter()
        self._labels: dict[str, tuple[int, ...]] | None = {}
        self._known: dict[str, int] = {}

    def add(self, examples: Sequence[Example]) -> None:
        """Count some examples, all of one shape."""
        if not examples:
            return
        self._examples += len(examples)
        pairs = [row for row in examples if isinstance(row, PromptCompletion)]
        self._add_pairs(pairs)
        for row in examples:
            if isinstance(row, Chat):
                self._labels = None
                self._add_chat(row)

    def merge(self, count: TokenCount) -> None:
        """Add what another tally with the same tokenizer has counted."""
        self._examples += count.example_count
        self._empty += count.empty_count
        for counter, pairs in ((self._lengths, count.lengths), (self._starts, count.starts)):
            for length, times in pairs:
                counter[length] += times
        if self._labels is not None and count.labels is not None:
            self._labels.update(count.labels)
            if len(self._labels) <= MAX_LABELS:
                return
        self._labels = None

    def count(self) -> TokenCount:
        """What was counted so far."""
        return TokenCount(
            example_count=self._examples,
            empty_count=self._empty,
            lengths=tuple(sorted(self._lengths.items())),
            starts=tuple(sorted(self._starts.items())),
            labels=None if self._labels is None else dict(sorted(self._labels.items())),
        )

    def take(self) -> TokenCount:
        """What was counted since the last time; begins again at nothing."""
        count = self.count()
        self._examples = self._empty = 0
        self._lengths, self._starts = Counter(), Counter()
        if self._labels is not None:  # what is no label in one block is none in the whole file
            self._labels = {}
        return count

    def _add_pairs(self, rows: Sequence[PromptCompletion]) -> None:
        completions = [row.completion for row in rows]
        self._note_labels(completions)
        prompts = self._encoder.encode([row.prompt for row in rows])
        for prompt, completion in zip(prompts, self._lengths_of(completions), strict=True):
            if completion:
                # an empty prompt is given one token, to predict the first of the completion from
                self._lengths[_told_apart((prompt or 1) + completion)] += 1
            else:
                self._empty += 1

    def _lengths_of(self, texts: Sequence[str]) -> Sequence[int]:
        """How many tokens each completion is; short ones are encoded once."""
        known = self._known
        unknown = [text for text in texts if len(text) > _SHORT or text not in known]
        if len(unknown) == len(texts):
            found = self._encoder.encode(texts)
            self._remember(texts, found)
            return found
        new = self._encoder.encode(unknown)
        mine = iter(new)
        lengths = [
            next(mine) if len(text) > _SHORT or text not in known else known[text] for text in texts
        ]
        self._remember(unknown, new)
        return lengths

    def _remember(self, texts: Sequence[str], lengths: Sequence[int]) -> None:
        if len(self._known) < _REMEMBERED:
            for text, length in zip(texts, lengths, strict=True):
                if len(text) <= _SHORT:
                    self._known[text] = length

    def _note_labels(self, completions: Sequence[str]) -> None:
        labels = self._labels
        if labels is None:
            return
        for text in set(completions).difference(labels):
            if len(labels) >= MAX_LABELS or len(text) > MAX_LABEL_CHARACTERS:
                self._labels = None
                return
            labels[text] = tuple(self._encoder.ids(text))

    def _add_chat(self, row: Chat) -> None:
        texts, learns = [], []
        for text, is_learnt in self._encoder.turns(row):
            texts.append(text)
            learns.append(is_learnt)
        length = end = 0
        start = -1
        for tokens, is_learnt in zip(self._encoder.encode(texts), learns, strict=True):
            if is_learnt and tokens:
                # nothing predicts the first token of all
                start = max(length, 1) if start < 0 else start
                end = length + tokens
            length += tokens
        if start < 0:
            self._empty += 1
        else:
            # what follows the last turn that is learnt is not trained on
            self._lengths[_told_apart(end)] += 1
            self._starts[_told_apart(start)] += 1


def _told_apart(length: int) -> int:
    """The length, or the next step above it where lengths are not told apart any more."""
    if length <= LONGEST_TOLD_APART:
        return length
    step = 1 << (length.bit_length() - 7)
    return -(-length // step) * step
