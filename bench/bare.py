"""The limit: gRPC handlers that do nothing, in the style of the service. A process of its own.

GetFineTune and CreateFineTune answer with one and the same run. WatchFineTune writes a message of
the size and at the pace that the request's name says, `tenants/x/fineTunes/{count}-{bytes}-{ms}`:
encoded once, the same bytes for all watchers, as the service does it.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import uvloop
from tunesmith.v1 import event_pb2, fine_tune_pb2
from tunesmith.v1 import fine_tune_pb2 as pb

SERVICE = "tunesmith.v1.FineTuneService"


async def main() -> None:
    """Serve until killed; the address is the first line on stdout."""
    run = fine_tune_pb2.FineTune(name="tenants/x/fineTunes/bare", uid="0" * 36)

    async def get(request: pb.GetFineTuneRequest, context: Any) -> pb.GetFineTuneResponse:
        return pb.GetFineTuneResponse(fine_tune=run)

    async def create(request: pb.CreateFineTuneRequest, context: Any) -> pb.CreateFineTuneResponse:
        return pb.CreateFineTuneResponse(fine_tune=run)

    async def watch(request: pb.WatchFineTuneRequest, context: Any) -> Any:
        count, size, pause = map(int, request.name.rpartition("/")[2].split("-"))
        filler = event_pb2.Event(sequence=1, message="x" * max(0, size - 12))
        message = pb.WatchFineTuneResponse(events=[filler]).SerializeToString()
        for _ in range(count):
            yield message
            await asyncio.sleep(pause / 1000)

    def encoded(message: Any) -> bytes:
        return message if isinstance(message, bytes) else message.SerializeToString()

    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    handlers: dict[str, Any] = {
        "GetFineTune": unary(get, pb.GetFineTuneRequest.FromString, encoded),
        "CreateFineTune": unary(create, pb.CreateFineTuneRequest.FromString, encoded),
        "WatchFineTune": stream(watch, pb.WatchFineTuneRequest.FromString, encoded),
    }
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
