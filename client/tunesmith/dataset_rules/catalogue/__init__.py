"""Every rule, once: what it finds, why that matters, what to do.

Sources: the `prepare_data` tool of the legacy fine-tuning API (OPENAI_SURFACE.md 12), the checks of
the modern fine-tuning API, and the hostile inputs of FAULTS.md F16. The order of the table is the
order of findings about the same line.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tunesmith.dataset_rules.catalogue.examples import EXAMPLES
from tunesmith.dataset_rules.catalogue.formats import FORMATS
from tunesmith.dataset_rules.catalogue.lines import LINES
from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.catalogue.sensitive import SENSITIVE
from tunesmith.dataset_rules.catalogue.whole import WHOLE

__all__ = ["NOT_TRAINED", "RULES", "Rule"]

RULES: Mapping[str, Rule] = MappingProxyType({**WHOLE, **LINES, **EXAMPLES, **FORMATS, **SENSITIVE})

NOT_TRAINED = frozenset({"CHAT_TOOLS_UNSUPPORTED"})
"""Rows of sound data that no trainer here can take: a run on a dataset with them is refused."""
