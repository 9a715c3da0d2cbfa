"""Every fix, in the order in which they apply. A fix has the code of the finding that it mends."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Need(StrEnum):
    """How much a fix is needed."""

    NECESSARY = "necessary"
    """Without it the data cannot be trained on: always applied."""
    INHERENT = "inherent"
    """Comes of itself when the file is written anew, and changes nothing that is learnt."""
    RECOMMENDED = "recommended"
    """Applied unless it is declined."""
    OPTIONAL = "optional"
    """Applied only if it is named: whether it helps is for somebody who knows the data to say.

    For secrets and personal data it is not even looked, else: that takes as long as all the rest.
    """

    @property
    def always(self) -> bool:
        """Whether it is applied whatever is chosen."""
        return self in (Need.NECESSARY, Need.INHERENT)


@dataclass(frozen=True)
class FixRule:
    """A fix of the catalogue; its code is its key in `FIXES`."""

    need: Need
    title: str
    """What it does. For people; a plan's fix says more, such as which text."""


_NECESSARY, _INHERENT = Need.NECESSARY, Need.INHERENT
_RECOMMENDED, _OPTIONAL = Need.RECOMMENDED, Need.OPTIONAL

FIXES: Mapping[str, FixRule] = MappingProxyType(
    {
        # --- each row by itself ----------------------------------------------------------------
        "FORMAT_NOT_JSONL": FixRule(_INHERENT, "Write the rows as JSON lines"),
        "BOM": FixRule(_INHERENT, "Leave out the byte order mark"),
        "CRLF": FixRule(_INHERENT, "End lines with a line feed alone"),
        "BLANK_LINE": FixRule(_INHERENT, "Leave out blank lines"),
        "FIELD_CASE": FixRule(_NECESSARY, "Write the names of fields in lower case"),
        "FIELD_UNKNOWN": FixRule(_INHERENT, "Leave out fields that training does not use"),
        "TEXT_NUL": FixRule(_RECOMMENDED, "Take NUL characters out of the texts"),
        "COMPLETION_EMPTY": FixRule(_NECESSARY, "Remove rows with an empty completion"),
        "CHAT_NO_MESSAGES": FixRule(_NECESSARY, "Remove conversations without messages"),
        "SECRET_FOUND": FixRule(_OPTIONAL, "Write placeholders in the place of secrets"),
        "PERSONAL_DATA_FOUND": FixRule(
            _OPTIONAL, "Write placeholders in the place of personal data"
        ),
        # --- the whole -------------------------------------------------------------------------
        "DUPLICATE_ROWS": FixRule(_RECOMMENDED, "Remove rows that repeat an earlier one"),
        "LONG_ROWS": FixRule(_RECOMMENDED, "Remove rows of more than 10,000 characters"),
        "PROMPT_UPPER_CASE": FixRule(_RECOMMENDED, "Write all prompts in lower case"),
        "COMPLETION_UPPER_CASE": FixRule(_RECOMMENDED, "Write all completions in lower case"),
        "PROMPT_SUFFIX_MISSING": FixRule(_RECOMMENDED, "End each prompt with a separator"),
        "PROMPT_PREFIX_COMMON": FixRule(_OPTIONAL, "Cut off the prompts' beginning"),
        "COMPLETION_PREFIX_COMMON": FixRule(_RECOMMENDED, "Cut off the completions' beginning"),
        "COMPLETION_SUFFIX_MISSING": FixRule(_RECOMMENDED, "End each completion with a stop text"),
        "COMPLETION_SPACE_MISSING": FixRule(_RECOMMENDED, "Begin each completion with a blank"),
    }
)
