"""What a run with a dataset would take, for each base whose tokens of it are counted."""

from dataclasses import dataclass

from tunesmith_server.app.counted import billable_tokens
from tunesmith_server.app.forecast import seconds_for
from tunesmith_server.app.statistics import content_of, listed
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.hyperparameters import GUIDE_EPOCHS
from tunesmith_server.domain.quota import cost_micros
from tunesmith_server.ports import TenantScope, Transaction


@dataclass(frozen=True)
class Estimate:
    """One base's."""

    base_model: str
    tokens_per_epoch: int
    epochs: int
    cost_micros: int | None
    """None where the base has no price."""
    seconds: float | None
    """None where no run on the base has been seen."""


def estimates(tx: Transaction, scope: TenantScope, dataset: Dataset) -> tuple[Estimate, ...]:
    """In the catalogue's order."""
    content = content_of(dataset)
    if content is None:
        return ()
    found = []
    for base in listed(tx, scope):
        tokens = billable_tokens(scope, content, base, base.context_length)
        if tokens is None:
            continue
        trained = tokens * GUIDE_EPOCHS
        price = base.price_micros_per_million
        cost = cost_micros(trained, price) if price else None
        seconds = seconds_for(tx, base.id, trained)
        found.append(Estimate(base.id, tokens, GUIDE_EPOCHS, cost, seconds))
    return tuple(found)
