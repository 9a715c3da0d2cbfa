"""Tenants, keys, quotas, usage, bill and audit on the command line."""

import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from google.rpc import code_pb2
from rich.console import Console
from tunesmith import AsyncClient
from tunesmith.cli import _bars
from tunesmith.v1 import common_pb2
from tunesmith.v1 import tenant_pb2 as pb

from tests.fakes.servicer import FakeService, a_status
from tests.unit.client.conftest import Tunesmith

TOKENS = common_pb2.QuotaEffect(
    dimension="trained_tokens_per_month",
    limit=5_000_000,
    used=1_250_000,
    reserved=250_000,
    remaining=3_500_000,
    scope="tenants/umbrella",
    fits=True,
)
BYTES = common_pb2.QuotaEffect(dimension="dataset_bytes", used=2_000_000, fits=True)


@pytest.fixture(autouse=True)
async def acme(client: AsyncClient) -> None:
    await client.tenants.create("acme", limits={"datasets": 5, "models": None})


async def test_a_tenant_is_made_with_everything(tunesmith: Tunesmith, service: FakeService):
    made = await tunesmith(
        *("tenants", "create", "globex", "--parent", "acme", "--share-weight", "3"),
        *("--limit", "cost_per_month=250.00", "--limit", "fine_tunes_running@ada=unlimited"),
        *("--label", "tier=gold", "--allow-model", "ada", "--required-prefix", "g-"),
        *("--auto-prefix", "--reserved-word", "prod", "--max-suffix-length", "40"),
        *("--unique-within", "tenant", "--on-collision", "number"),
    )
    assert made.exit_code == 0
    tenant = service.tenants["tenants/globex"]
    assert [(one.dimension, one.base_model, one.value) for one in tenant.limits] == [
        ("cost_per_month", "", 250_000_000),
        ("fine_tunes_running", "ada", 0),
    ]
    assert (tenant.parent_tenant, tenant.share_weight) == ("tenants/acme", 3)
    assert (dict(tenant.labels), list(tenant.allowed_base_models)) == ({"tier": "gold"}, ["ada"])
    assert tenant.naming == pb.NamingPolicy(
        required_prefix="g-",
        auto_prefix=True,
        reserved_words=["prod"],
        max_length=40,
        unique_within=pb.SUFFIX_SCOPE_TENANT,
        on_collision=pb.SUFFIX_COLLISION_NUMBER,
    )
    assert "limit cost_per_month          250.00\n" in made.stdout
    assert "limit fine_tunes_running@ada  unlimited\n" in made.stdout
    assert "keys create --tenant globex" in made.stderr
    assert "acme" in (await tunesmith("tenants", "list")).stdout


async def test_an_update_changes_labels_and_naming_in_part(
    tunesmith: Tunesmith, service: FakeService
):
    await tunesmith("tenants", "update", "acme", "--label", "a=1", "--label", "b=2")
    await tunesmith("tenants", "update", "acme", "--required-prefix", "acme-")
    changed = await tunesmith(
        *("tenants", "update", "acme", "--label", "c=3", "--remove-label", "a", "--auto-prefix")
    )
    assert changed.exit_code == 0
    tenant = service.tenants["tenants/acme"]
    assert dict(tenant.labels) == {"b": "2", "c": "3"}
    assert tenant.naming == pb.NamingPolicy(required_prefix="acme-", auto_prefix=True)
    assert sorted(service.sent(pb.UpdateTenantRequest)[-1].update_mask.paths) == [
        "labels",
        "naming",
    ]
    assert all(request.tenant.etag for request in service.sent(pb.UpdateTenantRequest))
    nothing = await tunesmith("tenants", "update", "acme")
    assert nothing.exit_code == 2
    assert "say what to change" in nothing.stderr
    absent = await tunesmith("tenants", "update", "acme", "--remove-label", "zz")
    assert (absent.exit_code, "no label 'zz'" in absent.stderr) == (2, True)


