"""The tokenizer that comes with a base's weights, read with the library `tokenizers` alone."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tunesmith.dataset_rules.shapes import Chat

from tunesmith_server.adapters.analysis.chat_template import ChatTemplate, TemplateUnsuitable

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
"""What makes a tokenizer; the first must be there."""
_AT_ONCE = 64
"""Texts; what the library makes of a text is a hundred times as large."""
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")


class HuggingFaceEncoder:
    """The tokenizer in the folder of a base. OSError and ValueError if it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_str((folder / FILES[0]).read_text(encoding="utf-8"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._config = _config(folder)
        self._template: ChatTemplate | None = None

    def encode(self, texts: Sequence[str]) -> Sequence[int]:
        """How many tokens each text is."""
        lengths: list[int] = []
        for start in range(0, len(texts), _AT_ONCE):
            some = list(texts[start : start + _AT_ONCE])
            lengths += map(len, self._tokenizer.encode_batch_fast(some, add_special_tokens=False))
        return lengths

    def ids(self, text: str) -> Sequence[int]:
        """The tokens of one text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def turns(self, chat: Chat) -> Iterable[tuple[str, bool]]:
        """The conversation by the base's template; TemplateUnsuitable."""
        if self._template is None:
            source = self._config.get("chat_template")
            if isinstance(source, list):  # several, by name
                named = {each.get("name"): each.get("template") for each in source}
                source = named.get("default")
            if not isinstance(source, str):
                raise TemplateUnsuitable("the base has no chat template")
            special = {name: _text(self._config.get(name)) for name in _SPECIAL}
            present = {name: text for name, text in special.items() if text}
            self._template = ChatTemplate(source, present)
        return self._template.turns(chat)


def tokenizer_digest(folder: Path) -> str:
    """`sha256:…` over the files that make the tokenizer; FileNotFoundError if there is none."""
    digest = hashlib.sha256()
    for name in FILES:
        path = folder / name
        if name == FILES[0] or path.exists():
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{digest.hexdigest()}"


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            config |= json.loads(path.read_bytes())
    template = folder / "chat_template.jinja"
    if template.exists():
        config["chat_template"] = template.read_text(encoding="utf-8")
    return config


def _text(token: Any) -> str:
    """A special token's text; it may be written as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""
