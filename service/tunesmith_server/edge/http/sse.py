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

    With `alive_every` (seconds), for frames that do not show life by themselves: then the answer
    begins after that long, whatever comes, since proxies give up what is silent.
    """
    if alive_every is None:
        body = _after(await anext(frames, None), frames)
    else:
        first = asyncio.ensure_future(anext(frames, None))
        try:
            await asyncio.wait((first,), timeout=alive_every)
        except asyncio.CancelledError:
            first.cancel()
            raise
        if first.done():
            first.result()
        body = _alive(first, frames, alive_every)
    return StreamingResponse(_told(body), headers=_HEADERS, media_type="text/event-stream")


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


async def _after(first: bytes | None, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is not None:
        yield first
        async for frame in frames:
            yield frame


async def _alive(
    coming: "asyncio.Future[bytes | None]", frames: AsyncIterator[bytes], every: float
) -> AsyncIterator[bytes]:
    """The frames after the one that is coming, and a comment where none has come for a while."""
    try:
        while True:
            done, _ = await asyncio.wait((coming,), timeout=every)
            if not done:
                yield ALIVE
                continue
            frame = coming.result()
            if frame is None:
                return
            yield frame
            coming = asyncio.ensure_future(anext(frames, None))
    finally:
        coming.cancel()
