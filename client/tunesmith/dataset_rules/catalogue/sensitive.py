"""Rules about what nobody should learn."""

from collections.abc import Mapping
from typing import Final

from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.findings import Severity

_WARNING = Severity.WARNING

SENSITIVE: Final[Mapping[str, Rule]] = {
    "SECRET_FOUND": Rule(
        _WARNING,
        "A secret in the text",
        "A model repeats what it was trained on: whoever may ask it may get the secret."
        " Where the tenant's policy is to block, it is an error.",
        "Withdraw the secret where it was issued, and remove it here: `prepare --fix"
        " SECRET_FOUND` writes a placeholder in its place. Where the tenant's policy is to"
        " redact, that is done at once.",
    ),
    "PERSONAL_DATA_FOUND": Rule(
        _WARNING,
        "Personal data in the text",
        "A model repeats what it was trained on, and cannot forget it when somebody asks for"
        " that. Where the tenant's policy is to block, it is an error.",
        "Remove it, or write something made up: `prepare --fix PERSONAL_DATA_FOUND` writes a"
        " placeholder in its place. Where the tenant's policy is to redact, that is done at"
        " once.",
    ),
}
