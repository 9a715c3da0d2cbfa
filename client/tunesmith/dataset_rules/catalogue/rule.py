"""What a rule says."""

from dataclasses import dataclass

from tunesmith.dataset_rules.findings import Severity


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue; its code is its key in `RULES`."""

    severity: Severity
    title: str
    why: str
    suggestion: str
    fixable: bool = False
