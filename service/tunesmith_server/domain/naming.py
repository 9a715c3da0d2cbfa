"""Suffixes of model names: how they are normalised, and a tenant's own rules for them."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from tunesmith_server.domain.automaton import TooLarge
from tunesmith_server.domain.errors import FieldViolation, InvalidArgument, NamingPolicyBroken
from tunesmith_server.domain.suffix_pattern import (
    MAX_SEARCH,
    PatternInvalid,
    matches,
    program_size,
    shortest,
)

MAX_SUFFIX = 64
"""Characters after normalisation: OpenAI's modern limit (the legacy one was 40)."""
MAX_NUMBER = 1 << 20
"""No number behind a suffix that is taken is larger."""

_QUICK_SEARCH = 200  # states: a suggestion is looked for within the transaction of a create
_FIELD = "fine_tune.spec.suffix"
_OTHERS = re.compile(r"[^a-z0-9]+")


def normalised(text: str) -> str:
    """`text` as it may stand in model names; empty if nothing is left of it.

    Lower case; every run of characters other than a-z and 0-9 becomes one dash; dashes at the
    ends go: "Custom model name" → "custom-model-name" (the rule of the old guide's command line).
    """
    return _OTHERS.sub("-", text.lower()).strip("-")


def normalised_suffix(text: str, field: str = _FIELD) -> str:
    """`text` normalised, or NamingPolicyBroken if that is empty or longer than MAX_SUFFIX.

    An empty text stays empty.
    """
    return applied(NO_RULES, text, taken=lambda _: False, field=field)


class SuffixScope(StrEnum):
    """Among what a suffix must be the only one of its kind: runs not yet ended, and models."""

    ANYTHING_GOES = "anything_goes"
    """Names differ by their last eight characters anyway."""
    BASE_MODEL = "base_model"
    TENANT = "tenant"


class SuffixCollision(StrEnum):
    """What happens to a suffix that is taken."""

    UNSPECIFIED = "unspecified"
    """As REFUSE."""
    REFUSE = "refuse"
    NUMBER = "number"
    """A number is put behind it: `support-2`."""