async def test_what_becomes_of_sensitive_data_is_set_shown_and_given_up(
    tunesmith: Tunesmith, service: FakeService
):
    made = await tunesmith("tenants", "create", "globex", "--sensitive-data", "block")
    assert "sensitive data  block\n" in made.stdout
    assert service.tenants["tenants/globex"].sensitive_data == pb.SENSITIVE_DATA_POLICY_BLOCK
    changed = await tunesmith("tenants", "update", "globex", "--sensitive-data", "redact")
    assert "sensitive data  redact\n" in changed.stdout
    given_up = await tunesmith("tenants", "update", "globex", "--sensitive-data", "inherited")
    assert "sensitive data" not in given_up.stdout
    assert not service.tenants["tenants/globex"].sensitive_data
    wrong = await tunesmith("tenants", "update", "globex", "--sensitive-data", "no")
    assert (wrong.exit_code, "redact" in wrong.stderr) == (2, True)


async def test_somebody_elses_change_at_the_same_time_is_an_error_with_a_hint(
    tunesmith: Tunesmith, service: FakeService
):
    service.faults.fail["UpdateTenant"] = [a_status(code_pb2.ABORTED, "changed", "ETAG_MISMATCH")]
    refused = await tunesmith("tenants", "update", "acme", "--name", "Acme")
    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: changed\nhint: somebody else changed it at the same time: look at it and run this "
        "again\n"
    )


async def test_a_suspended_tenant_says_why_and_how_to_go_on(tunesmith: Tunesmith):
    suspended = await tunesmith(
        "tenants", "suspend", "acme", "--reason", "unpaid", "--running", "pause"
    )
    assert "state              suspended\n" in suspended.stdout
    assert "suspended because  unpaid\nits runs           pause\n" in suspended.stdout
    assert "tunesmith tenants resume acme" in suspended.stderr
    resumed = await tunesmith("tenants", "resume", "acme")
    assert "active" in resumed.stdout
    assert "unpaid" not in resumed.stdout


async def test_a_cascade_wants_the_id_typed(tunesmith: Tunesmith, service: FakeService):
    service.usage = [common_pb2.QuotaEffect(dimension="datasets", used=12)]
    for typed, words in (("", "nobody answers; say --confirm ID"), ("acm\n", "is not its id")):
        refused = await tunesmith("tenants", "delete", "acme", "--cascade", input=typed)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "tenants/acme with 12 datasets, its runs and keys" in refused.stderr
        assert words in refused.stderr
    wrong = await tunesmith("tenants", "delete", "acme", "--cascade", "--confirm", "acm")
    assert wrong.exit_code == 2
    assert (await tunesmith("tenants", "delete", "acme", "--confirm", "acme")).exit_code == 2
    assert not service.sent(pb.DeleteTenantRequest)
    done = await tunesmith("tenants", "delete", "acme", "--cascade", input="acme\n")
    assert done.exit_code == 0
    (request,) = service.sent(pb.DeleteTenantRequest)
    assert (request.cascade, request.confirm) == (True, "acme")


async def test_a_script_confirms_a_cascade_and_a_plain_delete_asks_nothing(
    tunesmith: Tunesmith, service: FakeService, client: AsyncClient
):
    await client.tenants.create("globex")
    assert (await tunesmith("tenants", "delete", "globex")).exit_code == 0
    gone = await tunesmith("tenants", "delete", "acme", "--cascade", "--confirm", "acme")
    assert (gone.exit_code, gone.stderr) == (0, "deleted acme\n")
    assert [r.cascade for r in service.sent(pb.DeleteTenantRequest)] == [False, True]


async def test_keys_are_rotated_with_an_overlap(tunesmith: Tunesmith, service: FakeService):
    await tunesmith("keys", "create", "--tenant", "acme", "--role", "viewer", "--expires", "90d")
    left = service.keys["tenants/acme/apiKeys/k1"].expire_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(days=89) < left < timedelta(days=91)
    rotated = await tunesmith(
        "keys", "rotate", "k1", "--tenant", "acme", "--overlap", "0", "-o", "json"
    )
    assert json.loads(rotated.stdout)["secret"] == "sk-ts-secret-2"
    assert "The old key k1 ends now" in rotated.stderr
    request = service.sent(pb.RotateApiKeyRequest)[0]
    assert (request.name, request.overlap.seconds) == ("tenants/acme/apiKeys/k1", 0)
    assert request.HasField("overlap")
    named = (await tunesmith("keys", "list", "--tenant", "acme", "-o", "name")).stdout.split()
    revoked = await tunesmith("keys", "revoke", named[-1])
    assert revoked.exit_code == 0
    assert service.keys[named[-1]].HasField("revoke_time")
    assert (await tunesmith("keys", "rotate", "k1", "--overlap", "soon")).exit_code == 2


