"""Suffixes of model names: the one place where they are normalised and checked."""

import re

from tunesmith_server.domain.errors import FieldViolation, NamingPolicyBroken

MAX_SUFFIX = 64
"""Characters after normalisation: OpenAI's modern limit (the legacy one was 40)."""

_RUNS = re.compile(r"[^a-z0-9]+")


def normalised_suffix(text: str, field: str = "fine_tune.spec.suffix") -> str:
    """The suffix as it stands in model names, or NamingPolicyBroken.

    Lower case; every run of characters other than a-z and 0-9 becomes one dash; dashes at the
    ends go: "Custom model name" → "custom-model-name" (the rule of the old guide's command line).
    An empty suffix stays empty; one of which nothing is left is refused.
    """
    if not text:
        return ""
    suffix = _RUNS.sub("-", text.lower()).strip("-")
    if not suffix:
        raise NamingPolicyBroken(
            [FieldViolation(field, f"{text[:80]!r} has no letter a-z and no digit")]
        )
    if len(suffix) > MAX_SUFFIX:
        raise NamingPolicyBroken(
            [FieldViolation(field, f"{len(suffix)} characters; at most {MAX_SUFFIX} are allowed")]
        )
    return suffix
