"""Figures about the sound examples of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass


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
