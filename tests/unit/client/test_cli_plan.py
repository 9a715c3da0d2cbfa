"""Planning and steering runs on the command line."""

import json
from collections.abc import Callable

import pytest
import yaml
from google.rpc import code_pb2
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb

from tests.fakes.servicer import FakeService, a_status
from tests.unit.client.conftest import Tunesmith

CREATE = ("fine-tunes", "create", "-t", "tickets", "-m", "ada")


@pytest.fixture
def plan(service: FakeService) -> pb.PlanFineTuneResponse:
    """A plan that nothing is in the way of."""
    plan = service.plan
    plan.fine_tune.spec.suffix = "support"
    resolved = plan.fine_tune.resolved
    resolved.base_model, resolved.backend = "baseModels/ada", "local"
    resolved.training_dataset.dataset = "tenants/acme/datasets/tickets"
    resolved.training_dataset.digest, resolved.training_dataset.example_count = "ab" * 32, 400
    resolved.values.add(
        path="spec.supervised.hyperparameters.n_epochs",
        value="4",
        source="guide",
        reason="nobody asked for another number",
    )
    plan.total_steps, plan.trained_tokens, plan.max_trained_tokens = 800, 240_000, 1_300_000
    plan.min_cost.micros, plan.max_cost.micros = 960_000, 1_200_000
    plan.min_cost.currency_code = plan.max_cost.currency_code = "USD"
    plan.cost_basis = "4.00 USD per million tokens"
    plan.run_time.FromSeconds(114)
    plan.run_time_basis = "the last 5 runs"
    plan.queue_position = 3
    plan.memory_bytes = 1_500_000_000
    plan.plan_token = "t1"
    plan.estimated_start_time.FromSeconds(1_700_000_000)
    plan.quota_effects.add(
        dimension="cost_per_month", limit=250_000_000, used=1, requested=1_200_000, fits=True
    )
    return plan


@pytest.fixture
def refused(plan: pb.PlanFineTuneResponse) -> pb.PlanFineTuneResponse:
    """The same, with two things in its way."""
    plan.plan_token = ""
    plan.quota_effects[0].fits, plan.quota_effects[0].never_fits = False, True
    for code, words in (("QUOTA_EXCEEDED", "cost_per_month: 1.20"), ("NAMING_POLICY", "suffix")):
        plan.findings.add(
            code=code,
            severity=common_pb2.FINDING_SEVERITY_ERROR,
            message=words,
            suggestion=f"Mend {code}.",
            count=1,
        )
    return plan


async def test_a_plan_says_what_it_resolves_to_and_what_it_takes(
    tunesmith: Tunesmith, service: FakeService, plan: pb.PlanFineTuneResponse
):
    planned = await tunesmith("fine-tunes", "plan", "-t", "tickets", "-m", "ada")
    assert planned.exit_code == 0
    for line in (
        "training    tickets, 400 examples (abababababab)",
        "n_epochs  4      guide  nobody asked for another number",
        "steps               800",
        "trained tokens      240,000, at most 1.3 M, which are reserved",
        "cost                0.96 USD to 1.20 USD (4.00 USD per million tokens)",
        "run time            about 01:54 (the last 5 runs)",
        "memory              1.5 GB",
        "place in the queue  3",
    ):
        assert line in planned.stdout.splitlines()
    assert "(now)" in planned.stdout
    assert planned.stdout.splitlines()[-1].split() == [
        *("cost_per_month", "yes", "+1.20", "0.000001", "250.00", "-", "-")
    ]
    assert "Nothing was started" in planned.stderr
    assert not service.runs


async def test_a_plan_with_something_in_its_way_is_3_and_says_all_of_it(
    tunesmith: Tunesmith, refused: pb.PlanFineTuneResponse
):
    planned = await tunesmith("fine-tunes", "plan", "-t", "tickets", "-m", "ada")
    assert planned.exit_code == 3
    assert (
        "error QUOTA_EXCEEDED\n  cost_per_month: 1.20\n  → Mend QUOTA_EXCEEDED.\n" in planned.stdout
    )
    assert "error NAMING_POLICY\n  suffix\n" in planned.stdout
    assert "never" in planned.stdout
    as_json = await tunesmith("fine-tunes", "plan", "-t", "tickets", "-m", "ada", "-o", "json")
    assert as_json.exit_code == 3
    assert [f["code"] for f in json.loads(as_json.stdout)["findings"]] == [
        "QUOTA_EXCEEDED",
        "NAMING_POLICY",
    ]


