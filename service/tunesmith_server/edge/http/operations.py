"""Every operation of the HTTP port in words and types: what the OpenAPI document is made of.

A test compares the keys with the routes.
"""

from dataclasses import dataclass
from typing import Any

from tunesmith_server.edge.http import schemas as s
from tunesmith_server.edge.http.completion_schemas import ChatCompletion, Completion
from tunesmith_server.edge.http.completions import ChatBody, CompletionBody
from tunesmith_server.edge.http.fine_tunes import FineTuneBody
from tunesmith_server.edge.http.jobs import JobBody
from tunesmith_server.edge.http.permissions import PermissionBody
from tunesmith_server.edge.http.uploads import CompleteBody, UploadBody


@dataclass(frozen=True)
class Query:
    """A parameter of the query."""

    name: str
    words: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class FileForm:
    """A form with a file."""

    file: str
    fields: dict[str, Any]
    required: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One of them."""

    name: str
    group: str
    words: str
    answer: type | None
    """None is bytes."""
    body: type | FileForm | None = None
    query: tuple[Query, ...] = ()
    streams: bool = False
    """May also answer with server-sent events."""


def _limit(most: int, default: int) -> Query:
    return Query(
        "limit",
        f"how many at most; {default} if it is not given",
        {"type": "integer", "minimum": 1, "maximum": most, "default": default},
    )


_AFTER = Query("after", "the id after which to go on", {"type": "string"})
_FILE = FileForm(
    "file",
    {
        "purpose": {"type": "string", "enum": ["fine-tune"]},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000},
    },
    ("purpose",),
)
_FILES = (
    Query("purpose", "only files of this purpose", {"type": "string"}),
    Query("order", "by time", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
    _limit(10_000, 10_000),
    _AFTER,
)
_JOBS = (
    _limit(1000, 20),
    _AFTER,
    Query(
        "metadata",
        "only jobs with all of these pairs, as metadata[name]=value",
        {"type": "object", "additionalProperties": {"type": "string"}},
    ),
)
_STREAM = Query("stream", "follow the log as it is written", {"type": "boolean", "default": False})

_PERMISSIONS = (
    Query("project_id", "only those of this tenant", {"type": "string"}),
    Query(
        "order",
        "by time",
        {"type": "string", "enum": ["ascending", "descending"], "default": "descending"},
    ),
    _limit(1000, 10),
    _AFTER,
)
_JOB = "/v1/fine_tuning/jobs"
_SHARED = "/v1/fine_tuning/checkpoints/{model}/permissions"

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/files"): Operation(
        "listFiles", "Files", "The tenant's datasets and results.", s.FileList, query=_FILES
    ),
    ("POST", "/v1/files"): Operation(
        "createFile", "Files", "Take a file in, checked while it streams.", s.File, _FILE
    ),
    ("GET", "/v1/files/{file}"): Operation("getFile", "Files", "One file.", s.File),
    ("DELETE", "/v1/files/{file}"): Operation(
        "deleteFile", "Files", "Delete a file that no run under way uses.", s.Deleted
    ),
    ("GET", "/v1/files/{file}/content"): Operation(
        "downloadFile", "Files", "The bytes as uploaded, or results.csv.", None
    ),
    ("POST", "/v1/uploads"): Operation(
        "createUpload", "Uploads", "Begin a file in parts.", s.Upload, UploadBody
    ),
    ("POST", "/v1/uploads/{upload}/parts"): Operation(
        "addUploadPart",
        "Uploads",
        "Send a part of at most 64 MiB; several may be sent at once.",
        s.UploadPart,
        FileForm("data", {}, ()),
    ),
    ("POST", "/v1/uploads/{upload}/complete"): Operation(
        "completeUpload",
        "Uploads",
        "Put the parts together, in this order, as a file.",
        s.Upload,
        CompleteBody,
    ),
    ("POST", "/v1/uploads/{upload}/cancel"): Operation(
        "cancelUpload", "Uploads", "End an upload and keep nothing of it.", s.Upload
    ),
    ("GET", "/v1/fine-tunes"): Operation(
        "listFineTunes", "Fine-tunes (legacy)", "Every run, oldest first.", s.FineTuneList
    ),
    ("POST", "/v1/fine-tunes"): Operation(
        "createFineTune", "Fine-tunes (legacy)", "Submit a run.", s.FineTune, FineTuneBody
    ),
    ("GET", "/v1/fine-tunes/{job}"): Operation(
        "getFineTune", "Fine-tunes (legacy)", "One run with its events.", s.FineTune
    ),
    ("DELETE", "/v1/fine-tunes/{job}"): Operation(
        "deleteFineTune", "Fine-tunes (legacy)", "Forget a run that has ended.", s.Deleted
    ),
    ("POST", "/v1/fine-tunes/{job}/cancel"): Operation(
        "cancelFineTune", "Fine-tunes (legacy)", "Stop a run for good.", s.FineTune
    ),
    ("GET", "/v1/fine-tunes/{job}/events"): Operation(
        "listFineTuneEvents",
        "Fine-tunes (legacy)",
        "The log so far; as a stream, all of it and what comes, after `Last-Event-ID`.",
        s.FineTuneEventList,
        query=(_STREAM,),
        streams=True,
    ),
    ("GET", _JOB): Operation(
        "listJobs", "Fine-tuning jobs", "Runs, newest first.", s.JobList, query=_JOBS
    ),
    ("POST", _JOB): Operation("createJob", "Fine-tuning jobs", "Submit a run.", s.Job, JobBody),
    ("GET", f"{_JOB}/{{job}}"): Operation("getJob", "Fine-tuning jobs", "One run.", s.Job),
    ("POST", f"{_JOB}/{{job}}/cancel"): Operation(
        "cancelJob", "Fine-tuning jobs", "Stop a run for good.", s.Job
    ),
    ("POST", f"{_JOB}/{{job}}/pause"): Operation(
        "pauseJob", "Fine-tuning jobs", "Give a run's capacity back, to go on later.", s.Job
    ),
    ("POST", f"{_JOB}/{{job}}/resume"): Operation(
        "resumeJob", "Fine-tuning jobs", "Let a paused run go on.", s.Job
    ),
    ("GET", f"{_JOB}/{{job}}/events"): Operation(
        "listJobEvents",
        "Fine-tuning jobs",
        "The log, newest first.",
        s.JobEventList,
        query=(_limit(1000, 20), _AFTER),
    ),
    ("GET", f"{_JOB}/{{job}}/checkpoints"): Operation(
        "listCheckpoints",
        "Fine-tuning jobs",
        "The checkpoints, newest first.",
        s.CheckpointList,
        query=(_limit(1000, 10), _AFTER),
    ),
    ("GET", _SHARED): Operation(
        "listCheckpointPermissions",
        "Fine-tuning jobs",
        "With which tenants a model or a checkpoint is shared, newest first.",
        s.PermissionList,
        query=_PERMISSIONS,
    ),
    ("POST", _SHARED): Operation(
        "createCheckpointPermission",
        "Fine-tuning jobs",
        "Offer a model or a checkpoint to tenants, who can ask it once they have accepted.",
        s.PermissionList,
        PermissionBody,
    ),
    ("DELETE", f"{_SHARED}/{{permission}}"): Operation(
        "deleteCheckpointPermission",
        "Fine-tuning jobs",
        "Take a permission back; it holds from the next call on.",
        s.Deleted,
    ),
    ("GET", "/v1/fine_tuning/model_limits"): Operation(
        "listModelLimits",
        "Fine-tuning jobs",
        "How much of each base the tenant may use.",
        s.ModelLimitList,
    ),
    ("GET", "/v1/models"): Operation(
        "listModels", "Models", "Every base and every tuned model of the tenant.", s.ModelList
    ),
    ("GET", "/v1/models/{model}"): Operation("getModel", "Models", "One model.", s.Model),
    ("DELETE", "/v1/models/{model}"): Operation(
        "deleteModel", "Models", "Delete a tuned model.", s.Deleted
    ),
    ("GET", "/v1/engines"): Operation(
        "listEngines", "Models", "Every base, as the first API showed them.", s.EngineList
    ),
    ("GET", "/v1/engines/{engine}"): Operation("getEngine", "Models", "One base.", s.Engine),
    ("POST", "/v1/completions"): Operation(
        "createCompletion",
        "Answers",
        "Go on from prompts.",
        Completion,
        CompletionBody,
        streams=True,
    ),
    ("POST", "/v1/engines/{engine}/completions"): Operation(
        "createEngineCompletion",
        "Answers",
        "The same, by engine.",
        Completion,
        CompletionBody,
        streams=True,
    ),
    ("POST", "/v1/chat/completions"): Operation(
        "createChatCompletion",
        "Answers",
        "Answer a conversation.",
        ChatCompletion,
        ChatBody,
        streams=True,
    ),
    ("POST", "/v1/engines/{engine}/chat/completions"): Operation(
        "createEngineChatCompletion",
        "Answers",
        "The same, by engine.",
        ChatCompletion,
        ChatBody,
        streams=True,
    ),
}
