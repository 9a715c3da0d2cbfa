"""Preparations on the wire."""

from collections.abc import Iterator

from tunesmith.dataset_rules import RULES, Severity
from tunesmith.dataset_rules.fixes import Fix, Need, Summary
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2 as pb

from tunesmith_server.app.estimates import Estimate
from tunesmith_server.app.preparing import PreparedDataset
from tunesmith_server.edge.grpc.requests import money


def response(prepared: PreparedDataset, dataset: pb.Dataset | None) -> pb.PrepareDatasetResponse:
    """What was proposed or done; `dataset` is the one with the new version, if one was made."""
    summary = prepared.summary
    answer = pb.PrepareDatasetResponse(
        findings=_findings(summary),
        dataset=dataset,
        fixes=(_fix(fix, prepared.applied) for fix in summary.fixes),
        estimates=map(_estimate, prepared.estimates),
        command=prepared.command,
    )
    if summary.split is not None:
        split = summary.split
        answer.split.validation_share = split.validation_share
        answer.split.training_count = split.training_count
        answer.split.validation_count = split.validation_count
        answer.split.stratified = split.stratified
        answer.split.reason = split.reason
    return answer


def _findings(summary: Summary) -> Iterator[common.Finding]:
    """What the fixes mend, then what no fix can."""
    for fix in summary.fixes:
        severity = RULES[fix.code].severity if fix.code in RULES else Severity.INFO
        yield common.Finding(
            code=fix.code,
            severity=_severity(severity),
            line=fix.samples[0].line if fix.samples else 0,
            message=fix.title,
            count=fix.count,
            fixable=True,
        )
    for fault in summary.faults:
        yield common.Finding(
            code=fault.code,
            severity=_severity(Severity.ERROR),
            line=fault.line,
            pointer=fault.pointer,
            message=fault.message,
            suggestion=fault.suggestion or RULES[fault.code].suggestion,
            count=1,
        )


def _severity(severity: Severity) -> common.FindingSeverity:
    number: common.FindingSeverity = getattr(common, f"FINDING_SEVERITY_{severity.name}")
    return number


def _fix(fix: Fix, applied: bool) -> pb.DatasetFix:
    return pb.DatasetFix(
        code=fix.code,
        title=fix.title,
        necessary=fix.need is Need.NECESSARY,
        count=fix.count,
        samples=(
            pb.FixSample(line=sample.line, before=sample.before, after=sample.after)
            for sample in fix.samples
        ),
        applied=applied and fix.applied,
    )


def _estimate(estimate: Estimate) -> pb.TrainingEstimate:
    return pb.TrainingEstimate(
        base_model=f"baseModels/{estimate.base_model}",
        tokens_per_epoch=estimate.tokens_per_epoch,
        epochs=estimate.epochs,
        cost=None if estimate.cost_micros is None else money(estimate.cost_micros),
        seconds=estimate.seconds,
    )
