"""The text of one answer as its tokens arrive, ended by stop strings."""

from collections.abc import Sequence

from tunesmith_server.adapters.inference.worker.characters import Characters
from tunesmith_server.adapters.inference.worker.vocabulary import Vocabulary


class AnswerText:
    """Grows by tokens; what may yet turn out to be a stop string is not released.

    A token belongs to the answer when its first character does.
    """

    def __init__(self, vocabulary: Vocabulary, stops: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._characters = Characters()
        self._stopped = False
        self._ended = False
        self._released = 0
        self._released_tokens = 0
        self.text = ""
        self.starts: list[int] = []

    def push(self, token: int) -> bool:
        """Append a token; True if a stop string is complete, which then is cut off."""
        start, text = self._characters.feed(self._vocabulary.visible(token))
        self.starts.append(start)
        return self._append(text)

    def end(self) -> bool:
        """No token follows: a character that lacks bytes is given up. True as for `push`."""
        self._ended = True
        return self._stopped or self._append(self._characters.end())

    def tokens(self) -> int:
        """How many of the pushed tokens belong to the text."""
        if not self._stopped:
            return len(self.starts)
        return sum(start < len(self.text) for start in self.starts)

    def release(self) -> tuple[str, range]:
        """The text that is safe to show and was not shown before, and the tokens that it brings."""
        if self._ended or self._stopped:
            safe, tokens = len(self.text), self.tokens()
        else:
            safe = len(self.text) - self._held()
            tokens = self._released_tokens
            while tokens < len(self.starts) and self.starts[tokens] < safe:
                tokens += 1
        piece, brought = self.text[self._released : safe], range(self._released_tokens, tokens)
        self._released, self._released_tokens = safe, tokens
        return piece, brought

    def _append(self, text: str) -> bool:
        # A stop string that ends in the new text starts at most its length before it.
        begin = max(0, len(self.text) - self._longest + 1)
        self.text += text
        found = [at for stop in self._stops if (at := self.text.find(stop, begin)) >= 0]
        if found:
            self.text = self.text[: min(found)]
            self._stopped = True
        return self._stopped

    def _held(self) -> int:
        """The length of the longest end of the text that begins a stop string."""
        for length in range(min(self._longest - 1, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self._stops):
                return length
        return 0
