"""Every RPC × every field that can name something: what is foreign answers as what is absent."""

import uuid
from collections.abc import Iterable, Iterator

from tunesmith_server.domain.access import ALLOWED, Role

from tests.integration.calls import Caller
from tests.isolation.requests import changed, valid
from tests.isolation.surface import Field, Names, Rpc, pairs, resources, rpcs
from tests.isolation.wire import Outcome, invoke, invoke_all
from tests.isolation.world import FOREIGN, MARK, NOBODY, OWN, Side, World

_ENGINES = {f"ModelService/{name}" for name in ("Complete", "StreamComplete", "Chat", "StreamChat")}
"""A good request of these starts an engine with torch in it; tests/e2e does that."""
_REFUSED = {"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNIMPLEMENTED"}
_ALSO_REFUSED = {
    "plan_token": {"ABORTED"},  # as one that was for another spec
    # whatever they are changed to
    "fine_tune.spec.base_model": {"FAILED_PRECONDITION"},
    "fine_tune.spec.training_dataset": {"FAILED_PRECONDITION"},
    "fine_tune.spec.validation_dataset": {"FAILED_PRECONDITION"},
}


async def test_a_valid_request_of_every_rpc_is_answered(world: World):
    """The cases below change one field of these, so that nothing else can be why they fail."""
    faults, unbuilt = [], []
    for rpc in rpcs():
        if rpc.method in _ENGINES or rpc.service == "RunnerService":
            continue
        outcome = await invoke(world.own.caller, rpc, await valid(world, rpc, world.own))
        if outcome.code == "PERMISSION_DENIED":
            outcome = await invoke(world.admin, rpc, await valid(world, rpc, world.own))
        if outcome.code == "UNIMPLEMENTED":
            unbuilt.append(rpc.method)
        elif outcome.code != "OK":
            faults.append(f"{rpc.method}: {outcome.short()}")
    print(f"{len(unbuilt)} RPCs are not built yet: {' '.join(unbuilt)}")
    assert not faults


async def test_what_is_foreign_cannot_be_told_from_what_is_absent(world: World):
    await _tell_apart(world, shown=set())


async def test_nor_can_what_is_a_childs_which_shows_in_the_bill_alone(family: World):
    await _tell_apart(family, shown={"ListLedger", "GetUsage"})


async def _tell_apart(world: World, shown: set[str]) -> None:
    """Compare all answers. Only `shown` may speak of the foreign tenant in one about the own."""
    faults: list[str] = []
    covered: set[tuple[str, str]] = set()
    calls = 0
    before = world.foreign_rows()
    for rpc in rpcs():
        good = await valid(world, rpc, world.own)
        for field in rpc.fields:
            covered.add((rpc.method, field.path))
            for alike in _alike(world, rpc, field):
                seen: dict[object, str] = {}
                for text in alike:
                    outcome = await invoke(world.own.caller, rpc, changed(good, field.path, text))
                    calls += 1
                    where = f"{rpc.method} {field.path}={text!r}: {outcome.short()}"
                    # what was looked for before is on record with the own tenant: test_lists
                    if field.names is not Names.SEARCH and rpc.name not in shown:
                        faults += _leaks(world, outcome, text, where)
                    seen.setdefault(outcome.without(text), where)
                    if field.names is Names.RESOURCE and outcome.code == "OK":
                        faults += [] if _is_told(rpc, outcome) else [f"taken: {where}"]
                if len(seen) > 1:
                    faults.append("told apart: " + " | ".join(seen.values()))
        after = world.foreign_rows()
        if after != before:
            rows = {table: set(after[table]) ^ set(before[table]) for table in after}
            faults.append(f"{rpc.method} changed something foreign: {rows}")
        before = after
    share = len(covered & pairs()) / len(pairs())
    print(f"{len(rpcs())} RPCs, {len(covered)} pairs of RPC and field: {share:.0%}; {calls} calls")
    assert not faults, "\n".join(faults)
    assert covered == pairs()


async def test_what_is_malformed_is_refused_and_never_an_internal_error(
    world: World, logged: list[str]
):
    faults, calls = [], 0
    for rpc in rpcs():
        good = await valid(world, rpc, world.own)
        for field in rpc.fields:
            wanted = {text: changed(good, field.path, text) for text in _malformed(field)}
            for text, outcome in await invoke_all(_who_may(world, rpc), rpc, [*wanted.items()]):
                calls += 1
                if outcome.code in _REFUSED | _ALSO_REFUSED.get(field.path, set()):
                    continue
                if _is_told(rpc, outcome) or (outcome.code == "OK" and _is_free(field, text)):
                    continue
                faults.append(f"{rpc.method} {field.path}={text[:80]!r}: {outcome.short()}")
    print(f"{calls} calls")
    assert not faults, "\n".join(faults)
    # the log of refused attempts takes these names as well
    assert not [line for line in logged if "audit_refused" in line or "background_task" in line]


