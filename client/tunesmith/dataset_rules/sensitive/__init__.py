"""Secrets and personal data in datasets: what is recognised, where, and the rows without it.

`recognition` finds them and `redaction` takes them out. Both need the packages of the extra
`sensitive` (which is part of `server`, too); what is here needs nothing, and `need` tells.

Nothing that is recognised is ever repeated: a finding tells the kind and the place.
"""

from importlib.util import find_spec
from typing import Final

from tunesmith.dataset_rules.excerpts import Quotable
from tunesmith.dataset_rules.sensitive.judging import holds_sensitive, judged
from tunesmith.dataset_rules.sensitive.kinds import SENSITIVE_CODES, Kind, Match, Policy

__all__ = [
    "INSTALL",
    "SENSITIVE_CODES",
    "Kind",
    "Match",
    "Policy",
    "SensitiveUnavailable",
    "holds_sensitive",
    "is_installed",
    "judged",
    "need",
    "quotable",
]

INSTALL: Final = "pip install 'tunesmith[sensitive]'"
"""What to type to have the packages."""
_NEEDED: Final = ("re2", "phonenumbers", "stdnum", "publicsuffixlist")


class SensitiveUnavailable(ImportError):
    """The packages that recognise secrets and personal data are not installed."""

    def __init__(self) -> None:
        super().__init__(f"secrets and personal data cannot be looked for without: {INSTALL}")


def is_installed() -> bool:
    """Whether the packages are there."""
    return all(find_spec(name) for name in _NEEDED)


def need() -> None:
    """Raise SensitiveUnavailable if they are not."""
    if not is_installed():
        raise SensitiveUnavailable


def quotable() -> Quotable:
    """What of a text may be quoted: the text without what is recognised, where that can be done."""
    if not is_installed():
        return str
    from tunesmith.dataset_rules.sensitive.redaction import redact_text

    return redact_text
