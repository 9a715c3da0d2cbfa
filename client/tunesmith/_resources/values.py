"""What a caller of the client writes, as the contract has it: money, moments, spans, choices."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tunesmith._errors import Details, InvalidArgumentError, Violation
from tunesmith.v1 import common_pb2

Amount = Decimal | int | str | common_pb2.Money
"""Money: units of the installation's currency, or a message with micros. Never a float."""


def wrong(field: str, description: str) -> InvalidArgumentError:
    """The error for an argument that no service would take."""
    violation = Violation(field, description)
    return InvalidArgumentError(str(violation), details=Details(violations=(violation,)))


def money(field: str, amount: Amount) -> common_pb2.Money:
    """`Decimal("12.50")`, `"12.50"` or `12` as 12.50 or 12 units of the currency, to the micro."""
    if isinstance(amount, common_pb2.Money):
        return amount
    if isinstance(amount, float):  # not by the types, but by many a caller
        raise wrong(field, f"{amount!r} is a float, which is not exact: write Decimal('12.50')")
    try:
        micros = Decimal(amount).scaleb(6)
        whole = int(micros)
    except (InvalidOperation, ValueError, OverflowError):
        raise wrong(field, f"{amount!r} is no amount of money, such as '12.50'") from None
    if whole != micros:
        raise wrong(field, f"{amount} has more than six decimals")
    if whole < 0:
        raise wrong(field, f"{amount} is below 0")
    return common_pb2.Money(micros=whole)


def timestamp(moment: datetime) -> Timestamp:
    """A moment. One without a zone is in this machine's, as everywhere in Python."""
    message = Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def duration(span: timedelta) -> Duration:
    """A span of time."""
    message = Duration()
    message.FromTimedelta(span)
    return message


def choices(enum: Any, prefix: str) -> dict[str, int]:
    """The values of an enum as people write them: `SUSPENDED_RUNS_PAUSE` is `pause`."""
    return {
        name.removeprefix(prefix).lower().replace("_", "-"): number
        for name, number in enum.items()
        if number
    }


def choice(field: str, value: str | int, among: Mapping[str, int]) -> Any:
    """The number of a value, by its name or as it is.

    Any, because each generator of stubs types enums in its own way.
    """
    if not isinstance(value, str):
        return value
    number = among.get(value.lower().replace("_", "-"))
    if number is None:
        raise wrong(field, f"there is no {value!r}; choose from {', '.join(among)}")
    return number
