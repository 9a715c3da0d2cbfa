"""What quota costs within a create: the same transactions with and without it, in one process.

Without gRPC, so that the share is not made small by what surrounds it. CPU time of this process,
which writes to SQLite as the service does, several callers in one commit; rounds of both take
turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunesmith.dataset_rules import Inspector, encode_report
from tunesmith_server.adapters.sql.migrations import migrate
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.wakeups import LocalHints
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.once import Once
from tunesmith_server.app.pages import Pager
from tunesmith_server.app.statistics import Statistics
from tunesmith_server.app.submission import Submission, Wish
from tunesmith_server.bootstrap import UtcClock, new_uid
from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.fine_tune import FineTune, Spec
from tunesmith_server.domain.integrations import IntegrationPolicy
from tunesmith_server.domain.names import DatasetName, TenantName
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.ports import TenantScope, Transaction

ROUNDS, GROUPS, CALLERS = 9, 8, 16
_CALL = Call(Principal("bench", "acme", Role.EDITOR), "FineTuneService/CreateFineTune")
_NOBODY: Any = None  # a create asks nobody to analyse anything
_WISH = Wish(TenantName("acme"), Spec("tiny-random", "sums"))


class _Unlimited(Admission):
    """Admits everybody without looking: the peer."""

    def admit(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Reserve nothing."""


@dataclass(frozen=True)
class QuotaCost:
    """The middle of the rounds."""

    whole: float
    """CPU microseconds of one create with quota."""
    share: float
    """Part of it that quota is."""


async def measure(folder: Path) -> QuotaCost:
    """Create runs with and without quota, taking turns."""
    async with (
        bench_store(folder / "free.db", _Unlimited({})) as (_, free),
        bench_store(folder / "quota.db") as (_, bounded),
    ):
        rounds = []
        for number in range(ROUNDS + 1):
            spent = []
            for submission in (free, bounded):
                began = time.process_time()
                for _ in range(GROUPS):
                    await create_all(submission)
                spent.append((time.process_time() - began) / (GROUPS * CALLERS) * 1e6)
            if number:  # the first fills caches
                rounds.append(spent)
    return QuotaCost(
        statistics.median(whole for _, whole in rounds),
        statistics.median(1 - without / whole for without, whole in rounds),
    )


@asynccontextmanager
async def bench_store(
    database: Path, admission: Admission | None = None
) -> AsyncIterator[tuple[SqlStore, Submission]]:
    """A fresh database with a tenant and a dataset, and what creates runs in it."""
    url = f"sqlite:///{database}"
    await asyncio.to_thread(migrate, url)
    store, clock = SqlStore(url), UtcClock()
    limits = {"fine_tunes_queued": 10**9, "trained_tokens_per_month": 10**15, "models": 10**9}
    await store.write(lambda tx: _prepare(tx, limits))
    commands, sealer, hints = Commands(store, clock), Sealer(b"bench"), LocalHints()
    await Catalogue(store, commands, Pager(sealer)).install()
    try:
        yield (
            store,
            Submission(
                store,
                commands,
                admission or Admission({}),
                sealer,
                hints,
                clock,
                new_uid,
                Statistics(store, _NOBODY, hints, clock, plan_wait=0, validate_wait=0),
                node="bench",
                slots=0,
                integrations=IntegrationPolicy(),
            ),
        )
    finally:
        await store.close()


async def create_all(submission: Submission) -> None:
    """As many runs at once as there are callers, each with a request_id, as clients send it."""
    await asyncio.gather(*(submission.create(_call(), _WISH) for _ in range(CALLERS)))


def _call() -> Call:
    once = Once(str(uuid.uuid4()), "FineTuneService/CreateFineTune", "bench")
    return replace(_CALL, request=once)


def _prepare(tx: Transaction, limits: dict[str, int]) -> None:
    now = datetime.now(UTC)
    tx.system.add_tenant(Tenant("acme", now, limits=limits))
    inspector = Inspector()
    rows = b'{"prompt": "1 + 1 =", "completion": " 2"}\n{"prompt": "2 + 2 =", "completion": " 4"}\n'
    inspector.feed(rows)
    report = inspector.finish()
    tx.of("acme").put_dataset(
        Dataset(
            name=DatasetName("acme", "sums"),
            uid="sums",
            digest=report.sha256,
            state=DatasetState.READY,
            size_bytes=len(rows),
            example_count=report.example_count,
            shape="prompt_completion",
            report=encode_report(report),
            create_time=now,
            version_time=now,
        )
    )