async def test_quotas_are_set_and_the_others_stay(tunesmith: Tunesmith, service: FakeService):
    service.usage = [TOKENS, BYTES]
    done = await tunesmith(
        *("quotas", "set", "acme", "trained_tokens_per_month@ada=500k", "dataset_bytes=10GiB"),
        *("datasets=inherit",),
    )
    assert done.exit_code == 0
    limits = service.tenants["tenants/acme"].limits
    assert [(one.dimension, one.base_model, one.value) for one in limits] == [
        ("models", "", 0),
        ("trained_tokens_per_month", "ada", 500_000),
        ("dataset_bytes", "", 10 * 2**30),
    ]
    assert done.stdout.splitlines() == [
        "DIMENSION                 LIMIT      LIMIT OF  USED       RESERVED  REMAINING  RESETS",
        "trained_tokens_per_month  5,000,000  umbrella  1,250,000  250,000   3,500,000  -",
        "dataset_bytes             unlimited  -         2.0 MB     0 B       -          -",
        "models                    unlimited  acme      0          0         -          -",
    ]


async def test_a_slip_in_a_dimension_is_wrong_usage_with_the_right_one(
    tunesmith: Tunesmith, service: FakeService
):
    refused = await tunesmith("quotas", "set", "acme", "trained_tokens_per_mont=5")
    assert refused.exit_code == 2
    assert "did you mean" in refused.stderr
    assert "trained_tokens_per_month?" in refused.stderr
    twice = await tunesmith("quotas", "set", "acme", "datasets=1", "datasets=2")
    assert (twice.exit_code, "set twice" in twice.stderr) == (2, True)
    created = await tunesmith("tenants", "create", "x", "--limit", "dataset=1")
    assert (created.exit_code, "did you mean datasets?" in created.stderr) == (2, True)
    assert not service.sent(pb.UpdateTenantRequest)


async def test_usage_is_plain_in_a_pipe_and_a_document_for_programs(
    tunesmith: Tunesmith, service: FakeService
):
    service.usage = [BYTES, TOKENS]
    in_a_pipe = (await tunesmith("usage", "acme")).stdout
    assert "\x1b" not in in_a_pipe
    assert in_a_pipe.splitlines()[1].split()[:4] == [
        "trained_tokens_per_month",
        "5,000,000",
        "umbrella",
        "1,250,000",
    ]
    as_json = json.loads((await tunesmith("usage", "-o", "json")).stdout)
    assert as_json["dimensions"][1]["remaining"] == "3500000"
    assert yaml.safe_load((await tunesmith("usage", "-o", "yaml")).stdout) == as_json
    names = (await tunesmith("usage", "-o", "name")).stdout
    assert names == "trained_tokens_per_month\ndataset_bytes\n"
    service.usage = []
    nothing = await tunesmith("usage")
    assert (nothing.stdout, nothing.stderr) == ("", "nothing is limited and nothing is used\n")


@pytest.mark.parametrize(("width", "shown"), [(140, "umbrella"), (80, "1.25 M")])
def test_usage_has_bars_on_a_terminal_and_never_breaks_a_value(
    width: int, shown: str, capsys: pytest.CaptureFixture[str]
):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False)
    _bars.usage(console, [TOKENS, BYTES])
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search("\x1b\\[32m█+\x1b\\[0m\x1b\\[32m▓\x1b", written)  # 30 % of it: green
    assert shown in written
    assert ("resets, limit of" in capsys.readouterr().err) == (width == 80)


