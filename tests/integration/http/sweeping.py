"""The sweeper of another process, whose clock is ahead."""

import uuid
from datetime import UTC, datetime, timedelta

from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.training_data import TrainingData
from tunesmith_server.adapters.wakeups import LocalHints
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.assembled_uploads import AssembledUploads
from tunesmith_server.app.commands import Commands
from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.pages import Pager
from tunesmith_server.app.sweeping import Sweeper
from tunesmith_server.app.versions import Versions
from tunesmith_server.app.way_in import Means
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.settings import Settings


class Ahead:
    """A clock that is ahead."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


def new_uid() -> str:
    return str(uuid.uuid4())


async def swept_later(
    settings: Settings, *, age: timedelta = timedelta(hours=1), **ahead: float
) -> None:
    """Sweep as it will be done after so long (`minutes=…`); `age` is the sweeper's own."""
    store, clock = SqlStore(settings.database), Ahead(timedelta(**ahead))
    admission, commands = Admission({}), Commands(store, clock)
    blobs = Blobs.open(str(settings.data_dir.absolute() / "blobs"))
    versions = Versions(admission, LocalHints(), new_uid, analysed_at_once=False)
    means = Means(store, commands, admission, blobs, versions, clock)
    assembled = AssembledUploads(means, new_uid, largest=2**30)
    datasets = Datasets(store, commands, admission, blobs, Pager(Sealer(b"x" * 32)), clock)
    sweeper = Sweeper(
        store,
        blobs,
        TrainingData(blobs, settings.data_dir / "training-data"),
        admission,
        assembled,
        datasets,
        clock,
        interval=1,
        age=age,
    )
    await sweeper.sweep()
    await store.close()
