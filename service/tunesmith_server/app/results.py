"""What was measured of a run, as results.csv has it."""

from collections.abc import Sequence

from tunesmith import results

from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.ports import Store

_PAGE = 500


async def measured(store: Store, tenant: str, uid: str) -> list[Event]:
    """The events that tell of a run's training steps, one a step, in their order.

    Where an attempt was lost and steps were trained again, the later event holds.
    """
    by_step: dict[int, Event] = {}
    after = 0
    while True:
        found = await store.read(
            lambda tx, after=after: tx.of(tenant).events(  # type: ignore[misc]
                uid, after=after, limit=_PAGE, kinds=[Kind.METRICS]
            )
        )
        by_step |= {int(event.data["step"]): event for event in found}
        if len(found) < _PAGE:
            return [by_step[step] for step in sorted(by_step)]
        after = found[-1].sequence


def results_csv(steps: Sequence[Event]) -> bytes:
    """The file."""
    rows = [(int(event.data["step"]), event.data["values"]) for event in steps]
    return results.csv_text(rows).encode()