async def test_to_a_platform_admin_an_absent_tenant_answers_as_an_absent_resource(world: World):
    """It may name any tenant; but a request about one tenant reaches into no other."""
    faults = []
    for rpc in rpcs():
        good = await valid(world, rpc, world.own)
        for field in rpc.fields:
            if field.names is not Names.RESOURCE:
                continue
            first = field is rpc.fields[0]
            for alike in _alike(world, rpc, field):
                seen: dict[object, str] = {}
                for text in alike:
                    if _exists(world.foreign, text) and (first or field.kind == "Tenant"):
                        continue  # which it may do
                    if rpc.name == "ListAuditEvents":
                        continue  # the log outlives the tenants that it tells of
                    outcome = await invoke(world.admin, rpc, changed(good, field.path, text))
                    where = f"{rpc.method} {field.path}={text!r}: {outcome.short()}"
                    seen.setdefault(outcome.without(text), where)
                    if outcome.code == "OK" and not _is_told(rpc, outcome):
                        faults.append(f"taken: {where}")
                if len(seen) > 1:
                    faults.append("told apart: " + " | ".join(seen.values()))
    assert not faults, "\n".join(faults)


def _alike(world: World, rpc: Rpc, field: Field) -> Iterator[list[str]]:
    """Texts that a caller must not be able to tell apart by the answer, a list at a time."""
    foreign = world.foreign
    match field.names:
        case Names.RESOURCE:
            shared = "{tenant}" not in resources()[field.kind]  # nobody's: there is none foreign
            yield [*([] if shared else [foreign.names[field.kind]]), *_absent(field.kind)]
            for text in foreign.other_names.get(field.kind, ()):
                yield [text, text.replace(MARK, "abs")]
        case Names.ADDRESSEE:
            yield [f"tenants/{tenant}" for tenant in (FOREIGN, NOBODY)]
        case Names.NOTHING | Names.NEW:
            kind = foreign.names[field.kind]
            used = kind.rpartition("/")[2] if field.names is Names.NEW else kind
            yield [used, used.replace(MARK, "abs")]
        case Names.REQUEST:
            yield [str(uuid.uuid4()) for _ in range(2)]  # see test_requests for used ones
        case Names.TOKEN:
            yield ["forged", "Zm9yZ2Vk", "A" * 60]  # see test_tokens for sealed ones
        case Names.SEARCH:
            yield [f'labels.of = "{tenant}"' for tenant in (FOREIGN, NOBODY)]


def _absent(kind: str) -> Iterable[str]:
    """Names of nothing: in the caller's tenant, in the foreign one, and in none."""
    pattern = resources()[kind]
    last = "{" + pattern.rpartition("{")[2]
    if kind == "Tenant":
        return [f"tenants/{NOBODY}"]
    return [
        pattern.replace(last, "7" if "step" in last else "absent")
        .replace("{tenant}", tenant)
        .replace("{fine_tune}", "absent")
        for tenant in (OWN, FOREIGN, NOBODY)
    ]


def _exists(side: Side, text: str) -> bool:
    return text in side.names.values() or any(text in each for each in side.other_names.values())


def _malformed(field: Field) -> Iterator[str]:
    yield from ("x" * 4096, "a\0b", "\u202ea\nb\x1b[2J", "' OR 1=1 --", "../../etc/passwd", "%s{}")
    if field.names is Names.RESOURCE:
        name = resources()[field.kind].replace("{tenant}", OWN).replace("{", "").replace("}", "")
        above = name.rpartition("/")[0]
        yield from (f"{name}/", f"/{name}", f"{name}/x/y", f"{name}\0", f"{name}\n", name.upper())
        yield from (name.replace("/", "//"), name.replace(OWN, f"-/../{OWN}"))
        yield from (f"{above}/{'a' * 64}", f"{above}/..", name.replace("a", "а"))
        yield from ("tenants/", "baseModels/", ":", "ft:a:\0:")


def _is_free(field: Field, text: str) -> bool:
    """Whether any text will do."""
    return field.names in (Names.NOTHING, Names.SEARCH)


def _who_may(world: World, rpc: Rpc) -> Caller:
    """A tenant's own administrator, unless the RPC is for the platform's alone."""
    may = Role.TENANT_ADMIN in ALLOWED[rpc.method]
    return world.own.caller if may else world.admin


def _is_told(rpc: Rpc, outcome: Outcome) -> bool:
    """Whether the answer, though none of an error, says what is wrong with the request: a plan."""
    return rpc.name == "PlanFineTune" and any(r.findings for r in outcome.responses)  # type: ignore[attr-defined]


def _leaks(world: World, outcome: Outcome, sent: str, where: str) -> list[str]:
    everything = outcome.everything().replace(sent.encode(), b"")
    found = [mark for mark in world.foreign_marks() if mark.encode() in everything]
    return [f"leaked {found}: {where}"] if found else []
