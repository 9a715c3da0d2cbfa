"""What quotas are counted in: read from people, and written for them."""

import difflib
import re
from decimal import Decimal
from enum import Enum

from tunesmith.cli._text import size
from tunesmith.v1 import common_pb2

INHERIT = "inherit"
UNLIMITED = "unlimited"


class Unit(Enum):
    """What a dimension counts."""

    COUNT = "a whole number, such as 20 or 5k"
    TOKENS = "tokens, such as 200000, 200k or 5M"
    BYTES = "bytes, such as 500MB or 10GiB"
    MONEY = "an amount of the installation's currency, such as 12.50"


DIMENSIONS = {
    "fine_tunes_running": Unit.COUNT,
    "fine_tunes_queued": Unit.COUNT,
    "fine_tunes_created_per_day": Unit.COUNT,
    "trained_tokens_per_job": Unit.TOKENS,
    "trained_tokens_per_month": Unit.TOKENS,
    "cost_per_job": Unit.MONEY,
    "cost_per_month": Unit.MONEY,
    "datasets": Unit.COUNT,
    "dataset_bytes": Unit.BYTES,
    "models": Unit.COUNT,
    "checkpoint_bytes": Unit.BYTES,
    "watches": Unit.COUNT,
    "requests_per_minute": Unit.COUNT,
    "inference_tokens_per_minute": Unit.TOKENS,
}
_OF_A_BASE = ("fine_tunes_", "trained_tokens_", "cost_")
_THOUSANDS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_BYTES = {"": 1, "b": 1} | {
    letter + ending: factor**power
    for power, letter in enumerate("kmgtp", start=1)
    for ending, factor in (("", 1000), ("b", 1000), ("i", 1024), ("ib", 1024))
}
_FACTORS = {
    Unit.COUNT: _THOUSANDS,
    Unit.TOKENS: _THOUSANDS,
    Unit.BYTES: _BYTES,
    Unit.MONEY: {"": 10**6},
}
_NUMBER = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?) ?([A-Za-z]*)")
_INT64 = 2**63 - 1


def unit(dimension: str) -> Unit:
    """What a dimension counts; one that this version does not know, plain numbers."""
    return DIMENSIONS.get(dimension, Unit.COUNT)


def rank(dimension: str) -> int:
    """Where a dimension stands in a list for people."""
    return list(DIMENSIONS).index(dimension) if dimension in DIMENSIONS else len(DIMENSIONS)


def setting(text: str) -> tuple[str, int | str | None]:
    """`DIM[@BASE]=VALUE` as the limit's key and its value: None for unlimited, or INHERIT.

    ValueError says what is wrong with it, and what would be right.
    """
    name, equals, value = text.partition("=")
    dimension, at, base = name.partition("@")
    if not equals or not value.strip():
        raise ValueError(f"{text!r}: DIMENSION=VALUE is expected, such as datasets=20")
    if dimension not in DIMENSIONS:
        close = difflib.get_close_matches(dimension, DIMENSIONS, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(DIMENSIONS)}"
        raise ValueError(f"{dimension!r} is no dimension: {hint}")
    if at and not base:
        raise ValueError(f"{name!r}: a base model is expected after @, such as {dimension}@ada")
    if base and not dimension.startswith(_OF_A_BASE):
        raise ValueError(f"{name!r}: {dimension} has no limit of a single base model")
    match value.strip().lower():
        case "inherit":
            return name, INHERIT
        case "unlimited":
            return name, None
        case _:
            pass
    try:
        return name, read(unit(dimension), value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; or `{UNLIMITED}`, or `{INHERIT}`") from None


def read(kind: Unit, text: str) -> int:
    """A value as people write it, in the smallest unit there is; ValueError if it is none."""
    found = _NUMBER.fullmatch(text.strip())
    factor = _FACTORS[kind].get(found[2].lower()) if found else None
    if not found or factor is None:
        raise ValueError(f"{text!r} is not {kind.value}")
    exact = Decimal(found[1].replace("_", "").replace(",", "")) * factor
    if exact != int(exact):
        smallest = "a millionth" if kind is Unit.MONEY else "one"
        raise ValueError(f"{text!r} is not {kind.value}: there is nothing smaller than {smallest}")
    if exact > _INT64:
        raise ValueError(f"{text!r} is more than can be counted")
    return int(exact)


def exactly(dimension: str, value: int) -> str:
    """A value with every digit that counts, such as `1,234,567`, `10 GiB` or `12.50`."""
    match unit(dimension):
        case Unit.BYTES:
            return _exact_bytes(value)
        case Unit.MONEY:
            return currency(value)
        case _:
            return f"{value:,}"


def roughly(dimension: str, value: int) -> str:
    """A value at a glance, such as `1.23 M`, `1.5 GB` or `12.50`."""
    match unit(dimension):
        case Unit.BYTES:
            return _exact_bytes(value)
        case Unit.MONEY:
            return currency(value)
        case _:
            return large(value)


def large(value: int) -> str:
    """A count at a glance: `12,345`, `1.23 M`."""
    for factor, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if value >= factor:
            return f"{value / factor:.2f}".rstrip("0").rstrip(".") + f" {letter}"
    return f"{value:,}"


def currency(micros: int) -> str:
    """Micros in units of the currency: at least cents, and every digit that counts."""
    sign, (units, rest) = "-" if micros < 0 else "", divmod(abs(micros), 10**6)
    digits = f"{rest:06}".rstrip("0").ljust(2, "0")
    return f"{sign}{units:,}.{digits}"


def money(amount: common_pb2.Money) -> str:
    """An amount with its currency, such as `12.50 USD`."""
    return f"{currency(amount.micros)} {amount.currency_code}".rstrip()


def _exact_bytes(value: int) -> str:
    for power, letter in ((4, "T"), (3, "G"), (2, "M")):
        if value and value % 1024**power == 0:
            return f"{value // 1024**power:,} {letter}iB"
    return size(value)
