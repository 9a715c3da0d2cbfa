"""How many letters of a text are upper case and how many lower, without a look at each of them."""

import re
from collections import Counter

_UPPER = bytes(range(ord("A"), ord("Z") + 1))
_LOWER = bytes(range(ord("a"), ord("z") + 1))
_NO_LETTER = bytes(set(range(256)) - set(_UPPER) - set(_LOWER))
_AS_ONE = bytes.maketrans(_UPPER, b"U" * len(_UPPER))
# Where Unicode has letters with a case, roughly: other scripts, most of all the large ones of East
# Asia, are passed over in one go.
_MAY_HAVE_CASE = re.compile(
    "[\u00aa-\u058f\u10a0-\u13ff\u1c80-\u1cbf\u1d00-\u1fff\u2071-\u2188\u24b6-\u24e9\u2c00-\u2d2f"
    "\ua640-\uabbf\ufb00-\ufb17\uff21-\uff5a\U00010000-\U0001efff]+"
)


def count_letters(text: str) -> tuple[int, int]:
    """The numbers of upper-case and of lower-case letters in `text`."""
    if text.isascii():
        return _ascii(text.encode())
    upper, lower = _ascii(text.encode("utf-8", "replace"))
    for character, times in Counter("".join(_MAY_HAVE_CASE.findall(text))).items():
        if character.isalpha():
            upper += times * character.isupper()
            lower += times * character.islower()
    return upper, lower


def _ascii(text: bytes) -> tuple[int, int]:
    letters = text.translate(_AS_ONE, _NO_LETTER)
    upper = letters.count(b"U")
    return upper, len(letters) - upper