@dataclass(frozen=True)
class NamingPolicy:
    """How a tenant's models may be called. Empty, it forbids nothing that normalisation allows.

    Not checked when made, since it is read from the store with every call: see `checked`.
    """

    suffix_pattern: str = ""
    """RE2 that the whole suffix, normalised and prefixed, must match."""
    required_prefix: str = ""
    """What every suffix must be or begin with, a dash following: `team` allows `team-bot`."""
    auto_prefix: bool = False
    """Put the prefix and a dash before a suffix that lacks it, rather than refuse."""
    reserved_words: tuple[str, ...] = ()
    """Words that no suffix may be, nor contain between dashes."""
    max_length: int | None = None
    """Characters of the longest suffix; None is MAX_SUFFIX."""
    suffix_required: bool = False
    """Every run must have a suffix; otherwise none at all is fine whatever the other rules."""
    unique_within: SuffixScope = SuffixScope.ANYTHING_GOES
    on_collision: SuffixCollision = SuffixCollision.UNSPECIFIED

    def checked(self) -> "NamingPolicy":
        """This policy, or InvalidArgument with all of `violations`."""
        if violations := self.violations():
            raise InvalidArgument(violations)
        return self

    def violations(self) -> list[FieldViolation]:
        """Everything that is wrong with the policy itself, on `tenant.naming.FIELD`.

        A policy without any has an `example`: a suffix that it allows. So one whose pattern,
        prefix, length and reserved words contradict each other is refused, and so is one for which
        that cannot be told within the bounds of `suffix_pattern.shortest`. Not detected: a pattern
        that leaves no room for the number which NUMBER puts behind a suffix that is taken, such as
        `[a-z]+`; those collisions are refused when they happen.
        """
        faults = [*self._faults()] or [*self._contradictions()]
        return [FieldViolation(f"tenant.naming.{field}", found) for field, found in faults]

    def _faults(self) -> Iterator[tuple[str, str]]:
        if self.suffix_pattern:
            try:
                program_size(self.suffix_pattern)
            except PatternInvalid as error:
                yield "suffix_pattern", str(error)
        if not 1 <= self.longest <= MAX_SUFFIX:
            yield "max_length", f"is {self.longest}; it must be from 1 to {MAX_SUFFIX}"
        prefix = self.required_prefix
        if prefix != normalised(prefix):
            yield (
                "required_prefix",
                f"{prefix[:80]!r} is not normalised, {normalised(prefix)[:80]!r} would be: a-z, "
                "0-9 and single dashes between them; the dash behind it is understood",
            )
        elif prefix and len(prefix) > self.longest - 2:
            yield (
                "required_prefix",
                f"has {len(prefix)} characters, which leave no room for a dash and a name within "
                f"the {self.longest} that are allowed",
            )
        if word := self._reserved_in(prefix):
            yield "required_prefix", f"{prefix!r} has the reserved word {word!r}"
        if self.auto_prefix and not prefix:
            yield "auto_prefix", "needs a required_prefix to put before suffixes"
        for word in self.reserved_words:
            if not word or word != normalised(word):
                yield (
                    "reserved_words",
                    f"{word[:80]!r} is not normalised and would never be found; "
                    f"write {normalised(word)[:80]!r} or leave it out",
                )
        if (
            self.on_collision is not SuffixCollision.UNSPECIFIED
            and self.unique_within is SuffixScope.ANYTHING_GOES
        ):
            yield "on_collision", "needs unique_within: without it no suffix is ever taken"

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """Rules that are good each by itself, but leave no suffix together."""
        field = "suffix_pattern" if self.suffix_pattern else "reserved_words"
        try:
            if self.example():
                return
            without_prefix = self._shortest("")
        except TooLarge:
            yield (
                field,
                "is too complicated to tell whether any suffix can match: use fewer repetitions",
            )
            return
        if without_prefix:
            yield (
                "required_prefix",
                f"no suffix that begins with {self.required_prefix!r} and follows the other rules "
                f"matches suffix_pattern; {without_prefix!r} would without the prefix",
            )
        else:
            yield (
                field,
                f"leaves no suffix of at most {self.longest} of a-z, 0-9 and single dashes between "
                "them without a reserved word",
            )

    @property
    def longest(self) -> int:
        """Characters of the longest suffix."""
        return MAX_SUFFIX if self.max_length is None else self.max_length

    def example(self) -> str | None:
        """A short suffix that the policy allows; None if there is none. Raises TooLarge."""
        prefix = self.required_prefix
        if not prefix:
            return self._shortest("")
        return self._shortest(f"{prefix}-") or (prefix if self.allows(prefix) else None)

    def allows(self, suffix: str) -> bool:
        """Whether a normalised suffix keeps every rule but uniqueness."""
        return not any(self.broken_by(suffix))

    def begins(self, suffix: str) -> bool:
        """Whether a suffix is or begins with the required prefix."""
        prefix = self.required_prefix
        return not prefix or suffix == prefix or suffix.startswith(f"{prefix}-")

    def broken_by(self, suffix: str) -> Iterator[tuple[str, str]]:
        """The rules that a normalised suffix breaks, in their order, and how."""
        if not self.begins(suffix):
            yield "required_prefix", f"{suffix[:80]!r} does not begin with {self.required_prefix}-"
        if len(suffix) > self.longest:
            yield (
                "max_length",
                f"{suffix[:80]!r} has {len(suffix)} characters; at most {self.longest} are allowed",
            )
        if word := self._reserved_in(suffix):
            yield "reserved_words", f"{suffix[:80]!r} has the reserved word {word!r}"
        if self.suffix_pattern and not matches(self.suffix_pattern, suffix):
            yield "suffix_pattern", f"{suffix[:80]!r} does not match {self.suffix_pattern!r}"

    def _reserved_in(self, suffix: str) -> str | None:
        parts = f"-{suffix}-"
        return next((word for word in self.reserved_words if f"-{word}-" in parts), None)

    def _shortest(self, start: str, search: int = MAX_SEARCH) -> str | None:
        return shortest(
            self.suffix_pattern or ".*",
            start=start,
            max_length=self.longest,
            without=self.reserved_words,
            search=search,
        )

    def near(self, suffix: str) -> Iterator[str]:
        """Suffixes that keep every rule but uniqueness, made from one that does not.

        Without its reserved words, cut to the length, and lengthened until it matches.
        """
        parts = f"-{suffix}-"
        for word in self.reserved_words:
            parts = parts.replace(f"-{word}-", "-")
        cut = parts.strip("-")[: self.longest].rstrip("-")
        if cut and self.allows(cut):
            yield cut
        elif cut and self.begins(cut) and not self._reserved_in(cut):
            with suppress(TooLarge):
                if longer := self._shortest(cut, _QUICK_SEARCH):
                    yield longer


