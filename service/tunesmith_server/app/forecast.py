"""How long, how much, when: said from what runs here have really taken, with what it rests on."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tunesmith_server.app.scheduler import queues
from tunesmith_server.domain.fair_share import turn
from tunesmith_server.domain.fine_tune import FineTune, Resolved
from tunesmith_server.domain.quota import cost_micros
from tunesmith_server.ports import TenantScope, Transaction

_RECENT = 20
BYTES_PER_TOKEN = 4.0
"""Of English text with the tokenizers of present models, roughly; used until a run has measured."""


@dataclass(frozen=True)
class Forecast:
    """What a run should take. None where nobody can tell."""

    total_steps: int
    trained_tokens: int
    min_cost_micros: int
    max_cost_micros: int
    cost_basis: str
    run_time: timedelta | None
    run_time_basis: str
    position: int
    """The place in the queue, from 1."""
    start: datetime | None


def forecast(
    tx: Transaction, scope: TenantScope, run: FineTune, *, node: str, slots: int, now: datetime
) -> Forecast:
    """What `run`, which waits or might be submitted, should take."""
    resolved = run.resolved
    recent = tx.system.recent_runs(resolved.base_model, _RECENT)
    tokens, basis = _tokens(run, recent)
    price = resolved.price_micros_per_million
    seconds, run_time_basis = _seconds(tokens, recent)
    position, start = _queue(tx, run, seconds, node=node, slots=slots, now=now)
    values = resolved.hyperparameters
    per_epoch = -(-resolved.training.example_count // values.batch_size)
    return Forecast(
        total_steps=per_epoch * values.n_epochs,
        trained_tokens=tokens,
        min_cost_micros=cost_micros(tokens, price),
        max_cost_micros=cost_micros(resolved.worst_case_tokens, price),
        cost_basis=f"{tokens} tokens expected ({basis}), {resolved.worst_case_tokens} at most"
        f"{_bound(resolved)}, at {price / 1e6:g} per million",
        run_time=None if seconds is None else timedelta(seconds=seconds),
        run_time_basis=run_time_basis,
        position=position,
        start=start,
    )


def _bound(resolved: Resolved) -> str:
    """What the most tokens rest on, where that is not a count."""
    if resolved.training.tokens is not None:
        return ""
    return " (a token is at least a byte; they are not counted yet)"


def _tokens(run: FineTune, recent: Sequence[FineTune]) -> tuple[int, str]:
    """Tokens over all epochs, and how that is known."""
    training, epochs = run.resolved.training, run.resolved.hyperparameters.n_epochs
    worst = run.resolved.worst_case_tokens
    if training.tokens is not None:
        return min(worst, training.tokens * epochs), f"counted, {training.tokens} an epoch"
    for each in recent:
        theirs = each.resolved
        if each.name.tenant != run.name.tenant or each.stopped_at:
            continue
        if theirs.training.digest == training.digest and each.progress.trained_tokens:
            per_epoch = each.progress.trained_tokens / theirs.hyperparameters.n_epochs
            return min(worst, round(per_epoch * epochs)), f"measured by {each.name.id}"
    estimate = training.text_bytes / BYTES_PER_TOKEN * epochs
    return min(worst, round(estimate)), f"{BYTES_PER_TOKEN:g} bytes a token assumed"


def seconds_for(tx: Transaction, base_model: str, tokens: int) -> float | None:
    """How long so many tokens train on a base, by the newest runs on it; None without any."""
    return _seconds(tokens, tx.system.recent_runs(base_model, _RECENT))[0]


def _seconds(tokens: int, recent: Sequence[FineTune]) -> tuple[float | None, str]:
    """How long that many tokens take, from the newest runs on the base."""
    speeds = [
        each.progress.trained_tokens / (each.end_time - each.start_time).total_seconds()
        for each in recent
        if each.start_time and each.end_time and each.end_time > each.start_time
    ]
    speeds = [speed for speed in speeds if speed > 0]
    if not speeds:
        return None, ""
    middle = sorted(speeds)[len(speeds) // 2]
    return tokens / middle, f"{middle:.0f} tokens/s, the middle of {len(speeds)} runs here"


def _queue(
    tx: Transaction,
    run: FineTune,
    seconds: float | None,
    *,
    node: str,
    slots: int,
    now: datetime,
) -> tuple[int, datetime | None]:
    """The place in the queue, and when the run should start."""
    ahead = runs_ahead(tx, run)
    free = slots - tx.system.slots_used(node)
    if free > ahead:
        return ahead + 1, now
    finishes = sorted(
        each.progress.estimated_finish
        for each in tx.system.under_way(node)
        if each.progress.estimated_finish
    )
    if not finishes or not slots or (ahead and seconds is None):
        return ahead + 1, None
    # whoever is ahead is taken to be as long as this one: nothing better is known of the others
    rounds, place = divmod(ahead, max(1, len(finishes)))
    begin = max(now, finishes[place]) + timedelta(seconds=(seconds or 0) * rounds)
    return ahead + 1, begin


def runs_ahead(tx: Transaction, run: FineTune) -> int:
    """How many waiting runs go before it, as things stand: tenants take turns."""
    waiting, present = queues(tx)
    lengths = tx.system.queue_lengths()
    scope = tx.of(run.name.tenant)
    before = scope.queued_before(run)
    turns = {queue.tenant.id: queue.turn(present) for queue in waiting if not queue.suspended}
    # one that has nothing in the queue yet comes after those whose turn is at the same time
    newcomer = (turn(scope.share(), present), sys.maxsize, run.name.tenant)
    own = turns.pop(run.name.tenant, newcomer)
    # until it starts, tenants whose turn is earlier have one turn more than those who come later
    return before + sum(
        min(before + (theirs < own), lengths[tenant]) for tenant, theirs in turns.items()
    )
