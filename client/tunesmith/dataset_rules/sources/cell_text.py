"""Numbers, dates and texts of a workbook's cells as text, the same on every machine."""

import re
from datetime import datetime, timedelta
from enum import Enum, auto

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_QUIET = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?:[^hms\]][^\]]*|[hms][^hms\]][^\]]*)\]', re.IGNORECASE)
"""What a number format shows as it is, or says about colour, currency and condition."""
_ELAPSED = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_DATE = re.compile("[ymdhs]", re.IGNORECASE)
_BUILT_IN_DATES = {*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)}
_BUILT_IN_ELAPSED = 46
_SECONDS_A_DAY = 86400


class Kind(Enum):
    """What a number in a cell stands for."""

    NUMBER = auto()
    DATE = auto()
    ELAPSED = auto()


def kind_of_format(id: int, code: str | None) -> Kind:
    """What a number format makes of a number; `code` is None for a format that is built in."""
    if code is None:
        if id == _BUILT_IN_ELAPSED:
            return Kind.ELAPSED
        return Kind.DATE if id in _BUILT_IN_DATES else Kind.NUMBER
    shown = _QUIET.sub("", code[:255].partition(";")[0])
    if _ELAPSED.search(shown):
        return Kind.ELAPSED
    return Kind.DATE if _DATE.search(re.sub("general", "", shown, flags=re.I)) else Kind.NUMBER


def number_text(digits: str, kind: Kind, since_1904: bool) -> str:
    """A number as one would type it: 3, 0.1, 2024-01-31, 2024-01-31 13:45:00, 36:05:00.

    As it stands in the file where it is no number or no date that Excel knows.
    """
    try:
        number = float(digits)
    except ValueError:
        return digits
    if kind is Kind.DATE and (text := _date(number, since_1904)):
        return text
    if kind is Kind.ELAPSED and abs(number) < 1e7:
        minutes, seconds = divmod(round(abs(number) * _SECONDS_A_DAY), 60)
        return f"{'-' if number < 0 else ''}{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return repr(number)


def unescaped(text: str) -> str:
    """A text with the characters that XML cannot hold, which Excel writes as `_x000D_`."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(escape: re.Match[str]) -> str:
    point = int(escape.group(1), 16)
    return escape.group() if 0xD800 <= point < 0xE000 else chr(point)


def _date(number: float, since_1904: bool) -> str:
    if not 0 <= number < 2958466:  # the year 10000
        return ""
    if since_1904:
        epoch = datetime(1904, 1, 1)
    else:
        # Excel believes in a 29 February 1900
        epoch = datetime(1899, 12, 30) if number >= 60 else datetime(1899, 12, 31)
    days, part = divmod(number, 1)
    seconds = round(part * _SECONDS_A_DAY)
    try:
        moment = epoch + timedelta(days=int(days), seconds=seconds)
    except OverflowError:
        return ""
    if not days and not since_1904:
        return f"{moment:%H:%M:%S}"
    # not strftime, which does not fill up years before 1000 everywhere
    return moment.date().isoformat() if not seconds else moment.isoformat(sep=" ")
