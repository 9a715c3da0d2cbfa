"""What a policy makes of a report."""

from dataclasses import replace

from tunesmith.dataset_rules.findings import Finding, Severity
from tunesmith.dataset_rules.report import Report
from tunesmith.dataset_rules.sensitive.kinds import SENSITIVE_CODES, Policy


def holds_sensitive(report: Report) -> bool:
    """Whether anything was recognised."""
    return any(code in report.counts for code in SENSITIVE_CODES)


def judged(report: Report, policy: Policy) -> Report:
    """The report as it reads under a policy.

    Under `BLOCK` what was recognised is an error. Under `OFF` it is left out, should it have been
    looked for under another policy.
    """
    if policy is Policy.OFF and report.sensitive_searched:
        return replace(
            report,
            findings=tuple(f for f in report.findings if f.code not in SENSITIVE_CODES),
            counts={c: n for c, n in report.counts.items() if c not in SENSITIVE_CODES},
            sensitive_searched=False,
        )
    if policy is not Policy.BLOCK or not holds_sensitive(report):
        return report
    findings = tuple(_as_error(finding) for finding in report.findings)
    return replace(report, findings=findings, valid=False)


def _as_error(finding: Finding) -> Finding:
    if finding.code not in SENSITIVE_CODES:
        return finding
    return replace(finding, severity=Severity.ERROR)
