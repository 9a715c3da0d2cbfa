"""Ways to reach somebody: e-mail addresses, phone numbers, addresses on the internet."""

import ipaddress
from functools import cache
from typing import Final

import phonenumbers
from publicsuffixlist import PublicSuffixList

from tunesmith.dataset_rules.sensitive.kinds import Kind
from tunesmith.dataset_rules.sensitive.recogniser import Recogniser, all_of_it

_RESERVED = ("example", "test", "invalid", "localhost", "local")
_SHORTEST_PHONE = 7
_NOT_A_PERSON = frozenset(
    {
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    }
)
_VERSION_BELOW: Final = 30
"""Four parts that are all below this are a version far more often than an address: of the addresses
there are, one in five thousand looks so."""

_OID_ARC_BELOW: Final = 40
"""1.3.101.112 names an algorithm: so do all object identifiers, of which few arcs are in use."""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def _is_email(text: str) -> bool:
    """Whether it could be somebody's: RFC 2606 keeps some domains free for examples."""
    local, _, domain = text.partition("@")
    domain = domain.lower()
    labels = domain.split(".")
    if ".." in local or local.endswith(".") or local.lower() == "git" or len(local) > 64:
        return False
    if any(not label or label[0] == "-" or label[-1] == "-" for label in labels):
        return False
    if labels[-1] in _RESERVED or "example" in labels:
        return False
    suffix = _suffixes().publicsuffix(domain)
    return suffix is not None and suffix != domain


def _phone(text: str) -> int:
    """How much of an international number is one that can be dialled.

    What follows it after a blank may be another number, so it is cut off word by word.
    """
    while sum(map(str.isdigit, text)) >= _SHORTEST_PHONE:
        if _can_be_dialled(text, None):
            return len(text)
        text = text[: max(text.rfind(mark) for mark in " -./(")].rstrip(" -./(")
    return 0


def _can_be_dialled(text: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    if not phonenumbers.is_valid_number(number):
        return False
    national = str(number.national_number)
    if number.country_code == 1 and national[3:8] == "55501":
        return False  # kept free for fiction
    return phonenumbers.number_type(number) not in _NOT_A_PERSON


def _is_somebodys_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast:
        return False
    if address.version == 6:
        return True
    parts = address.packed
    is_oid = parts[0] in (1, 2) and parts[1] < _OID_ARC_BELOW
    return max(parts) >= _VERSION_BELOW and len(set(parts)) > 1 and not is_oid


CONTACTS: Final = (
    Recogniser(
        Kind.EMAIL,
        r"[A-Za-z0-9_%+'-]@[A-Za-z0-9]",
        r"[A-Za-z0-9_][A-Za-z0-9._%+'-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,250}\.[A-Za-z]{2,24}",
        all_of_it(_is_email),
        not_before=r"[A-Za-z0-9_%+@/:-]",
        not_after=r"[A-Za-z0-9_@(]|-[A-Za-z0-9]|\.[A-Za-z0-9]",
    ),
    Recogniser(
        Kind.PHONE,
        r"\+\(?[1-9](?:[ ().\-/]{0,3}[0-9]){6}",
        r"\+\(?[1-9](?:[ ().\-/]{0,3}[0-9]){6,15}",
        _phone,
        not_before=r"[0-9A-Za-z+_.=/]",
        not_after=r"[0-9A-Za-z_]|[.,-][0-9]",
        again=True,
    ),
    Recogniser(
        Kind.PHONE,
        r"[0-9]{3}(?:\) ?|-|\.)[0-9]{3}[.-][0-9]{4}",
        r"(?:1[ .-])?(?:\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}|[0-9]{3}-[0-9]{3}-[0-9]{4}"
        r"|[0-9]{3}\.[0-9]{3}\.[0-9]{4})",
        all_of_it(lambda text: _can_be_dialled(text, "US")),
        not_before=r"[0-9A-Za-z+_./=-]",
        not_after=r"[0-9A-Za-z_]|[.,-][0-9]",
    ),
    Recogniser(
        Kind.IP_ADDRESS,
        r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
        r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        all_of_it(_is_somebodys_address),
        not_before=r"[0-9A-Za-z_.-]",
        not_after=r"[0-9A-Za-z_-]|\.[0-9]|/[0-9]",
        not_in_context=r"(?i)(?:version|release|upgrade|update|patch|\bv8|build)",
    ),
    Recogniser(
        Kind.IP_ADDRESS,
        r"[23][0-9a-fA-F]{3}:[0-9a-fA-F]{0,4}:",
        r"[23][0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{0,4}",
        all_of_it(_is_somebodys_address),
        not_before=r"[0-9A-Za-z_:.]",
        not_after=r"[0-9A-Za-z_:]|/[0-9]",
    ),
)
