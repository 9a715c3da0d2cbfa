"""What the fake service keeps and what goes wrong with it: `servicer` serves it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from tunesmith.v1 import (
    common_pb2,
    dataset_pb2,
    event_pb2,
    fine_tune_pb2,
    model_pb2,
    tenant_pb2,
)

KEY = "sk-ts-fake"
Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


@dataclass
class Faults:
    """What goes wrong, and how often."""

    fail: dict[str, list[status_pb2.Status]] = field(default_factory=dict)
    """By method: the statuses that its next calls end with."""
    drop_answer: dict[str, int] = field(default_factory=dict)
    """By method: of how many calls the effect happens and the answer is lost."""
    cut_watch_after: int = 0
    """End each watch with UNAVAILABLE after so many events; 0 for never."""
    close_watch_after: int = 0
    """End each watch with a closing frame after so many events; 0 for never."""
    cut_code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    cuts: int = 10_000
    cut_upload_after: list[int] = field(default_factory=list)
    """Of each next upload: break it off after so many chunks; 0 for never."""
    cut_downloads: int = 0
    """Break so many downloads off after their first message."""
    repeat_events: bool = False
    """Send the event before the cursor again: a service that does not keep its promise."""
    hang_watch: bool = False
    """Send the snapshot and then nothing."""


@dataclass
class FakeService:
    """A service with one tenant, acme."""

    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[Message] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    deadlines: dict[str, float | None] = field(default_factory=dict)
    """By method: the seconds that the last call allowed; None for as long as it takes."""
    datasets: dict[str, dataset_pb2.Dataset] = field(default_factory=dict)
    versions: dict[str, list[dataset_pb2.Dataset]] = field(default_factory=dict)
    """Of each dataset that came in by a call, newest first."""
    descendants: list[str] = field(default_factory=list)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    """By URI: what can be imported."""
    proposal: dataset_pb2.PrepareDatasetResponse = field(
        default_factory=dataset_pb2.PrepareDatasetResponse
    )
    chunks: list[dataset_pb2.UploadChunk] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    """By request id: what has arrived."""
    content: dict[str, bytes] = field(default_factory=dict)
    """By digest."""
    runs: dict[str, fine_tune_pb2.FineTune] = field(default_factory=dict)
    by_request_id: dict[str, fine_tune_pb2.FineTune] = field(default_factory=dict)
    events: list[event_pb2.Event] = field(default_factory=list)
    rows: list[fine_tune_pb2.ResultRow] = field(default_factory=list)
    findings: list[common_pb2.Finding] = field(default_factory=list)
    statistics: list[list[dataset_pb2.TokenStatistics]] = field(default_factory=lambda: [[]])
    """What is answered one time after the other."""
    plan: fine_tune_pb2.PlanFineTuneResponse = field(
        default_factory=fine_tune_pb2.PlanFineTuneResponse
    )
    why: fine_tune_pb2.ExplainFineTuneResponse = field(
        default_factory=fine_tune_pb2.ExplainFineTuneResponse
    )
    tenants: dict[str, tenant_pb2.Tenant] = field(default_factory=dict)
    keys: dict[str, tenant_pb2.ApiKey] = field(default_factory=dict)
    shares: list[model_pb2.ModelShare] = field(default_factory=list)
    usage: list[common_pb2.QuotaEffect] = field(default_factory=list)
    ledger: list[tenant_pb2.LedgerEntry] = field(default_factory=list)
    audit: list[tenant_pb2.AuditEvent] = field(default_factory=list)
    kept: dict[str, Message] = field(default_factory=dict)
    """By request id: the first answer, without any secret."""
    watches_open: int = 0
    address: str = ""

    async def arrived(self, method: str, request: Message | None, context: Context) -> None:
        """Count the call; fail it if it is its turn."""
        self.calls[method] += 1
        self.deadlines[method] = context.time_remaining()
        self.metadata = {k: str(v) for k, v in context.invocation_metadata() or ()}
        if request is not None:
            copy = type(request)()
            copy.CopyFrom(request)
            self.requests.append(copy)
        if self.faults.fail.get(method):
            await end_with(context, self.faults.fail[method].pop(0))
        if self.metadata.get("authorization") != f"Bearer {KEY}":
            await end_with(context, a_status(code_pb2.UNAUTHENTICATED, "no key", "UNAUTHENTICATED"))

    async def answers(self, method: str, context: Context) -> None:
        """Lose the answer, if it is its turn."""
        if self.faults.drop_answer.get(method, 0) > 0:
            self.faults.drop_answer[method] -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def once(
        self, method: str, request: Any, context: Context, effect: Callable[[], Message]
    ) -> Any:
        """A mutation: a repeat of its request id gets the first answer, and nothing happens."""
        await self.arrived(method, request, context)
        assert request.request_id, f"{method} without a request_id cannot be repeated safely"
        answer = self.kept.get(request.request_id)
        if answer is None:
            answer = effect()
            self.kept[request.request_id] = copy = type(answer)()
            copy.CopyFrom(answer)
            if "secret" in copy.DESCRIPTOR.fields_by_name:
                copy.ClearField("secret")
        await self.answers(method, context)
        return answer

    def sent(self, request: type[M]) -> list[M]:
        """Every request of this kind that arrived."""
        return [message for message in self.requests if isinstance(message, request)]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the watches that are open."""
        self.watches_open += 1
        try:
            yield
        finally:
            self.watches_open -= 1


def a_status(code: int, message: str, reason: str, *details: Message) -> status_pb2.Status:
    """A status as the service makes it."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="tunesmith.dev", metadata={"k": "v"})
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


async def end_with(context: Context, status: status_pb2.Status) -> None:
    """End the call with this status."""
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, status.message, details if status.details else ())


def not_found(name: str) -> status_pb2.Status:
    """The status for a name that is not there."""
    info = error_details_pb2.ResourceInfo(resource_name=name)
    return a_status(code_pb2.NOT_FOUND, f"{name} does not exist", "RESOURCE_NOT_FOUND", info)


def own(name: str) -> str:
    """The full name for one in the caller's own tenant."""
    return name.replace("tenants/-", "tenants/acme", 1)


def one_page(entries: Sequence[Any], request: Any) -> tuple[Sequence[Any], str]:
    """The entries of a page, and where the next begins. Fewer come than were asked for."""
    start = int(request.page_token or 0)
    size = min(request.page_size or 50, 3)
    more = start + size < len(entries)
    return entries[start : start + size], str(start + size) if more else ""


def changed(present: Any, request: Any, wanted: Any) -> Any:
    """The resource with the fields of the mask as wanted, under a new etag."""
    after = type(present)()
    after.CopyFrom(present)
    request.update_mask.MergeMessage(wanted, after, True, True)
    after.etag = f"{present.etag}+"
    return after
