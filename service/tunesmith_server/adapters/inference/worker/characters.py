"""Bytes of tokens to characters, as they come."""

import codecs


class Characters:
    """Counts and decodes; bytes that begin a character wait for the rest of it."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.length = 0

    def feed(self, content: bytes) -> tuple[int, str]:
        """At which character these bytes start, and the text that is complete with them."""
        waiting, _ = self._decoder.getstate()
        start = self.length
        if waiting and content and not 0x80 <= content[0] < 0xC0:
            start += 1  # what waits gets no more bytes: it becomes a replacement character
        return start, self._counted(self._decoder.decode(content))

    def end(self) -> str:
        """What is left: a replacement character, if bytes still wait."""
        return self._counted(self._decoder.decode(b"", final=True))

    def _counted(self, text: str) -> str:
        self.length += len(text)
        return text
