"""The routes: which path is which method of the contract, and which handler answers."""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tunesmith_server.edge.http import not_offered, openapi
from tunesmith_server.edge.http.calls import Calls, Handler
from tunesmith_server.edge.http.completions import Completions
from tunesmith_server.edge.http.envelopes import Envelope, json_response
from tunesmith_server.edge.http.files import FileEndpoints
from tunesmith_server.edge.http.fine_tunes import LegacyEndpoints
from tunesmith_server.edge.http.jobs import JobEndpoints
from tunesmith_server.edge.http.model_limits import LimitEndpoints
from tunesmith_server.edge.http.models import ModelEndpoints
from tunesmith_server.edge.http.permissions import PermissionEndpoints
from tunesmith_server.edge.http.uploads import UploadEndpoints

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


Endpoint = tuple[str, str, str, Handler]
"""Verb, path, method of the contract, and what answers."""


def endpoints(
    files: FileEndpoints,
    uploads: UploadEndpoints,
    legacy: LegacyEndpoints,
    jobs: JobEndpoints,
    models: ModelEndpoints,
    completions: Completions,
    permissions: PermissionEndpoints,
    limits: LimitEndpoints,
) -> tuple[Endpoint, ...]:
    """Everything that is answered."""
    runs, data, model = "FineTuneService", "DatasetService", "ModelService"
    return (
        ("GET", "/v1/files", f"{data}/ListDatasets", files.list),
        ("POST", "/v1/files", f"{data}/UploadDataset", files.create),
        # the old command line asks for files by the path that was typed: slashes are part of it
        ("GET", "/v1/files/{file}/content", f"{data}/DownloadDataset", files.content),
        ("GET", "/v1/files/{file:path}", f"{data}/GetDataset", files.get),
        ("DELETE", "/v1/files/{file:path}", f"{data}/DeleteDataset", files.delete),
        ("POST", "/v1/uploads", f"{data}/UploadDataset", uploads.create),
        ("POST", "/v1/uploads/{upload}/parts", f"{data}/UploadDataset", uploads.part),
        ("POST", "/v1/uploads/{upload}/complete", f"{data}/UploadDataset", uploads.complete),
        ("POST", "/v1/uploads/{upload}/cancel", f"{data}/UploadDataset", uploads.cancel),
        ("GET", "/v1/fine-tunes", f"{runs}/ListFineTunes", legacy.list),
        ("POST", "/v1/fine-tunes", f"{runs}/CreateFineTune", legacy.create),
        ("GET", "/v1/fine-tunes/{job}", f"{runs}/GetFineTune", legacy.get),
        ("DELETE", "/v1/fine-tunes/{job}", f"{runs}/DeleteFineTune", legacy.delete),
        ("POST", "/v1/fine-tunes/{job}/cancel", f"{runs}/CancelFineTune", legacy.cancel),
        ("GET", "/v1/fine-tunes/{job}/events", f"{runs}/WatchFineTune", legacy.events),
        ("GET", "/v1/fine_tuning/jobs", f"{runs}/ListFineTunes", jobs.list),
        ("POST", "/v1/fine_tuning/jobs", f"{runs}/CreateFineTune", jobs.create),
        ("GET", "/v1/fine_tuning/jobs/{job}", f"{runs}/GetFineTune", jobs.get),
        ("POST", "/v1/fine_tuning/jobs/{job}/cancel", f"{runs}/CancelFineTune", jobs.cancel),
        ("POST", "/v1/fine_tuning/jobs/{job}/pause", f"{runs}/PauseFineTune", jobs.pause),
        ("POST", "/v1/fine_tuning/jobs/{job}/resume", f"{runs}/ResumeFineTune", jobs.resume),
        ("GET", "/v1/fine_tuning/jobs/{job}/events", f"{runs}/ListFineTuneEvents", jobs.events),
        (
            "GET",
            "/v1/fine_tuning/jobs/{job}/checkpoints",
            f"{runs}/ListCheckpoints",
            jobs.checkpoints,
        ),
        (
            "GET",
            "/v1/fine_tuning/checkpoints/{model}/permissions",
            f"{model}/ListModelShares",
            permissions.list,
        ),
        (
            "POST",
            "/v1/fine_tuning/checkpoints/{model}/permissions",
            f"{model}/ShareModel",
            permissions.create,
        ),
        (
            "DELETE",
            "/v1/fine_tuning/checkpoints/{model}/permissions/{permission}",
            f"{model}/UnshareModel",
            permissions.delete,
        ),
        ("GET", "/v1/fine_tuning/model_limits", "TenantService/GetUsage", limits.list),
        ("GET", "/v1/models", f"{model}/ListModels", models.list),
        ("GET", "/v1/models/{model:path}", f"{model}/GetModel", models.get),
        ("DELETE", "/v1/models/{model:path}", f"{model}/DeleteModel", models.delete),
        ("GET", "/v1/engines", f"{model}/ListModels", models.engines),
        ("GET", "/v1/engines/{engine}", f"{model}/GetModel", models.engine),
        ("POST", "/v1/completions", f"{model}/Complete", completions.complete),
        ("POST", "/v1/engines/{engine}/completions", f"{model}/Complete", completions.complete),
        ("POST", "/v1/chat/completions", f"{model}/Chat", completions.chat),
        ("POST", "/v1/engines/{engine}/chat/completions", f"{model}/Chat", completions.chat),
    )


def http_app(calls: Calls, table: tuple[Endpoint, ...], *, origins: tuple[str, ...] = ()) -> ASGI:
    """The application. `origins` may call it from browsers."""
    routes = [
        Route(path, calls.endpoint(method, handler), methods=[verb])
        for verb, path, method, handler in table
    ]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    app = Starlette(
        routes=[*routes, *_documented()],
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: _unrouted},
    )
    app.router.redirect_slashes = False  # a redirected POST loses its body in some clients
    return _tolerant(app)


def _documented() -> list[Route]:
    """What tells of the rest, to whoever asks."""
    described, page = json_response(openapi.document()), HTMLResponse(openapi.page())

    async def document(request: Request) -> Response:
        return described

    async def read(request: Request) -> Response:
        return page

    return [Route("/openapi.json", document), Route("/docs", read)]


_EXPOSED = [
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
    "openai-organization",
    "retry-after",
    "x-should-retry",
    *(
        f"x-ratelimit-{kind}-{of}"
        for kind in ("limit", "remaining", "reset")
        for of in ("requests", "tokens")
    ),
]
"""What scripts on other origins may read of an answer's headers."""


async def _unrouted(request: Request, error: Exception) -> Response:
    """Unknown routes and verbs answer in the same envelope as everything else."""
    assert isinstance(error, HTTPException)
    verb, path = request.method, request.url.path
    if error.status_code == 405:
        words = f"Not allowed to {verb} on {path}"
    else:
        words = f"Invalid URL ({verb} {path})"
    why = not_offered.reason(path) if error.status_code == 404 else None
    code = not_offered.CODE if why else None
    response = Envelope(error.status_code, why or words, code=code).response()
    response.headers["x-request-id"] = uuid.uuid4().hex
    return response


def _tolerant(app: ASGI) -> ASGI:
    """Slashes may be doubled: clients put base and path together as they find them."""

    async def tolerant(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("//"):
            scope["path"] = re.sub("^/+", "/", scope["path"])
        if scope["type"] == "http" and scope["path"].startswith("/v1//"):
            scope["path"] = re.sub("^/v1/+", "/v1/", scope["path"])
        await app(scope, receive, send)

    return tolerant
