"""Plans, explanations and updates of runs between the domain and the contract."""

from collections.abc import Iterable, Sequence

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import fine_tune_pb2 as pb

from tunesmith_server.app.explaining import Explanation
from tunesmith_server.app.steering import Changes
from tunesmith_server.app.submission import Plan
from tunesmith_server.domain.errors import (
    DomainError,
    FieldImmutable,
    InvalidArgument,
    NamingPolicyBroken,
    PreconditionFailed,
    QuotaExceeded,
)
from tunesmith_server.edge.grpc import analysis_codec
from tunesmith_server.edge.grpc import fine_tune_codec as codec
from tunesmith_server.edge.grpc.requests import duration, masked, money, timestamp
from tunesmith_server.edge.grpc.tenant_codec import quota_effect

_LIMITS = {
    "spec.limits.max_trained_tokens": "max_trained_tokens",
    "spec.limits.max_cost": "max_cost_micros",
    "spec.limits.max_run_time": "max_run_seconds",
    "spec.limits.start_deadline": "start_deadline",
    "spec.limits.on_limit": "on_limit",
}
"""Path in the contract → field of `RunLimits`."""
_SETTABLE = (
    *_LIMITS,
    "labels",
    "annotations",
    "display_name",
    "spec.placement.priority",
    "spec.placement.hold",
    "spec.limits",
)


def plan(plan: Plan) -> pb.PlanFineTuneResponse:
    """The plan as the contract shows it."""
    answer = pb.PlanFineTuneResponse(
        fine_tune=codec.resource(plan.run) if plan.run else None,
        findings=[
            *(finding for fault in plan.faults for finding in _findings(fault)),
            *map(analysis_codec.finding, plan.warnings),
        ],
        quota_effects=map(quota_effect, plan.quota),
        plan_token=plan.token,
    )
    if (seen := plan.forecast) and plan.run:
        answer.total_steps = seen.total_steps
        answer.trained_tokens = seen.trained_tokens
        answer.max_trained_tokens = plan.run.resolved.worst_case_tokens
        answer.min_cost.CopyFrom(money(seen.min_cost_micros))
        answer.max_cost.CopyFrom(money(seen.max_cost_micros))
        answer.cost_basis = seen.cost_basis
        answer.queue_position = seen.position
        if seen.run_time is not None:
            answer.run_time.CopyFrom(duration(seen.run_time.total_seconds()))
            answer.run_time_basis = seen.run_time_basis
        if seen.start is not None:
            answer.estimated_start_time.FromDatetime(seen.start)
    return answer


def _findings(fault: DomainError) -> Iterable[common.Finding]:
    """What is in the way, as findings: one for each field or limit."""
    error = common.FINDING_SEVERITY_ERROR
    match fault:
        case InvalidArgument():
            better = fault.suggestion if isinstance(fault, NamingPolicyBroken) else ""
            advice = f"use {better!r}" if better else ""
            for violation in fault.violations:
                yield common.Finding(
                    code=fault.reason,
                    severity=error,
                    pointer="/" + violation.field.replace(".", "/"),
                    message=violation.description,
                    suggestion=advice,
                )
        case QuotaExceeded():
            for passed in fault.violations:
                wait = "ask for a higher limit" if passed.never_fits else "wait, or ask for more"
                yield common.Finding(
                    code=fault.reason, severity=error, message=str(passed), suggestion=wait
                )
        case PreconditionFailed():
            yield common.Finding(
                code=fault.reason, severity=error, message=f"{fault.subject}: {fault.description}"
            )
        case _:
            yield common.Finding(code=fault.reason, severity=error, message=str(fault))


def explanation(found: Explanation) -> pb.ExplainFineTuneResponse:
    """The explanation as the contract shows it."""
    return pb.ExplainFineTuneResponse(
        summary=found.summary,
        wait_reason=codec.WAITS[found.wait_reason] if found.wait_reason else None,
        queue_position=found.position,
        quota_effects=map(quota_effect, found.quota),
        next_step=found.next_step,
        estimated_start_time=timestamp(found.start),
        reason=found.reason,
        advice=found.advice,
        attempts=found.attempts,
    )


def changes_of(run: pb.FineTune, paths: Sequence[str] | None) -> Changes:
    """What an update sets: the fields of the mask, or those that are set in the run."""
    fields = _fields(run, paths)
    placement = run.spec.placement
    return Changes(
        labels=dict(run.labels) if "labels" in fields else None,
        annotations=dict(run.annotations) if "annotations" in fields else None,
        display_name=run.display_name if "display_name" in fields else None,
        priority=placement.priority if "spec.placement.priority" in fields else None,
        hold=placement.hold if "spec.placement.hold" in fields else None,
        limits=_limits(run, fields),
        etag=run.etag,
    )


def _limits(run: pb.FineTune, fields: frozenset[str]) -> dict[str, object] | None:
    wanted = vars(codec.limits_of(run.spec.limits))
    if "spec.limits" in fields:
        return dict(wanted)
    named = {_LIMITS[field]: wanted[_LIMITS[field]] for field in fields if field in _LIMITS}
    return named or None


def _fields(run: pb.FineTune, paths: Sequence[str] | None) -> frozenset[str]:
    if paths:
        wanted = {path.removeprefix("fine_tune.") for path in paths}
        spread = {"spec.placement": ("spec.placement.priority", "spec.placement.hold")}
        named = [name for path in wanted for name in spread.get(path, (path,))]
        fixed = sorted(n for n in named if n.startswith("spec") and n not in _SETTABLE)
        if fixed:
            raise FieldImmutable(
                "fine_tune",
                f"{', '.join(fixed)} is fixed once submitted; these can be changed: "
                + ", ".join(_SETTABLE),
            )
        return masked(run, named, _SETTABLE, "fine_tune")
    found = {f.name for f, _ in run.ListFields() if f.name in _SETTABLE}
    spec = {f.name for f, _ in run.spec.ListFields()}
    if fixed := sorted(spec - {"placement", "limits"}):
        raise FieldImmutable(
            "fine_tune.spec", f"{', '.join(fixed)} is fixed once submitted; name the rest in a mask"
        )
    if "limits" in spec:
        found.add("spec.limits")
    found |= {f"spec.placement.{f.name}" for f, _ in run.spec.placement.ListFields()}
    return frozenset(found & set(_SETTABLE))
