"""Values as people read them. Text from elsewhere never reaches the terminal with control codes."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tunesmith.v1 import event_pb2


def plain(text: str) -> str:
    """The text without control characters but line breaks and tabs."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))


def when(time: Timestamp) -> str:
    """A time in this machine's zone; `-` if it is not set."""
    if not time.seconds:
        return "-"
    return local(time).strftime("%Y-%m-%d %H:%M:%S")


def local(time: Timestamp) -> datetime:
    """A time in this machine's zone."""
    return datetime.fromtimestamp(time.seconds + time.nanos / 1e9).astimezone()


def size(count: int) -> str:
    """Bytes, such as `1.5 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: float) -> str:
    """A measurement in four figures or a whole number."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Such as `1:02:03` or `2:03`."""
    whole = str(timedelta(seconds=max(0, round(seconds))))
    return whole[2:] if whole.startswith("0:") else whole


def named(enum: Any, number: int, prefix: str) -> str:
    """`FINE_TUNE_STATE_RUNNING` as `running`; one of a later version as its number."""
    if number not in enum.values():
        return str(number)
    name: str = enum.Name(number)
    return name.removeprefix(prefix).lower().replace("_", " ")


def last(name: str) -> str:
    """The last segment of a name."""
    return name.rpartition("/")[2]


def line(event: event_pb2.Event) -> str:
    """An event as one line."""
    at = local(event.time).strftime("%Y-%m-%d %H:%M:%S")
    return f"[{at}] " + plain(event.message).replace("\n", " ")
