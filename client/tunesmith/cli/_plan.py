"""A plan and an explanation, as people like to read them."""

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from tunesmith.cli import _bars, _findings
from tunesmith.cli._moments import until
from tunesmith.cli._output import listing, pairs
from tunesmith.cli._quantities import large, money
from tunesmith.cli._runs import waits_for
from tunesmith.cli._text import duration, last, plain, size, when
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb


def refused(plan: pb.PlanFineTuneResponse) -> bool:
    """Whether a create would be refused."""
    return any(f.severity == common_pb2.FINDING_SEVERITY_ERROR for f in plan.findings)


def write(console: Console, plan: pb.PlanFineTuneResponse) -> None:
    """Write what the run would be, take, cost and wait for, and all that is in its way."""
    if plan.HasField("fine_tune"):  # not if it cannot even be told which run that would be
        _heading(console, "The run")
        pairs(console, _run(plan.fine_tune))
    if values := plan.fine_tune.resolved.values:
        _heading(console, "What it resolves to")
        rows = [[last_part(v.path), v.value, v.source, v.reason] for v in values]
        listing(console, ("setting", "value", "from", "why"), rows, prose=("why",))
    if any((needs := _needs(plan)).values()):
        _heading(console, "What it takes")
        pairs(console, needs)
    if plan.quota_effects:
        _heading(console, "What it does to the quota")
        _bars.effects_of_a_wish(console, plan.quota_effects)
    if plan.findings:
        _heading(console, "What is in the way" if refused(plan) else "What to know")
        _findings.report(console, plan.findings)


def write_explanation(console: Console, why: pb.ExplainFineTuneResponse) -> None:
    """Write why a run waits or failed, in words and then in numbers."""
    console.print(plain(why.summary), markup=False, soft_wrap=True)
    facts = {
        "waits for": waits_for(why.wait_reason),
        "place in the queue": why.queue_position or "",
        "should start": _start(why.estimated_start_time)
        if why.HasField("estimated_start_time")
        else "",
        "reason": why.reason,
        "what to do": why.advice,
        "next": why.next_step,
    }
    if any(facts.values()):
        pairs(console, facts)
    if why.quota_effects:
        _heading(console, "The limits")
        _bars.effects_of_a_wish(console, why.quota_effects)
    if why.attempts:
        _heading(console, "Its starts")
        for number, words in enumerate(why.attempts, start=1):
            console.print(plain(f"{number}. {words}"), markup=False, soft_wrap=True)


def last_part(path: str) -> str:
    """`n_epochs` of `spec.supervised.hyperparameters.n_epochs`."""
    return path.rpartition(".")[2]


def _run(run: pb.FineTune) -> dict[str, object]:
    spec, resolved = run.spec, run.resolved
    return {
        "base model": last(resolved.base_model or spec.base_model),
        "goes on from": last(resolved.parent_model),
        "training": _dataset(resolved.training_dataset, spec.training_dataset),
        "validation": _dataset(resolved.validation_dataset, spec.validation_dataset),
        "suffix": spec.suffix,
        "backend": resolved.backend,
    }


def _dataset(version: pb.DatasetVersionRef, asked: str) -> str:
    if not version.dataset:
        return last(asked)
    digest = version.digest.removeprefix("sha256:")[:12]
    return f"{last(version.dataset)}, {version.example_count:,} examples ({digest})"


def _needs(plan: pb.PlanFineTuneResponse) -> dict[str, object]:
    tokens = large(plan.trained_tokens)
    if plan.max_trained_tokens > plan.trained_tokens:
        tokens += f", at most {large(plan.max_trained_tokens)}, which are reserved"
    run_time = ""
    if plan.HasField("run_time"):
        run_time = f"about {duration(plan.run_time.ToTimedelta().total_seconds())}"
    return {
        "steps": f"{plan.total_steps:,}" if plan.total_steps else "",
        "trained tokens": tokens if plan.trained_tokens or plan.max_trained_tokens else "",
        "cost": _because(_cost(plan), plan.cost_basis),
        "run time": _because(run_time, plan.run_time_basis),
        "memory": size(plan.memory_bytes) if plan.memory_bytes else "",
        "place in the queue": plan.queue_position or "",
        "should start": _start(plan.estimated_start_time)
        if plan.HasField("estimated_start_time")
        else "",
    }


def _cost(plan: pb.PlanFineTuneResponse) -> str:
    if not plan.HasField("max_cost"):
        return money(plan.min_cost) if plan.HasField("min_cost") else ""
    if plan.min_cost.micros == plan.max_cost.micros:
        return money(plan.max_cost)
    return f"{money(plan.min_cost)} to {money(plan.max_cost)}"


def _because(value: str, basis: str) -> str:
    return f"{value} ({basis})" if value and basis else value


def _start(moment: Timestamp) -> str:
    return f"{when(moment)} ({until(moment)})"


def _heading(console: Console, words: str) -> None:
    console.print(f"\n{words}", style="bold", markup=False)
