"""What quota costs within a create: the same transactions with and without it, in one process.

Without gRPC, so that the share is not made small by what surrounds it. CPU time of this process,
which writes to SQLite as the service does, several callers in one commit; rounds of both take
turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.dataset_rules import Inspector, encode_report
from tunesmith_server.adapters.sql.migrations import migrate
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.wakeups import LocalHints
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Pager
from tunesmith_server.app.submission import Submission, Wish
from tunesmith_server.bootstrap import UtcClock, new_uid
from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.fine_tune import FineTune, Spec
from tunesmith_server.domain.names import DatasetName, TenantName
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.ports import TenantScope, Transaction

ROUNDS, GROUPS, CALLERS = 9, 8, 16
_CALL = Call(Principal("bench", "acme", Role.EDITOR), "FineTuneService/CreateFineTune")


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
    url = f"sqlite:///{folder / 'quota.db'}"
    await asyncio.to_thread(migrate, url)
    store, clock = SqlStore(url), UtcClock()
    limits = {"fine_tunes_queued": 10**9, "trained_tokens_per_month": 10**15, "models": 10**9}
    await store.write(lambda tx: _prepare(tx, limits))
    commands = Commands(store, clock)
    await Catalogue(store, commands, Pager(Sealer(b"bench"))).install()
    both = [
        Submission(
            store,
            commands,
            admission,
            Sealer(b"bench"),
            LocalHints(),
            clock,
            new_uid,
            node="bench",
            slots=0,
        )
        for admission in (_Unlimited({}), Admission({}))
    ]
    wish = Wish(TenantName("acme"), Spec("tiny-random", "sums"))
    rounds = []
    for number in range(ROUNDS + 1):
        spent = []
        for submission in both:
            began = time.process_time()
            for _ in range(GROUPS):
                await asyncio.gather(*(submission.create(_CALL, wish) for _ in range(CALLERS)))
            spent.append((time.process_time() - began) / (GROUPS * CALLERS) * 1e6)
        if number:  # the first fills caches
            rounds.append(spent)
    await store.close()
    return QuotaCost(
        statistics.median(whole for _, whole in rounds),
        statistics.median(1 - without / whole for without, whole in rounds),
    )


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
