"""What tokens stand for: bytes of text, and a name to show.

Text is put together from bytes, not by decoding token lists: so a character spread over several
tokens appears whole, and each token is looked at once.
"""

from collections.abc import Sequence
from typing import Any

from tunesmith_server.adapters.inference.worker.characters import Characters


class Vocabulary:
    """The tokens of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        decoder = tokenizer.backend_tokenizer.decoder
        state = "" if decoder is None else decoder.__getstate__().decode()
        self._byte_level = '"ByteLevel"' in state
        self._metaspace = "\u2581" in state or "\\u2581" in state
        self._byte_of = {char: byte for byte, char in _byte_alphabet().items()}
        self._added = tokenizer.added_tokens_decoder
        self._known: dict[int, bytes] = {}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without special tokens around it, as the trainer does it."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def content(self, token: int) -> bytes:
        """The bytes of a token; of a special token, its name's."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._content(token)
        return known

    def visible(self, token: int) -> bytes:
        """The bytes that a token adds to an answer: none, if it is a special token."""
        added = self._added.get(token)
        return b"" if added is not None and added.special else self.content(token)

    def name(self, token: int) -> str:
        r"""The token as text, or as `bytes:\xe2\x80` if it is not text by itself."""
        content = self.content(token)
        try:
            return content.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones by name."""
        return b"".join(map(self.content, tokens)).decode(errors="replace")

    def offsets(self, tokens: Sequence[int]) -> list[int]:
        """At which character of `text(tokens)` each token starts."""
        characters = Characters()
        return [characters.feed(self.content(token))[0] for token in tokens]

    def _content(self, token: int) -> bytes:
        added = self._added.get(token)
        if added is not None:
            return str(added.content).encode()
        piece = self._tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # a row of the output layer that no token has
            return b""
        if self._byte_level:
            return bytes(self._byte_of[char] for char in piece)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        if self._metaspace:
            return str(piece).replace("\u2581", " ").encode()
        return str(self._tokenizer.decode([token])).encode()


def _byte_alphabet() -> dict[int, str]:
    """The printable characters that byte-level BPE writes for the 256 bytes (GPT-2's table)."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in kept}
    others = [byte for byte in range(256) if byte not in table]
    return table | {byte: chr(256 + place) for place, byte in enumerate(others)}
