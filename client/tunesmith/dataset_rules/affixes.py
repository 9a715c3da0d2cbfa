"""What all texts of a column begin and end with, and how much of that may be cut off."""

from collections.abc import Collection


def shared_prefix(prefix: str | None, texts: Collection[str]) -> str | None:
    """The longest text that `prefix` and all `texts` begin with; None stands for no text yet."""
    if prefix is None:
        prefix = next(iter(texts), None)
    if not prefix:
        return prefix
    known = prefix
    for text in [text for text in texts if not text.startswith(known)]:
        if not prefix:
            break
        if not text.startswith(prefix):
            prefix = _common(prefix, text)
    return prefix


def shared_suffix(suffix: str | None, texts: Collection[str]) -> str | None:
    """The longest text that `suffix` and all `texts` end with; None stands for no text yet."""
    if suffix is None:
        suffix = next(iter(texts), None)
    if not suffix:
        return suffix
    known = suffix
    for text in [text for text in texts if not text.endswith(known)]:
        if not suffix:
            break
        if not text.endswith(suffix):
            suffix = _common(suffix[::-1], text[: -len(suffix) - 1 : -1])[::-1]
    return suffix


def whole_words(prefix: str) -> str:
    """`prefix` without the part of a word at its end: the rest of that word may be the data.

    Of ` Order 1000` and ` Order 1001` the prefix is ` Order 100`, and what may go is ` Order `.
    """
    end = len(prefix)
    while end and (prefix[end - 1].isalnum() or prefix[end - 1] == "_"):
        end -= 1
    return prefix[:end]


def whole_words_at_end(suffix: str) -> str:
    """`suffix` without the part of a word at its beginning.

    Of ` positive END` and ` negative END` the suffix is `tive END`, and what marks an end ` END`.
    """
    start = 0
    while start < len(suffix) and (suffix[start].isalnum() or suffix[start] == "_"):
        start += 1
    return suffix[start:]


def _common(one: str, other: str) -> str:
    """The common beginning of two texts, by halving: C compares, not Python."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low]
