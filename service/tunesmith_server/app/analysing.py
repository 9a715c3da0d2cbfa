"""Driving the looks at whole datasets: who takes which, and what becomes of it.

Replicas share the work by leases in the database. One that dies is followed by another when its
lease has run out, or at once where it is known to be gone; what keeps failing is given up.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from tunesmith.dataset_rules import Report, decode_report, encode_report

from tunesmith_server.app.background import again_and_again
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.sensitive_data import conclude, policy_of, redacted, searched
from tunesmith_server.app.versions import NewVersion, Versions
from tunesmith_server.domain.access import SYSTEM
from tunesmith_server.domain.analysis import RULES, Outcome
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import NotFound, QuotaExceeded
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.ports import (
    Analyser,
    AnalysisBroken,
    AnalysisClaim,
    BlobRef,
    Blobs,
    Clock,
    Hints,
    Store,
    Transaction,
)

log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=10)
_RENEWED_EVERY = 1.0
_POLL = 2.0
_REDACTING = Call(SYSTEM, "DatasetService/PrepareDataset")
_AGAIN_AFTER = timedelta(seconds=2)
"""Doubled with each attempt."""


class Analysing:
    """Looks at datasets, one after the other: each takes all the cores that there are for it."""

    def __init__(
        self,
        store: Store,
        analyser: Analyser,
        hints: Hints,
        clock: Clock,
        new_uid: Callable[[], str],
        commands: Commands,
        versions: Versions,
        blobs: Blobs,
        *,
        owner: str,
        is_alive: Callable[[str], bool],
        attempts: int = 3,
    ) -> None:
        self._store = store
        self._analyser = analyser
        self._hints = hints
        self._clock = clock
        self._new_uid = new_uid
        self._commands = commands
        self._versions = versions
        self._blobs = blobs
        self._owner = owner
        self._is_alive = is_alive
        self._attempts = attempts

    async def run(self) -> None:
        """Look at what is open, until cancelled."""
        pause = partial(self._hints.wait, "analysis", _POLL)
        await again_and_again("analysing", self._work, pause)

    async def _work(self) -> None:
        while await self.work_once():
            pass

    async def work_once(self) -> bool:
        """Look at the next content, if there is one."""
        claim = await self._claim()
        if claim is None:
            return False
        if claim.attempt > self._attempts:
            await self._give_up(claim)
            return True
        try:
            policy = await self._store.read(lambda tx: policy_of(tx.of(claim.tenant)))
            outcomes = await self._analysed(claim, policy)
        except AnalysisBroken as error:
            await self._again(claim, str(error))
        except NotFound as error:
            await self._finish(claim, dict.fromkeys(claim.subjects, Outcome(error=str(error))))
        except asyncio.CancelledError:  # the service ends; it is not the dataset's fault
            with contextlib.suppress(Exception):
                await asyncio.shield(self._give_back(claim))
            raise
        except Exception as error:
            log.exception("analysis_failed digest=%s", claim.content.digest)
            await self._again(claim, f"it failed within the service ({type(error).__name__})")
        else:
            if outcomes is not None:
                await self._conclude(claim, outcomes, policy)
        return True

    async def _claim(self) -> AnalysisClaim | None:
        def look(tx: Transaction) -> tuple[set[str], Sequence[str]]:
            refs = {base.tokenizer_ref for base in tx.system.base_models()}
            return refs, tx.system.analyses.holders()

        refs, holders = await self._store.read(look)
        ready = await asyncio.to_thread(lambda: [ref for ref in refs if self._analyser.ready(ref)])
        dead = [each for each in holders if not self._is_alive(each)]
        # unlike for every claim, so that a lease which was lost and given anew is known as another
        holder = f"{self._owner}.{self._new_uid()[-8:]}"
        now = self._clock.now()
        return await self._store.write(
            lambda tx: tx.system.analyses.claim(
                holder, now=now, lease=_LEASE, subjects=[RULES, *ready], dead=dead
            )
        )

    async def _analysed(
        self, claim: AnalysisClaim, policy: SensitiveDataPolicy
    ) -> dict[str, Outcome] | None:
        """What came of each subject; None if nobody wants to know any more."""
        lost = False
        done = 0

        async def progress(bytes_done: int) -> bool:
            nonlocal done
            done = bytes_done
            return not lost

        def note(tx: Transaction) -> bool:
            return tx.system.analyses.progress(claim, done, self._clock.now() + _LEASE)

        async def renew() -> None:
            nonlocal lost
            lost = lost or not await self._store.write(note)

        # also while the store is away: the lease may outlast that
        pause = partial(asyncio.sleep, _RENEWED_EVERY)
        renewing = asyncio.create_task(again_and_again("analysis lease", renew, pause))
        try:
            outcomes = await self._analyser.analyse(
                claim.content, claim.subjects, progress, sensitive=searched(policy).value
            )
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return None if lost else dict(outcomes)

    async def _conclude(
        self, claim: AnalysisClaim, outcomes: dict[str, Outcome], policy: SensitiveDataPolicy
    ) -> None:
        """Record what came of the subjects, as the tenant's policy has it.

        Under REDACT the version without what was found comes with the same transaction: nobody can
        train on the one before it.
        """
        found = outcomes.get(RULES)
        if found is None or found.report is None:
            await self._finish(claim, outcomes)
            return
        decision = conclude(policy, decode_report(found.report))
        outcomes[RULES] = Outcome(report=encode_report(decision.report))
        if not decision.redact:
            await self._finish(claim, outcomes, decision.state)
            return
        digest, now = claim.content.digest, self._clock.now()
        there = await self._store.read(lambda tx: tx.of(claim.tenant).datasets_of(digest))
        clean = await redacted(self._blobs, there[0]) if there else None

        def work(tx: Transaction) -> None:
            if not tx.system.analyses.finish(claim, outcomes, now, decision.state):
                return
            if clean is None:
                return
            for dataset in tx.of(claim.tenant).datasets_of(digest):
                self._versions.add(tx, _without(dataset, *clean), now)
                self._commands.done(
                    *(tx, _REDACTING, claim.tenant, dataset.name),
                    f"sensitive data: redacted from {dataset.digest}",
                )

        try:
            await self._store.write(work)
        except QuotaExceeded as error:
            words = f"there is no room for the version without sensitive data: {error}"
            await self._finish(claim, outcomes | {RULES: Outcome(error=words)})
        self._versions.announce()

    async def _finish(
        self,
        claim: AnalysisClaim,
        outcomes: dict[str, Outcome],
        state: DatasetState | None = None,
    ) -> None:
        now = self._clock.now()
        await self._store.write(lambda tx: tx.system.analyses.finish(claim, outcomes, now, state))

    async def _again(self, claim: AnalysisClaim, error: str) -> None:
        """Try again later, as long as there are attempts left."""
        log.warning("analysis_broken attempt=%s error=%s", claim.attempt, error)
        if claim.attempt >= self._attempts:
            await self._give_up(claim, error)
            return
        due = self._clock.now() + _AGAIN_AFTER * 2 ** (claim.attempt - 1)
        await self._store.write(
            lambda tx: tx.system.analyses.give_back(claim, due=due, error=error)
        )

    async def _give_up(
        self, claim: AnalysisClaim, error: str = "the process ended each time"
    ) -> None:
        words = f"given up after {self._attempts} attempts: {error}"
        await self._finish(claim, dict.fromkeys(claim.subjects, Outcome(error=words)))

    async def _give_back(self, claim: AnalysisClaim) -> None:
        now = self._clock.now()
        await self._store.write(
            lambda tx: tx.system.analyses.give_back(claim, due=now, counts=False)
        )


def _without(dataset: Dataset, blob: BlobRef, report: Report) -> NewVersion:
    """The version of a dataset without secrets and personal data."""
    return NewVersion(
        name=dataset.name,
        blob=blob,
        report=report,
        created_by=SYSTEM.id,
        file_name=dataset.file_name,
        parent_digest=dataset.digest,
    )
