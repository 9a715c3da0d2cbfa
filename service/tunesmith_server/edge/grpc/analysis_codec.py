"""Analyses, findings and token statistics as the contract shows them."""

from tunesmith.dataset_rules import Finding
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2 as pb

from tunesmith_server.app.statistics import TokenStatistics
from tunesmith_server.domain.analysis import Analysis, AnalysisState
from tunesmith_server.edge.grpc.requests import timestamp

_STATES = {state: getattr(pb, f"ANALYSIS_STATE_{state.name}") for state in AnalysisState}


def analysis(found: Analysis) -> pb.DatasetAnalysis:
    """How far a look at a whole version is."""
    return pb.DatasetAnalysis(
        state=_STATES[found.state],
        bytes_done=found.bytes_done,
        error=found.error,
        complete_time=timestamp(found.complete_time) if found.complete_time else None,
    )


def finding(found: Finding) -> common.Finding:
    """One finding."""
    return common.Finding(
        code=found.code,
        severity=getattr(common, f"FINDING_SEVERITY_{found.severity.name}"),
        line=found.line,
        pointer=found.pointer,
        message=found.message,
        suggestion=found.suggestion,
        count=found.count,
        fixable=found.fixable,
    )


def token_statistics(found: TokenStatistics) -> pb.TokenStatistics:
    """The tokens of a version for one base; only how far it is as long as they are not counted."""
    answer = pb.TokenStatistics(
        base_model=f"baseModels/{found.base.id}",
        tokenizer=found.analysis.tokenizer,
        analysis=analysis(found.analysis),
    )
    if (count := found.count) is None:
        return answer
    within = count.within(found.base.context_length)
    answer.example_count = count.example_count
    answer.total_tokens = count.total
    answer.billable_tokens = within.billable
    answer.longest_example_tokens = count.longest
    answer.percentiles.update(count.percentiles())
    answer.histogram.extend(
        pb.LengthBucket(from_tokens=low, below_tokens=high, count=times)
        for low, high, times in count.histogram()
    )
    answer.truncated_count = within.truncated
    answer.dropped_count = within.dropped
    answer.findings.extend(map(finding, found.findings))
    return answer
