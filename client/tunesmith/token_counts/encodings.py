"""OpenAI's encodings without a network: `tiktoken` with vocabularies that ship here.

r50k_base is ada to davinci, p50k_base text-davinci-003, cl100k_base GPT-3.5 and GPT-4, o200k_base
GPT-4o and later. The files are those that `tiktoken` fetches; its own hashes are checked before it
sees them. r50k_base is p50k_base without the tokens for runs of blanks that were added later.
"""

import hashlib
import lzma
import os
import tempfile
import threading
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tunesmith.dataset_rules.shapes import Chat

ENCODINGS: Final = MappingProxyType(
    {
        "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    }
)
"""The encodings, and the sha256 of the vocabulary of each."""
_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
"""What tiktoken calls a vocabulary; the name in its cache is the sha1 of it."""
_R50K_TOKENS = 50_256
_LOADING = threading.Lock()


class EncodingMissing(Exception):
    """The encoding cannot be loaded; the message says what to install."""


class TiktokenEncoder:
    """An encoding as an `Encoder`. Conversations are counted as OpenAI documents it."""

    def __init__(self, encoding: Any) -> None:
        self._encode = encoding.encode_ordinary

    def encode(self, texts: Sequence[str]) -> Sequence[int]:
        """How many tokens each text is."""
        return [len(tokens) for tokens in map(self._encode, texts)]

    def ids(self, text: str) -> Sequence[int]:
        """The tokens of one text."""
        ids: list[int] = self._encode(text)
        return ids

    def turns(self, chat: Chat) -> Iterable[tuple[str, bool]]:
        """Each message with its role and three tokens around it, as OpenAI's cookbook counts.

        Three more begin the answer. These marks are no text; a text of one token stands for each.
        """
        yield from ((_MARK, False),) * 3
        for message in chat.messages:
            is_learnt = message.role == "assistant" and message.weight != 0
            yield _MARK, False
            yield _MARK, False
            yield message.role, False
            yield message.content, is_learnt
            yield _MARK, is_learnt


_MARK = "\n"
"""One token in every encoding."""


def load_encoding(name: str) -> TiktokenEncoder:
    """The encoder of that name; EncodingMissing if it is unknown, or tiktoken is not installed."""
    if name not in ENCODINGS:
        raise EncodingMissing(f"there is no encoding {name!r}; there are {', '.join(ENCODINGS)}")
    try:
        import tiktoken
    except ImportError:
        raise EncodingMissing(
            'counting tokens needs the package tiktoken: pip install "tunesmith[tokens]"'
        ) from None
    content = vocabulary(name)
    with _LOADING, tempfile.TemporaryDirectory(prefix="tunesmith-") as cache:
        Path(cache, hashlib.sha1(_URL.format(name).encode()).hexdigest()).write_bytes(content)
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = cache
        try:
            return TiktokenEncoder(tiktoken.get_encoding(name))
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def vocabulary(name: str) -> bytes:
    """The vocabulary in tiktoken's own format; EncodingMissing if what ships here is damaged."""
    stored = "p50k_base" if name == "r50k_base" else name
    place = resources.files(__package__) / "vocabularies" / f"{stored}.tiktoken.xz"
    try:
        content = lzma.decompress(place.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise EncodingMissing(f"the vocabulary of {name} cannot be read: {error}") from error
    if name == "r50k_base":
        lines = content.splitlines(keepends=True)
        content = b"".join(line for line in lines if int(line.split()[1]) < _R50K_TOKENS)
    if hashlib.sha256(content).hexdigest() != ENCODINGS[name]:
        raise EncodingMissing(f"the vocabulary of {name} is not the one that tiktoken expects")
    return content
