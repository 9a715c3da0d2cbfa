"""Times and spans of time, as people write and read them."""

import re
import time
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from tunesmith.cli._text import duration

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhdw])+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_LONGEST = timedelta(days=36_500)


def span(text: str) -> timedelta:
    """`90m`, `1h30m`, `7d` or `2w`; `0` is none. ValueError says what is expected."""
    if text == "0":
        return timedelta(0)
    if not _SPAN.fullmatch(text):
        raise ValueError(f"{text!r}: a time such as 90m, 1h30m, 7d or 2w is expected")
    seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is more than a hundred years")
    return timedelta(seconds=seconds)


def before(text: str, now: datetime | None = None) -> datetime:
    """So long ago (`1h`), or a date or time (`2026-11-01`, `2026-11-01T08:00Z`)."""
    return _moment(text, now, -1)


def after(text: str, now: datetime | None = None) -> datetime:
    """In so long (`1h`), or a date or time (`2026-11-01`, `2026-11-01T08:00Z`)."""
    return _moment(text, now, 1)


def rfc3339(moment: datetime) -> str:
    """A moment as filters have it."""
    at = moment.astimezone(UTC)
    return at.isoformat(timespec="microseconds" if at.microsecond else "seconds")[:-6] + "Z"


def until(moment: Timestamp) -> str:
    """How long it is until then, such as `in 6 days` or `in 1:02:03`; `now` if it is past."""
    seconds = moment.seconds + moment.nanos / 1e9 - time.time()
    if seconds <= 0:
        return "now"
    if seconds >= 2 * 86_400:
        return f"in {seconds / 86_400:.0f} days"
    return f"in {duration(seconds)}"


def _moment(text: str, now: datetime | None, sign: int) -> datetime:
    if _SPAN.fullmatch(text):
        return (now or datetime.now(UTC)) + sign * span(text)
    try:
        return datetime.fromisoformat(text).astimezone()  # without a zone: this machine's
    except (ValueError, OverflowError):
        wanted = "a span such as 1h or 7d, a date or a time such as 2026-11-01T08:00Z is expected"
        raise ValueError(f"{text!r}: {wanted}") from None
