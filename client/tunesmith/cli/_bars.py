"""Quotas for people: bars on a terminal, plain columns in a pipe."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from tunesmith._resources.limits import key
from tunesmith.cli._moments import until
from tunesmith.cli._output import listing
from tunesmith.cli._quantities import UNLIMITED, exactly, rank, roughly
from tunesmith.cli._text import last, when
from tunesmith.v1 import common_pb2

_WIDE, _NARROW, _ROOM = 20, 10, 110
# from which share of the limit on
_COLOURS = ((0.9, "red"), (0.7, "yellow"), (0.0, "green"))
Column = Callable[[common_pb2.QuotaEffect], object]


def usage(console: Console, effects: Iterable[common_pb2.QuotaEffect]) -> None:
    """Write how much of each limit is used: with bars on a terminal."""
    effects = ordered(effects)
    if not console.is_terminal:
        listing(console, list(QUOTA_COLUMNS), _rows(effects, QUOTA_COLUMNS))
        return
    columns: dict[str, Column] = {
        "dimension": _dimension,
        **_drawn(console),
        "share": _share,
        "used": lambda e: roughly(e.dimension, e.used),
        "limit": lambda e: limit(e, roughly),
        "reserved": lambda e: roughly(e.dimension, e.reserved) if e.reserved else "",
        "resets": lambda e: until(e.reset_time) if e.HasField("reset_time") else "",
        "limit of": scope,
    }
    listing(console, list(columns), _rows(effects, columns))
    drawn = _characters(console)
    console.print(f" {drawn[0]} used  {drawn[1]} reserved", style="dim")


def effects_of_a_wish(console: Console, effects: Iterable[common_pb2.QuotaEffect]) -> None:
    """Write what a wish would add to each limit, and whether it fits.

    What it neither adds to nor is limited is left out: documents have it.
    """
    concerned = [effect for effect in effects if effect.requested or effect.HasField("limit")]
    columns: dict[str, Column] = {
        "dimension": _dimension,
        **(_drawn(console) if console.is_terminal else {}),
        "fits": _fits,
        "this": lambda e: f"+{roughly(e.dimension, e.requested)}",
        "taken": lambda e: roughly(e.dimension, e.used + e.reserved),
        "limit": lambda e: limit(e, roughly),
        "resets": lambda e: when(e.reset_time) if e.HasField("reset_time") else "",
        "limit of": scope,
    }
    listing(console, list(columns), _rows(ordered(concerned), columns))
    if console.is_terminal:
        drawn = _characters(console)
        console.print(f" {drawn[0]} used  {drawn[1]} reserved  {drawn[2]} this run", style="dim")


def ordered(effects: Iterable[common_pb2.QuotaEffect]) -> Sequence[common_pb2.QuotaEffect]:
    """As the contract lists the dimensions; a dimension as a whole before its base models."""
    return sorted(effects, key=lambda e: (rank(e.dimension), e.dimension, e.base_model))


def bar(effect: common_pb2.QuotaEffect, width: int, characters: str) -> Text:
    """What is used, reserved and wished for, as parts of the limit; empty without a limit."""
    if not effect.HasField("limit"):
        return Text("")
    text, drawn, taken = Text(no_wrap=True), 0, 0
    for amount, character in zip(
        (effect.used, effect.reserved, effect.requested), characters, strict=False
    ):
        taken += max(0, amount)
        least = drawn + 1 if amount > 0 else drawn  # a little is still something
        upto = min(width, max(least, round(width * _part(taken, effect.limit))))
        text.append(character * (upto - drawn), style=_colour(effect))
        drawn = upto
    text.append(characters[-1] * (width - drawn), style="dim")
    return text


def limit(effect: common_pb2.QuotaEffect, form: Callable[[str, int], str] = exactly) -> str:
    """The limit, or `unlimited`."""
    return form(effect.dimension, effect.limit) if effect.HasField("limit") else UNLIMITED


def scope(effect: common_pb2.QuotaEffect) -> str:
    """Whose limit it is: a tenant's id, or `platform` for the installation's default."""
    return last(effect.scope)


def _rows(
    effects: Iterable[common_pb2.QuotaEffect], columns: Mapping[str, Column]
) -> Sequence[Sequence[object]]:
    return [[of(effect) for of in columns.values()] for effect in effects]


def _drawn(console: Console) -> dict[str, Column]:
    """The column of bars, as wide as there is room for."""
    width = _WIDE if console.width >= _ROOM else _NARROW
    return {" ": lambda effect: bar(effect, width, _characters(console))}


def _characters(console: Console) -> str:
    """What is used, reserved, wished for and left is drawn with."""
    return "#+*-" if console.options.ascii_only else "█▓▒░"


def _dimension(effect: common_pb2.QuotaEffect) -> str:
    return key(effect.dimension, effect.base_model)


QUOTA_COLUMNS: dict[str, Column] = {
    "dimension": _dimension,
    "limit": limit,
    "limit of": scope,
    "used": lambda e: exactly(e.dimension, e.used),
    "reserved": lambda e: exactly(e.dimension, e.reserved),
    "remaining": lambda e: exactly(e.dimension, e.remaining) if e.HasField("remaining") else "",
    "resets": lambda e: when(e.reset_time) if e.HasField("reset_time") else "",
}


def _share(effect: common_pb2.QuotaEffect) -> Text:
    if not effect.HasField("limit"):
        return Text("-")
    share = _part(effect.used + effect.reserved, effect.limit)
    # rounded down: what is not full must not look full
    return Text(f"{math.floor(share * 100)}%", style=_colour(effect))


def _fits(effect: common_pb2.QuotaEffect) -> Text:
    if effect.fits:
        return Text("yes", style="green")
    if effect.never_fits:
        return Text("never", style="bold red")
    return Text("not now", style="bold yellow")


def _part(amount: int, limit: int) -> float:
    """Of nothing allowed, anything is all."""
    return amount / limit if limit else float(amount > 0)


def _colour(effect: common_pb2.QuotaEffect) -> str:
    share = _part(effect.used + effect.reserved + effect.requested, effect.limit)
    return next(colour for least, colour in _COLOURS if share >= least)