async def test_a_warning_is_no_reason_to_refuse(
    tunesmith: Tunesmith, plan: pb.PlanFineTuneResponse
):
    plan.findings.add(code="FEW", severity=common_pb2.FINDING_SEVERITY_WARNING, message="few")
    planned = await tunesmith("fine-tunes", "plan", "-t", "tickets", "-m", "ada")
    assert (planned.exit_code, "What to know\nwarning FEW" in planned.stdout) == (0, True)


async def test_preferences_are_asked_for_by_method_and_beta(
    tunesmith: Tunesmith, service: FakeService
):
    created = await tunesmith(*CREATE, "--method", "dpo", "--beta", "0.2")
    assert created.exit_code == 0
    (request,) = service.sent(pb.CreateFineTuneRequest)
    assert request.fine_tune.spec.dpo.beta == 0.2
    refused = await tunesmith(*CREATE, "--method", "ppo")
    assert (refused.exit_code, "supervised" in refused.stderr) == (2, True)


async def test_create_with_a_plan_asks_and_starts_just_what_was_shown(
    tunesmith: Tunesmith, service: FakeService, plan: pb.PlanFineTuneResponse
):
    options = ("--suffix", "support", "--max-cost", "1.50", "--id", "bot")
    for answer in ("", "n\n", "maybe\n"):
        declined = await tunesmith(*CREATE, *options, "--plan", input=answer)
        assert (declined.exit_code, "Nothing was started." in declined.stderr) == (1, True)
    assert not service.runs
    created = await tunesmith(*CREATE, *options, "--plan", input="y\n")
    assert created.exit_code == 0
    assert "n_epochs" in created.stdout
    planned = service.sent(pb.PlanFineTuneRequest)[-1]
    (request,) = service.sent(pb.CreateFineTuneRequest)
    assert (request.plan_token, request.fine_tune_id) == ("t1", "bot")
    assert request.fine_tune == planned.fine_tune
    assert request.fine_tune.spec.limits.max_cost.micros == 1_500_000


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
async def test_with_a_plan_stdout_has_the_document_and_nothing_else(
    tunesmith: Tunesmith,
    plan: pb.PlanFineTuneResponse,
    form: str,
    load: Callable[[str], dict[str, str]],
):
    for arguments, answer in ((("--yes",), ""), ((), "yes\n")):
        created = await tunesmith(*CREATE, "--plan", *arguments, "-o", form, input=answer)
        assert created.exit_code == 0
        assert created.stdout[0] in "{n"
        assert load(created.stdout)["name"].startswith("tenants/acme/fineTunes/")
        assert "steps               800" in created.stderr


async def test_a_plan_that_would_be_refused_starts_nothing_even_with_yes(
    tunesmith: Tunesmith, service: FakeService, refused: pb.PlanFineTuneResponse
):
    created = await tunesmith(*CREATE, "--plan", "--yes")
    assert created.exit_code == 3
    assert "NAMING_POLICY" in created.stdout
    assert not service.sent(pb.CreateFineTuneRequest)


async def test_a_plan_that_is_stale_by_then_says_so(
    tunesmith: Tunesmith, service: FakeService, plan: pb.PlanFineTuneResponse
):
    stale = a_status(code_pb2.ABORTED, "the dataset has a new version", "PLAN_STALE")
    service.faults.fail["CreateFineTune"] = [stale]
    created = await tunesmith(*CREATE, "--plan", "--yes")
    assert created.exit_code == 1
    assert created.stderr.endswith(
        "error: the dataset has a new version\n"
        "hint: things are no longer as they were planned: plan again\n"
    )


async def test_options_that_do_not_go_together_are_wrong_usage(
    tunesmith: Tunesmith, service: FakeService
):
    for arguments in (
        ("--yes",),
        ("--plan", "--validate-only"),
        ("--plan", "--plan-token", "t"),
        ("--max-cost", "much"),
        ("--max-run-time", "long"),
        ("--label", "x"),
        ("--wandb-tag", "x"),
        ("--mlflow-experiment", "x"),
    ):
        assert (await tunesmith(*CREATE, *arguments)).exit_code == 2
    assert not service.requests


