"""The runs of the fake service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2
from tunesmith.v1 import common_pb2, fine_tune_pb2, fine_tune_pb2_grpc

from tests.fakes.service import (
    Context,
    FakeService,
    a_status,
    changed,
    end_with,
    not_found,
    one_page,
    own,
)


class FineTunes(fine_tune_pb2_grpc.FineTuneServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def CreateFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("CreateFineTune", request, context)
        run = self.service.by_request_id.get(request.request_id)
        if run is None:
            id = request.fine_tune_id or f"r{len(self.service.runs) + 1}"
            run = fine_tune_pb2.FineTune()
            run.CopyFrom(request.fine_tune)
            run.name, run.etag = f"tenants/acme/fineTunes/{id}", "e"
            run.status.state = common_pb2.FINE_TUNE_STATE_QUEUED
            if not request.validate_only:
                self.service.runs[run.name] = run
                self.service.by_request_id[request.request_id] = run
        await self.service.answers("CreateFineTune", context)
        return fine_tune_pb2.CreateFineTuneResponse(fine_tune=run)

    async def GetFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetFineTune", request, context)
        run = self.service.runs.get(own(request.name))
        if run is None:
            await end_with(context, not_found(own(request.name)))
        return fine_tune_pb2.GetFineTuneResponse(fine_tune=run)

    async def ListFineTunes(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListFineTunes", request, context)
        runs, token = one_page(list(self.service.runs.values()), request)
        return fine_tune_pb2.ListFineTunesResponse(fine_tunes=runs, next_page_token=token)

    async def CancelFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("CancelFineTune", request, context)
        run = self.service.runs[own(request.name)]
        run.status.state = common_pb2.FINE_TUNE_STATE_CANCELLED
        return fine_tune_pb2.CancelFineTuneResponse(fine_tune=run)

    async def ListFineTuneEvents(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListFineTuneEvents", request, context)
        return fine_tune_pb2.ListFineTuneEventsResponse(events=self.service.events)

    async def GetResults(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("GetResults", request, context)
        for row in self.service.rows:
            yield fine_tune_pb2.GetResultsResponse(rows=[row])

    async def PlanFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("PlanFineTune", request, context)
        return self.service.plan

    async def ExplainFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ExplainFineTune", request, context)
        return self.service.why

    async def UpdateFineTune(self, request: Any, context: Context) -> Any:
        name = own(request.fine_tune.name)
        if request.fine_tune.etag not in ("", self.service.runs[name].etag):
            await self.service.arrived("UpdateFineTune", request, context)
            await end_with(context, a_status(code_pb2.ABORTED, "changed", "ETAG_MISMATCH"))

        def effect() -> Message:
            run = changed(self.service.runs[name], request, request.fine_tune)
            self.service.runs[name] = run
            return fine_tune_pb2.UpdateFineTuneResponse(fine_tune=run)

        return await self.service.once("UpdateFineTune", request, context, effect)

    async def PauseFineTune(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            run = self.service.runs[own(request.name)]
            run.status.state = common_pb2.FINE_TUNE_STATE_PAUSING
            return fine_tune_pb2.PauseFineTuneResponse(fine_tune=run)

        return await self.service.once("PauseFineTune", request, context, effect)

    async def ResumeFineTune(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            run = self.service.runs[own(request.name)]
            run.status.state = common_pb2.FINE_TUNE_STATE_QUEUED
            return fine_tune_pb2.ResumeFineTuneResponse(fine_tune=run)

        return await self.service.once("ResumeFineTune", request, context, effect)

    async def WatchFineTune(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("WatchFineTune", request, context)
        name = own(request.name)
        snapshot = self.service.runs.get(name, fine_tune_pb2.FineTune(name="x"))
        kind = fine_tune_pb2.WatchFineTuneResponse
        with self.service.watching():
            async for response in self._watch(request, context, kind, snapshot=snapshot):
                yield response

    async def WatchFineTunes(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("WatchFineTunes", request, context)
        kind = fine_tune_pb2.WatchFineTunesResponse
        snapshots = [] if request.cursor else list(self.service.runs.values())
        with self.service.watching():
            async for response in self._watch(request, context, kind, snapshots=snapshots):
                yield response
                if response.HasField("closing"):
                    return
            yield kind(bookmark=True, cursor=f"c{len(self.service.events)}")
            await asyncio.sleep(3600)  # it has no end of its own

    async def _watch(
        self, request: Any, context: Context, kind: type[Any], **first: Any
    ) -> AsyncIterator[Any]:
        faults, sent, batch = self.service.faults, 0, 3
        seen = int(request.cursor.removeprefix("c") or 0)
        events = self.service.events
        yield kind(cursor=f"c{seen}", **first)
        if faults.hang_watch:
            await asyncio.sleep(3600)
        if faults.repeat_events:
            seen = max(0, seen - 1)
        while seen < len(events):
            limit = faults.cut_watch_after or faults.close_watch_after or len(events)
            if sent >= limit and faults.cuts > 0:
                faults.cuts -= 1
                if faults.close_watch_after:
                    closing = fine_tune_pb2.WatchClosing(reason="draining")
                    yield kind(closing=closing, cursor=f"c{seen}")
                    return
                await context.abort(faults.cut_code, "Socket closed")
            upto = min(len(events), seen + min(batch, max(1, limit - sent)))
            yield kind(events=events[seen:upto], cursor=f"c{upto}")
            sent, seen = sent + upto - seen, upto
