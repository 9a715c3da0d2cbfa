"""Bars for people on a terminal."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tunesmith.cli._text import plain

_WIDE = 40
_MOST_CLASSES = 20
_LONGEST_NAME = 30


def histogram(console: Console, bars: Sequence[tuple[int, int, int]]) -> None:
    """Write a bar for each range of lengths: (from, below, how many)."""
    _draw(console, [(f"{low:,} – {below - 1:,}", count) for low, below, count in bars], left=False)


def classes(console: Console, counts: Mapping[str, int]) -> None:
    """Write a bar for each class, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    rows = [(_name(name), count) for name, count in ordered[:_MOST_CLASSES]]
    _draw(console, rows, left=True)
    if (more := len(ordered) - _MOST_CLASSES) > 0:
        console.print(f"… and {more:,} more", style="dim")


def _name(name: str) -> str:
    """A class as it can be told from others: a leading blank belongs to it."""
    shown = plain(name).replace("\n", "\\n").replace("\t", "\\t")
    return f"“{shown[: _LONGEST_NAME - 1]}…”" if len(shown) > _LONGEST_NAME else f"“{shown}”"


def _draw(console: Console, rows: Sequence[tuple[str, int]], *, left: bool) -> None:
    most = max((count for _, count in rows), default=0)
    block = "#" if console.options.ascii_only else "█"
    room = max((cell_len(words) for words, _ in rows), default=0)
    figures = max((len(f"{count:,}") for _, count in rows), default=0)
    wide = _WIDE
    if console.is_terminal:
        wide = max(5, min(_WIDE, console.width - room - figures - 4))
    for words, count in rows:
        drawn = block * max(round(wide * count / most), 1 if count else 0)
        padding = " " * (room - cell_len(words))
        line = Text(f"{words}{padding}  " if left else f"{padding}{words}  ")
        console.print(line.append(drawn, style="cyan").append(f" {count:,}"), soft_wrap=True)