async def test_every_option_of_a_run_arrives(tunesmith: Tunesmith, service: FakeService):
    done = await tunesmith(
        *CREATE,
        *("--max-trained-tokens", "1.5M", "--max-cost", "12.50", "--max-run-time", "90m"),
        *("--start-deadline", "2026-12-01T00:00Z", "--on-limit", "fail", "--priority", "-5"),
        *("--hold", "--checkpoint-every", "50", "--keep-checkpoints", "3"),
        *("--label", "team=search", "--name", "Bot", "--plan-token", "t9"),
        *("--wandb-project", "p", "--wandb-name", "n", "--wandb-entity", "e"),
        *("--wandb-tag", "a", "--wandb-tag", "b"),
        *("--mlflow-uri", "https://mlflow.example", "--mlflow-experiment", "x"),
    )
    assert done.exit_code == 0
    (request,) = service.sent(pb.CreateFineTuneRequest)
    run, spec = request.fine_tune, request.fine_tune.spec
    assert (spec.limits.max_trained_tokens, spec.limits.max_cost.micros) == (1_500_000, 12_500_000)
    assert spec.limits.max_run_time.seconds == 5400
    assert spec.limits.start_deadline.ToJsonString() == "2026-12-01T00:00:00Z"
    assert spec.limits.on_limit == pb.LIMIT_ACTION_FAIL
    assert (spec.placement.priority, spec.placement.hold) == (-5, True)
    assert (spec.checkpoints.every_steps, spec.checkpoints.keep) == (50, 3)
    assert (dict(run.labels), run.display_name) == ({"team": "search"}, "Bot")
    assert request.plan_token == "t9"
    (wandb, mlflow) = (each for each in spec.integrations)
    assert (wandb.wandb.project, wandb.wandb.display_name) == ("p", "n")
    assert (wandb.wandb.entity, list(wandb.wandb.tags)) == ("e", ["a", "b"])
    assert mlflow.mlflow.tracking_uri == "https://mlflow.example"
    assert mlflow.mlflow.experiment == "x"


async def test_a_run_is_changed_in_part(tunesmith: Tunesmith, service: FakeService):
    await tunesmith(*CREATE, "--id", "bot", "--hold", "--max-cost", "3", "--label", "a=1")
    changed = await tunesmith(
        *("fine-tunes", "update", "bot", "--priority", "10", "--no-hold"),
        *("--remove-limit", "max-cost", "--label", "b=2", "--remove-label", "a"),
    )
    assert changed.exit_code == 0
    assert sorted(service.sent(pb.UpdateFineTuneRequest)[0].update_mask.paths) == [
        "labels",
        "spec.limits",
        "spec.placement.hold",
        "spec.placement.priority",
    ]
    run = service.runs["tenants/acme/fineTunes/bot"]
    assert (run.spec.placement.priority, run.spec.placement.hold) == (10, False)
    assert dict(run.labels) == {"b": "2"}
    assert not run.spec.limits.HasField("max_cost")
    assert (await tunesmith("fine-tunes", "update", "bot")).exit_code == 2


async def test_a_run_is_paused_resumed_and_explained(tunesmith: Tunesmith, service: FakeService):
    await tunesmith(*CREATE, "--id", "bot")
    paused = await tunesmith("fine-tunes", "pause", "bot")
    assert "state  pausing" in paused.stdout
    assert "tunesmith fine-tunes resume bot" in paused.stderr
    assert "state  queued" in (await tunesmith("fine-tunes", "resume", "bot")).stdout
    service.why = pb.ExplainFineTuneResponse(
        summary="It waits for a slot.",
        wait_reason=common_pb2.WAIT_REASON_WAITING_FOR_CAPACITY,
        queue_position=2,
        next_step="A slot becomes free.",
        attempts=["lost after step 40"],
    )
    service.why.quota_effects.add(dimension="fine_tunes_running", limit=4, used=1, requested=1)
    why = (await tunesmith("fine-tunes", "explain", "bot")).stdout
    assert why.startswith(
        "It waits for a slot.\n"
        "waits for           capacity\n"
        "place in the queue  2\n"
        "next                A slot becomes free.\n"
    )
    assert why.endswith("Its starts\n1. lost after step 40\n")
    as_yaml = await tunesmith("fine-tunes", "explain", "bot", "-o", "yaml")
    assert yaml.safe_load(as_yaml.stdout)["queuePosition"] == "2"


async def test_lists_are_documents_in_every_form(tunesmith: Tunesmith):
    for id in ("a", "b"):
        await tunesmith(*CREATE, "--id", id)
    as_json = json.loads((await tunesmith("fine-tunes", "list", "-o", "json")).stdout)
    assert [run["name"][-1] for run in as_json] == ["a", "b"]
    as_yaml = await tunesmith("-o", "yaml", "fine-tunes", "list")
    assert yaml.safe_load(as_yaml.stdout) == as_json
    lines = (await tunesmith("fine-tunes", "list", "-o", "jsonl")).stdout.splitlines()
    assert list(map(json.loads, lines)) == as_json
