"""The contract: stubs fresh, style kept, nothing broken, every method accounted for."""

import re
import subprocess
import sys
from pathlib import Path

from google.rpc import code_pb2
from tunesmith.v1 import (
    catalog_pb2,
    dataset_pb2,
    errors_pb2,
    fine_tune_pb2,
    model_pb2,
    runner_pb2,
    tenant_pb2,
)
from tunesmith_server.app import filters
from tunesmith_server.domain import errors
from tunesmith_server.domain.access import ALLOWED
from tunesmith_server.edge.grpc.errors import CODES

from tests.surroundings import lacking

ROOT = Path(__file__).parents[2]
IMAGE = "service/tunesmith_server/edge/grpc/contract.binpb"
MODULES = (fine_tune_pb2, dataset_pb2, model_pb2, tenant_pb2, catalog_pb2, runner_pb2)


def run(*command: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=100)


def test_the_committed_stubs_are_those_the_contract_gives():
    result = run(sys.executable, "scripts/protos.py", "--check")
    assert result.returncode == 0, result.stderr.decode()


def test_the_contract_keeps_the_rules_of_style():
    result = run(sys.executable, "scripts/protos.py", "--lint")
    assert result.returncode == 0, result.stdout.decode()


def test_nothing_that_clients_rely_on_was_broken_since_main(tmp_path: Path):
    # a checkout for a pull request may have only the remote's branch
    shown = (run("git", "show", f"{main}:{IMAGE}") for main in ("main", "origin/main"))
    before = next((each for each in shown if not each.returncode), None)
    if before is None:
        lacking("a branch main in git, to compare the contract with")
    old = tmp_path / "main.binpb"
    old.write_bytes(before.stdout)
    buf = str(Path(sys.executable).parent / "buf")
    result = run(buf, "breaking", IMAGE, "--against", str(old), "--config", "buf.yaml")
    assert result.returncode == 0, result.stdout.decode()


def test_every_method_has_a_row_in_the_table_of_roles_and_no_row_is_left_over():
    methods = {
        f"{service.name}/{method.name}"
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert methods == set(ALLOWED)


def test_every_list_can_be_filtered_by_the_fields_that_the_contract_names():
    named = {}
    for path in (ROOT / "proto/tunesmith/v1").glob("*.proto"):
        for request, comment in re.findall(
            r"\nmessage List(\w+)Request \{(?:(?!\n\}).)*?((?:\n  //[^\n]*)+)\n  string filter =",
            path.read_text(),
            re.DOTALL,
        ):
            fields = " ".join(comment.replace("//", "").split()).partition("Fields: ")[2]
            named[request] = set(re.findall(r"`([a-z_]+)(?:\.KEY)?`", fields))
    declared = {
        "FineTunes": filters.FINE_TUNES,
        "Datasets": filters.DATASETS,
        "Models": filters.MODELS,
        "Tenants": filters.TENANTS,
        "Ledger": filters.LEDGER,
        "AuditEvents": filters.AUDIT_EVENTS,
    }
    assert {request: set(fields) for request, fields in declared.items()} == named


def subclasses(kind: type) -> set[type]:
    return {kind} | {deep for sub in kind.__subclasses__() for deep in subclasses(sub)}


def test_every_domain_error_has_a_code_and_a_reason_that_the_contract_documents():
    kinds = subclasses(errors.DomainError) - {errors.DomainError}
    assert kinds == CODES.keys()
    documented = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {kind.reason for kind in kinds} <= documented
    own = [kind for kind in kinds if "reason" in vars(kind)]  # the others have their parent's
    assert len({kind.reason for kind in own}) == len(own)


def test_the_code_that_a_reason_is_documented_with_is_the_code_that_is_sent():
    contract = (ROOT / "proto/tunesmith/v1/errors.proto").read_text()
    # the first word in backquotes of the comment above a reason is its code
    documented = {
        reason: code
        for code, reason in re.findall(
            r"\n\n  // `([A-Z_]+)`(?:.*\n)(?:  //.*\n)*  ERROR_REASON_(\w+) = ", contract
        )
    }
    sent = {kind.reason: code_pb2.Code.Name(code) for kind, code in CODES.items()}
    assert {reason: documented.get(reason) for reason in sent} == sent
