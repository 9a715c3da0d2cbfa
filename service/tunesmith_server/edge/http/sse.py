"""Server-sent events, as OpenAI's clients read them.

Frames are `data: {one line of JSON}` and a blank line, the last is `data: [DONE]`, and the body
ends after it: the old client reads on to the end. Comments show that the stream is alive.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import structlog
from starlette.responses import StreamingResponse

from tunesmith_server.domain.errors import DomainError
from tunesmith_server.edge.http.envelopes import envelope, internal

log = structlog.get_logger(__name__)

DONE = b"data: [DONE]\n\n"
RESUME = b"retry: 1000\n: the service ends for now; go on after Last-Event-ID\n\n"
"""What a stream ends with, instead of DONE, that is to be taken up again."""
ALIVE = b": keep-alive\n\n"
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # proxies must not gather


def data(value: object, id: str = "") -> bytes:
    """One event; `id` comes back as `Last-Event-ID` when the stream is taken up again."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return (f"id: {id}\n" if id else "").encode() + f"data: {text}\n\n".encode()


async def stream(
    frames: AsyncIterator[bytes], *, alive_every: float | None = None
) -> StreamingResponse:
    """The answer that sends the frames. What fails before the first is an answer of its own.

    With `alive_every` (seconds), for frames that do not show life by themselves.
    """
    first = await anext(frames, None)

    async def body() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
            async for frame in _alive(frames, alive_every) if alive_every else frames:
                yield frame

    return StreamingResponse(_told(body()), headers=_HEADERS, media_type="text/event-stream")


async def _told(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The frames; an error on the way is an event, which every client raises."""
    try:
        async for frame in frames:
            yield frame
    except DomainError as error:
        yield data(envelope(error).body())
    except Exception as error:
        incident = uuid.uuid4().hex
        log.exception("stream_failed", incident=incident, exc_info=error)
        yield data(internal(incident).body())


async def _alive(frames: AsyncIterator[bytes], every: float) -> AsyncIterator[bytes]:
    """The frames, and a comment where none has come for a while."""
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(frames))
            done, _ = await asyncio.wait((coming,), timeout=every)
            if not done:
                yield ALIVE
                continue
            frame, coming = coming.result(), None
            if frame is None:
                return
            yield frame
    finally:
        if coming:
            coming.cancel()


async def _next(frames: AsyncIterator[bytes]) -> bytes | None:
    return await anext(frames, None)