NO_RULES = NamingPolicy()
"""The policy of a tenant that has none."""


def applied(
    policy: NamingPolicy, wish: str, *, taken: Callable[[str], bool], field: str = _FIELD
) -> str:
    """The suffix that is used for the one that was asked for, or NamingPolicyBroken.

    Normalised, prefixed, checked against the rules in this order: normalisation, suffix_required,
    required_prefix, max_length, reserved_words, suffix_pattern, unique_within; the first that is
    broken is the error's `rule`. A suffix that is taken gets a number where the policy says so.
    The error has a suggestion where one is at hand, and that keeps every rule.
    """
    suffix = normalised(wish)
    if wish and not suffix:
        raise _broken(field, "normalisation", f"{wish[:80]!r} has no letter a-z and no digit")
    if not suffix:
        if policy.suffix_required:
            raise _broken(field, "suffix_required", "is empty; the tenant's rules require a suffix")
        return ""
    prefixed = suffix if policy.begins(suffix) else f"{policy.required_prefix}-{suffix}"
    if policy.auto_prefix:
        suffix = prefixed

    def free(candidate: str) -> bool:
        return policy.allows(candidate) and not (_scoped(policy) and taken(candidate))

    for rule, found in policy.broken_by(suffix):
        raise _broken(field, rule, found, next(filter(free, policy.near(prefixed)), None))
    if _scoped(policy) and taken(suffix):
        numbered = _numbered(policy, suffix, free)
        if numbered and policy.on_collision is SuffixCollision.NUMBER:
            return numbered
        among = f"another run or model of the {policy.unique_within.replace('_', ' ')}"
        raise _broken(field, "unique_within", f"{suffix!r} is taken by {among}", numbered)
    return suffix


def _scoped(policy: NamingPolicy) -> bool:
    return policy.unique_within is not SuffixScope.ANYTHING_GOES


def _broken(field: str, rule: str, found: str, suggestion: str | None = None) -> NamingPolicyBroken:
    advice = f"; {suggestion!r} would do" if suggestion else ""
    return NamingPolicyBroken(
        [FieldViolation(field, found + advice)], rule=rule, suggestion=suggestion or ""
    )


def _numbered(policy: NamingPolicy, suffix: str, free: Callable[[str], bool]) -> str | None:
    """The suffix with a number behind it, shortened before the number, that is free.

    The lowest if none below it has become free again. The numbers are doubled and then bisected,
    so that the thousandth costs twenty looks; None if that finds none, nor the first hundred.
    """

    def with_number(number: int) -> str:
        behind = f"-{number}"
        return suffix[: max(0, policy.longest - len(behind))].rstrip("-") + behind

    def is_free(number: int) -> bool:
        candidate = with_number(number)
        return not candidate.startswith("-") and free(candidate)

    low, high = 1, 2
    while not is_free(high):
        low, high = high, 2 * high - 1
        if high > MAX_NUMBER:
            return next(map(with_number, filter(is_free, range(2, 100))), None)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_free(middle) else (middle, high)
    return with_number(high)
