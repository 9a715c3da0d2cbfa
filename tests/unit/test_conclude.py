"""What a tenant's policy makes of what is known of a version."""

import json
from datetime import UTC, datetime

import pytest
from tunesmith.dataset_rules import Inspector, Report
from tunesmith.dataset_rules.sensitive import Policy
from tunesmith_server.app.sensitive_data import conclude
from tunesmith_server.domain.dataset import DatasetState
from tunesmith_server.domain.tenant import SensitiveDataPolicy, Tenant, sensitive_data_policy

POLICIES = [p for p in SensitiveDataPolicy if p is not SensitiveDataPolicy.INHERITED]
LOUD = {"prompt": "Who?", "completion": " jane@gmail.com"}
CLEAN = {"prompt": "Who?", "completion": " me"}
BROKEN = {"prompt": "Who?"}
READY, INVALID, PROCESSING = DatasetState.READY, DatasetState.INVALID, DatasetState.PROCESSING


def report(row: object, *, analysed: bool) -> Report:
    inspector = Inspector(analyse=analysed, sensitive=Policy.WARN if analysed else Policy.OFF)
    inspector.feed(json.dumps(row).encode())
    return inspector.finish()


@pytest.mark.parametrize(
    ("policy", "before", "clean", "loud", "redact"),
    [
        ("OFF", READY, READY, READY, False),
        ("WARN", READY, READY, READY, False),
        ("BLOCK", PROCESSING, READY, INVALID, False),
        ("REDACT", PROCESSING, READY, READY, True),
    ],
)
def test_the_states_of_a_version_before_and_after_the_look_at_the_whole(
    policy: str, before: DatasetState, clean: DatasetState, loud: DatasetState, redact: bool
) -> None:
    held = SensitiveDataPolicy[policy]
    assert conclude(held, report(LOUD, analysed=False)).state is before
    decision = conclude(held, report(CLEAN, analysed=True))
    assert (decision.state, decision.redact, decision.report.valid) == (clean, False, True)
    decision = conclude(held, report(LOUD, analysed=True))
    assert (decision.state, decision.redact) == (loud, redact)
    assert decision.report.valid is (loud is READY)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("analysed", [False, True])
def test_what_has_errors_is_invalid_at_once_and_never_redacted(
    policy: SensitiveDataPolicy, analysed: bool
) -> None:
    decision = conclude(policy, report(BROKEN, analysed=analysed))
    assert (decision.state, decision.redact) == (INVALID, False)


def test_a_tenant_inherits_the_policy_of_the_nearest_above() -> None:
    def chain(*policies: SensitiveDataPolicy) -> list[Tenant]:
        return [Tenant("t", datetime.now(UTC), sensitive_data=policy) for policy in policies]

    none, block, off = (SensitiveDataPolicy[name] for name in ("INHERITED", "BLOCK", "OFF"))
    assert sensitive_data_policy(chain(none, none)) is SensitiveDataPolicy.WARN
    assert sensitive_data_policy(chain(none, block, off)) is block
    assert sensitive_data_policy(chain(off, block)) is off
