"""FineTuneService: decode, call one use case, encode."""

from collections.abc import AsyncIterator

from google.protobuf.duration_pb2 import Duration
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import fine_tune_pb2 as pb
from tunesmith.v1 import fine_tune_pb2_grpc as rpc

from tunesmith_server.app.explaining import Explaining
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.submission import Submission
from tunesmith_server.app.watch import Batch, Bookmark, Closing, Frame, Snapshot, Watches
from tunesmith_server.domain.names import FineTuneName, TenantName
from tunesmith_server.edge.grpc import event_codec, plan_codec
from tunesmith_server.edge.grpc import fine_tune_codec as codec
from tunesmith_server.edge.grpc.requests import page, stretch
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

_ROWS = 200
_DEFAULT_WAIT, _LONGEST_WAIT = 30.0, 60.0
_RESUME_AFTER = Duration(nanos=200_000_000)


@answers_all_of(pb.DESCRIPTOR.services_by_name["FineTuneService"])
class FineTuneServicer(rpc.FineTuneServiceServicer):
    """The gRPC face of FineTunes and Watches."""

    def __init__(
        self,
        runs: FineTunes,
        submission: Submission,
        steering: Steering,
        explaining: Explaining,
        watches: Watches,
    ) -> None:
        self._runs = runs
        self._submission = submission
        self._steering = steering
        self._explaining = explaining
        self._watches = watches

    async def CreateFineTune(
        self, request: pb.CreateFineTuneRequest, context: Context
    ) -> pb.CreateFineTuneResponse:
        """Submit a run."""
        run = await self._submission.create(
            call(request),
            codec.wish_of(request.parent, request.fine_tune, request.fine_tune_id),
            plan_token=request.plan_token,
        )
        return pb.CreateFineTuneResponse(fine_tune=codec.resource(run))

    async def PlanFineTune(
        self, request: pb.PlanFineTuneRequest, context: Context
    ) -> pb.PlanFineTuneResponse:
        """Say what a run would come to."""
        wish = codec.wish_of(request.parent, request.fine_tune)
        return plan_codec.plan(await self._submission.plan(principal(), wish))

    async def ExplainFineTune(
        self, request: pb.ExplainFineTuneRequest, context: Context
    ) -> pb.ExplainFineTuneResponse:
        """Say why a run waits or failed."""
        found = await self._explaining.explain(principal(), FineTuneName.parse(request.name))
        return plan_codec.explanation(found)

    async def UpdateFineTune(
        self, request: pb.UpdateFineTuneRequest, context: Context
    ) -> pb.UpdateFineTuneResponse:
        """Change what is not fixed."""
        name = FineTuneName.parse(request.fine_tune.name, "fine_tune.name")
        changes = plan_codec.changes_of(request.fine_tune, request.update_mask.paths or None)
        updated = await self._steering.update(call(request), name, changes)
        outcome = (
            common.UPDATE_OUTCOME_CONFIGURED if updated.changed else common.UPDATE_OUTCOME_UNCHANGED
        )
        return pb.UpdateFineTuneResponse(fine_tune=codec.resource(updated.run), outcome=outcome)

    async def PauseFineTune(
        self, request: pb.PauseFineTuneRequest, context: Context
    ) -> pb.PauseFineTuneResponse:
        """Ask a run to write a checkpoint and give its capacity back."""
        run = await self._steering.pause(call(request), FineTuneName.parse(request.name))
        return pb.PauseFineTuneResponse(fine_tune=codec.resource(run))

    async def ResumeFineTune(
        self, request: pb.ResumeFineTuneRequest, context: Context
    ) -> pb.ResumeFineTuneResponse:
        """Put a paused run back into the queue."""
        run = await self._steering.resume(call(request), FineTuneName.parse(request.name))
        return pb.ResumeFineTuneResponse(fine_tune=codec.resource(run))

    async def WaitFineTune(
        self, request: pb.WaitFineTuneRequest, context: Context
    ) -> pb.WaitFineTuneResponse:
        """Answer when the run has ended, or after a while."""
        name = FineTuneName.parse(request.name)
        within = _DEFAULT_WAIT
        if request.HasField("timeout"):
            asked = stretch(request.timeout, "timeout").total_seconds()
            within = min(max(asked, 0), _LONGEST_WAIT)
        run = await self._watches.ended(principal(), name, within)
        return pb.WaitFineTuneResponse(fine_tune=codec.resource(run))

    async def GetFineTune(
        self, request: pb.GetFineTuneRequest, context: Context
    ) -> pb.GetFineTuneResponse:
        """Read a run."""
        run = await self._runs.get(principal(), FineTuneName.parse(request.name))
        return pb.GetFineTuneResponse(fine_tune=codec.resource(run))

    async def ListFineTunes(
        self, request: pb.ListFineTunesRequest, context: Context
    ) -> pb.ListFineTunesResponse:
        """List runs, newest first."""
        found = await self._runs.list(
            principal(),
            TenantName.parse(request.parent, "parent"),
            page(request),
            states=[codec.STATE_OF[number] for number in request.states],
        )
        return pb.ListFineTunesResponse(
            fine_tunes=map(codec.resource, found.rows), next_page_token=found.next_token
        )

    async def CancelFineTune(
        self, request: pb.CancelFineTuneRequest, context: Context
    ) -> pb.CancelFineTuneResponse:
        """Ask a run to stop."""
        run = await self._steering.cancel(call(request), FineTuneName.parse(request.name))
        return pb.CancelFineTuneResponse(fine_tune=codec.resource(run))

    async def DeleteFineTune(
        self, request: pb.DeleteFineTuneRequest, context: Context
    ) -> pb.DeleteFineTuneResponse:
        """Forget a run that has ended."""
        await self._steering.delete(call(request), FineTuneName.parse(request.name))
        return pb.DeleteFineTuneResponse()

    async def ListFineTuneEvents(
        self, request: pb.ListFineTuneEventsRequest, context: Context
    ) -> pb.ListFineTuneEventsResponse:
        """List a run's events, oldest first."""
        name = FineTuneName.parse(request.parent, "parent")
        run = await self._runs.get(principal(), name)
        after = self._watches.cursors.read(run, request.cursor)
        found = await self._runs.events(principal(), name, page(request), after)
        last = found.rows[-1].sequence if found.rows else after
        return pb.ListFineTuneEventsResponse(
            events=[event_codec.event(run, event) for event in found.rows],
            next_page_token=found.next_token,
            cursor=self._watches.cursors.of(run, last),
        )

    async def WatchFineTune(  # type: ignore[override]  # bytes: a response that is encoded
        self, request: pb.WatchFineTuneRequest, context: Context
    ) -> AsyncIterator[pb.WatchFineTuneResponse | bytes]:
        """Stream a run's events."""
        name = FineTuneName.parse(request.name)
        async for frame in self._watches.watch(principal(), name, request.cursor):
            yield _encoded(frame)

    async def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, context: Context
    ) -> pb.ListCheckpointsResponse:
        """List a run's checkpoints, oldest first."""
        name = FineTuneName.parse(request.parent, "parent")
        run = await self._runs.get(principal(), name)
        found = await self._runs.checkpoints(principal(), name, page(request))
        return pb.ListCheckpointsResponse(
            checkpoints=[event_codec.checkpoint(run.name, *each) for each in found.rows],
            next_page_token=found.next_token,
        )

    async def GetResults(
        self, request: pb.GetResultsRequest, context: Context
    ) -> AsyncIterator[pb.GetResultsResponse]:
        """Stream the rows of results.csv."""
        rows: list[pb.ResultRow] = []
        for event in await self._runs.results(principal(), FineTuneName.parse(request.name)):
            rows.append(event_codec.result_row(event))
            if len(rows) == _ROWS:
                yield pb.GetResultsResponse(rows=rows)
                rows = []
        if rows:
            yield pb.GetResultsResponse(rows=rows)


def _encoded(frame: Frame) -> pb.WatchFineTuneResponse | bytes:
    match frame:
        case Snapshot(run, cursor):
            return pb.WatchFineTuneResponse(snapshot=codec.resource(run), cursor=cursor)
        case Bookmark(cursor):
            return pb.WatchFineTuneResponse(bookmark=True, cursor=cursor)
        case Closing(cursor, reason):
            closing = pb.WatchClosing(reason=reason, resume_after=_RESUME_AFTER)
            return pb.WatchFineTuneResponse(closing=closing, cursor=cursor)
        case _:
            # several encodings in a row are the encoding of one response with all their events
            return b"".join(map(_wire, frame))


_WIRE = "grpc"


def _wire(batch: Batch) -> bytes:
    """The encoding of a batch: made once, for all its watchers."""
    if (wire := batch.wires.get(_WIRE)) is None:
        response = pb.WatchFineTuneResponse(
            events=[event_codec.event(batch.run, event) for event in batch.events],
            cursor=batch.cursor,
        )
        wire = batch.wires[_WIRE] = response.SerializeToString()
    return wire
