"""Numbers with check digits: cards, accounts, identities, wallets."""

from collections.abc import Callable
from typing import Final

from stdnum import bitcoin, iban, luhn
from stdnum.be import nn as belgium
from stdnum.br import cpf as brazil
from stdnum.cn import ric as china
from stdnum.de import idnr as germany
from stdnum.es import dni as spain
from stdnum.es import nie as spain_foreign
from stdnum.fi import hetu as finland
from stdnum.fr import nir as france
from stdnum.in_ import aadhaar as india
from stdnum.it import codicefiscale as italy
from stdnum.kr import rrn as korea
from stdnum.mx import curp as mexico
from stdnum.se import personnummer as sweden
from stdnum.us import ssn as usa

from tunesmith.dataset_rules.sensitive.kinds import Kind
from tunesmith.dataset_rules.sensitive.recogniser import Recogniser, all_of_it

_ISSUERS: Final = (
    # first digits from, to (inclusive), lengths
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", (16,)),
    ("4", "4", (16,)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("6011", "6011", (16,)),
    ("644", "649", (16,)),
    ("65", "65", (16,)),
    ("62", "62", (16, 17, 18, 19)),
)


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    issued = any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _ISSUERS
    )
    return issued and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _iban(text: str) -> int:
    """How much is an IBAN; words in capitals may follow it."""
    while len(text) >= 15:
        if iban.is_valid(text):
            return len(text)
        text = text[: max(text.rfind(" "), 0)]
    return 0


def _identity(sign: str, check: Callable[[str], object], pattern: str = "") -> Recogniser:
    return Recogniser(
        Kind.NATIONAL_ID,
        sign,
        pattern or sign,
        all_of_it(check),
        not_before=r"[0-9A-Za-z_./=-]",
        not_after=r"[0-9A-Za-z_=]|[./-][0-9A-Za-z]",
        again=True,
    )


NUMBERS: Final = (
    Recogniser(
        Kind.CREDIT_CARD,
        r"[2-6](?:[0-9]{13}|[0-9]{3} [0-9]{4,6} [0-9]{4}|[0-9]{3}-[0-9]{4,6}-[0-9]{4})",
        r"[2-6](?:[0-9]{13,18}|[0-9]{3} [0-9]{4} [0-9]{4} [0-9]{1,7}"
        r"|[0-9]{3}-[0-9]{4}-[0-9]{4}-[0-9]{1,7}|[0-9]{3} [0-9]{6} [0-9]{4,5}"
        r"|[0-9]{3}-[0-9]{6}-[0-9]{4,5})",
        all_of_it(_is_card),
        not_before=r"[0-9A-Za-z_./=-]",
        not_after=r"[0-9A-Za-z_/=-]|\.[0-9]",
        again=True,
    ),
    Recogniser(
        Kind.IBAN,
        r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
        r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?",
        _iban,
        again=True,
    ),
    Recogniser(
        Kind.CRYPTO_ADDRESS,
        r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25}|bc1[02-9ac-hj-np-z]{11})",
        r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25,33}|bc1[02-9ac-hj-np-z]{11,71})\b",
        all_of_it(bitcoin.is_valid),
    ),
    _identity(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", usa.is_valid),
    _identity(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", brazil.is_valid),
    _identity(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", belgium.is_valid),
    _identity(r"[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}", germany.is_valid),
    _identity(r"[2-9][0-9]{3} [0-9]{4} [0-9]{4}", india.is_valid),
    _identity(r"[0-9]{6}-[0-9]{7}", korea.is_valid),
    _identity(r"[0-9]{6}(?:[0-9]{2})?[+-][0-9]{4}", sweden.is_valid),
    _identity(r"[0-9]{6}[+A-FU-Y-][0-9]{3}[0-9A-Y]", finland.is_valid),
    _identity(r"[0-9]{8}-?[A-HJ-NP-TV-Z]", spain.is_valid),
    _identity(r"[XYZ]-?[0-9]{7}-?[A-HJ-NP-TV-Z]", spain_foreign.is_valid),
    _identity(
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]",
        italy.is_valid,
    ),
    _identity(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]", mexico.is_valid),
    _identity(
        r"[12] ?[0-9]{2} ?[01][0-9] ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", france.is_valid
    ),
    _identity(r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9X]", china.is_valid),
)