@pytest.mark.parametrize(
    ("used", "reserved", "requested", "limit", "drawn"),
    [
        (0, 0, 0, 10, "----------"),
        (5, 2, 1, 10, "#####++*--"),
        (1, 1, 1, 1000, "#+*-------"),
        (1, 0, 0, 1000, "#---------"),
        (0, 0, 1, 1000, "*---------"),
        (10, 5, 5, 10, "##########"),
        (0, 0, 0, 0, "----------"),
        (0, 0, 1, 0, "**********"),
    ],
)
def test_a_bar_is_as_full_as_the_limit_and_never_longer(
    used: int, reserved: int, requested: int, limit: int, drawn: str
):
    effect = common_pb2.QuotaEffect(used=used, reserved=reserved, requested=requested, limit=limit)
    assert _bars.bar(effect, 10, "#+*-").plain == drawn


async def test_the_bill_is_listed_and_summed(tunesmith: Tunesmith, service: FakeService):
    service.ledger = [
        pb.LedgerEntry(
            dimension="cost_per_month",
            period="2026-11",
            tenant=tenant,
            kind="settle",
            amount=2_500_000,
            used_change=2_500_000,
            reserved_change=-3_000_000,
            subject="uid-1",
        )
        for tenant in ("tenants/acme", "tenants/acme", "tenants/sub", "tenants/acme")
    ]
    listed = await tunesmith(
        "ledger", "acme", "--dimension", "cost_per_month", "--since", "2026-11-01T00:00Z"
    )
    assert "+2.50" in listed.stdout
    assert "-3.00" in listed.stdout
    wanted = 'dimension="cost_per_month" AND time>="2026-11-01T00:00:00Z"'
    assert {r.filter for r in service.sent(pb.ListLedgerRequest)} == {wanted}
    total = await tunesmith("ledger", "acme", "--total")
    assert total.stdout.splitlines() == [
        "PERIOD   DIMENSION       TENANT  USED  RESERVED",
        "2026-11  cost_per_month  acme    7.50  -9.00",
        "2026-11  cost_per_month  sub     2.50  -3.00",
    ]
    as_json = json.loads((await tunesmith("ledger", "--total", "-o", "json")).stdout)
    assert as_json[0]["used"] == "7500000"
    assert (await tunesmith("ledger", "--dimension", "cost")).exit_code == 2


async def test_audit_is_filtered_and_exported_as_lines(tunesmith: Tunesmith, service: FakeService):
    service.audit = [pb.AuditEvent(call_id=str(n), result="OK", method="S/M") for n in range(7)]
    exported = await tunesmith(
        *("audit", "--since", "1h", "--principal", 'a"b\\', "--result", "OK"),
        *("--filter", 'method="x"', "-o", "jsonl"),
    )
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [line["callId"] for line in lines] == [str(n) for n in range(7)]
    sent = service.sent(pb.ListAuditEventsRequest)[0]
    since, *others = sent.filter.split(" AND ")
    moment = datetime.fromisoformat(since.removeprefix('time>="').rstrip('"'))
    assert abs(datetime.now(UTC) - timedelta(hours=1) - moment) < timedelta(minutes=5)
    assert others == [r'principal="a\"b\\"', 'result="OK"', 'method="x"']
    assert sent.parent == "tenants/-"
    assert (await tunesmith("audit", "--since", "yesterday")).exit_code == 2
    assert (await tunesmith("audit", "-o", "name")).exit_code == 2


async def test_a_table_has_the_newest_and_says_that_there_is_more(
    tunesmith: Tunesmith, service: FakeService
):
    service.audit = [pb.AuditEvent(call_id=str(n)) for n in range(101)]
    shown = await tunesmith("audit")
    assert len(shown.stdout.splitlines()) == 101  # with the heading
    assert "more than these 100" in shown.stderr
    few = await tunesmith("audit", "acme", "-n", "2")
    assert (len(few.stdout.splitlines()), few.stderr) == (3, "")
    assert len(json.loads((await tunesmith("audit", "-o", "json")).stdout)) == 101


async def test_what_the_service_refuses_is_told_with_what_to_do(
    tunesmith: Tunesmith, service: FakeService
):
    suspended = a_status(code_pb2.FAILED_PRECONDITION, "acme is suspended", "TENANT_SUSPENDED")
    service.faults.fail["CreateFineTune"] = [suspended]
    refused = await tunesmith("fine-tunes", "create", "-t", "d", "-m", "ada")
    assert (refused.exit_code, "tunesmith tenants resume" in refused.stderr) == (1, True)
