"""What is known of whole datasets, who is at it, and what does it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tunesmith_server.domain.analysis import Analysis, Content, Outcome
from tunesmith_server.domain.dataset import DatasetState


@dataclass(frozen=True)
class AnalysisClaim:
    """The open analyses of one content, leased to one process for one pass over the bytes."""

    tenant: str
    content: Content
    subjects: tuple[str, ...]
    attempt: int
    """The highest of the subjects', from 1."""
    holder: str
    """Who holds the lease, different for every claim: only writes under it take effect."""


class TenantAnalyses(Protocol):
    """One tenant's analyses within a transaction."""

    def of(self, digests: Collection[str]) -> Sequence[Analysis]:
        """All of these contents, whatever state they are in."""
        ...

    def one(self, content: Content, subject: str) -> Analysis | None:
        """The analysis of one subject, or None if nobody asked for it."""
        ...

    def add(self, analyses: Sequence[Analysis], at: datetime) -> None:
        """Record those that are not there yet, due at once, in the order of `Content.rank`."""
        ...

    def restart(self, analysis: Analysis, at: datetime) -> None:
        """As `add`, also where it is done; one that is open goes on."""
        ...

    def forget_orphans(self, digests: Collection[str]) -> None:
        """Forget those of these digests that no version has any more."""
        ...


class SystemAnalyses(Protocol):
    """Leases on open analyses of any tenant."""

    def claim(
        self,
        holder: str,
        *,
        now: datetime,
        lease: timedelta,
        subjects: Collection[str],
        dead: Collection[str] = (),
    ) -> AnalysisClaim | None:
        """Lease the next content, all of its open `subjects` at once; skips what others claim.

        What compares it with training data is among them, whether it is named or not.
        A lease that has run out, or whose holder is in `dead`, is void.
        """
        ...

    def holders(self) -> Sequence[str]:
        """Who holds leases, run out or not."""
        ...

    def progress(self, claim: AnalysisClaim, bytes_done: int, until: datetime) -> bool:
        """Note how far it is, and keep the lease; False if the lease is lost, or all forgotten."""
        ...

    def finish(
        self,
        claim: AnalysisClaim,
        outcomes: Mapping[str, Outcome],
        now: datetime,
        state: DatasetState | None = None,
    ) -> bool:
        """Record what came of the subjects; False if the lease is lost, and nothing is recorded.

        `state` is that of the versions whose report is completed; there is one with a report alone.
        """
        ...

    def give_back(
        self, claim: AnalysisClaim, *, due: datetime, error: str = "", counts: bool = True
    ) -> None:
        """End the lease, to be tried again at `due`; `counts`: whether this was an attempt."""
        ...


class Analyser(Protocol):
    """Looks at whole contents, in processes of its own."""

    def ready(self, ref: str) -> bool:
        """Whether this machine has the tokenizer. May block for a look at a disk."""
        ...

    def make(self, ref: str) -> None:
        """Begin to make the tokenizer ready, if that is possible; once, however often asked."""
        ...

    async def analyse(
        self,
        content: Content,
        subjects: Sequence[str],
        on_progress: Callable[[int], Awaitable[bool]],
        *,
        sensitive: str = "off",
    ) -> Mapping[str, Outcome]:
        """One pass over the bytes. Raises AnalysisBroken if it ended early; trying again may help.

        `on_progress` is told how many bytes are done, and answers whether to go on. `sensitive` is
        what the rules make of secrets and personal data: a `dataset_rules.sensitive.Policy`.
        """
        ...


class AnalysisBroken(Exception):
    """The pass ended early, with what is known of why."""
