"""`/v1/files`: the tenant's datasets, and the results of its runs."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from starlette.responses import Response, StreamingResponse
from tunesmith.dataset_rules import Report, Severity, decode_report

from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.results import results_csv
from tunesmith_server.app.uploads import Piece, Sent, Upload, Uploads
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import InvalidArgument, NotFound
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.names import DatasetName, FineTuneName, can_name
from tunesmith_server.domain.states import State
from tunesmith_server.edge.http.calls import OWN, Incoming
from tunesmith_server.edge.http.envelopes import Envelope, Refused, json_response, refused
from tunesmith_server.edge.http.forms import FilePart, Form
from tunesmith_server.edge.http.ids import new_id, results_id, run_of_results
from tunesmith_server.edge.http.pages import every, page_after, with_ends

FINE_TUNE = "fine-tune"
RESULTS = "fine-tune-results"
_MOST_FILES = 10_000
"""On one page; as many come where no limit is asked for."""
_UNREADABLE = {
    "JSON_INVALID",
    "NOT_AN_OBJECT",
    "ENCODING_INVALID",
    "FORMAT_UNSUPPORTED",
    "FILE_EMPTY",
}
"""What OpenAI refuses at the upload; of other faults it tells later, and so does the file here."""
_RANGE = re.compile(r"bytes=(\d+)-")


class FileEndpoints:
    """The endpoints around files."""

    def __init__(
        self, datasets: Datasets, uploads: Uploads, runs: FineTunes, *, largest_file: int
    ) -> None:
        self._datasets = datasets
        self._uploads = uploads
        self._runs = runs
        self._largest_file = largest_file

    async def create(self, incoming: Incoming) -> Response:
        """Take a file in, in constant memory, checked while it streams."""
        async with Form(incoming, self._largest_file) as form:
            file = await form.file("file")
            purpose = form.fields.get("purpose", "")
            if purpose:
                check_purpose(purpose)  # before a byte is read
            name = base_name(file.name)
            dataset = await self._uploads.take(
                incoming.call(name),
                Upload(OWN, new_id("file"), file_name=name),
                Sent(
                    _pieces(form, file),
                    lambda: "",
                    lambda: _keep_seconds(form.fields),
                    lambda report: check_readable(report, "file"),
                ),
            )
        return json_response(file_object(dataset))

    async def list(self, incoming: Incoming) -> Response:
        """Every file, newest first; the old client reads them all to find duplicates."""
        query = incoming.request.query_params
        caller = incoming.principal
        datasets = every(lambda page: self._datasets.list(caller, OWN, page))
        found = [file_object(each) async for each in datasets]
        found += [results_object(run) async for run in self._ended_runs(caller)]
        if purpose := query.get("purpose"):
            found = [file for file in found if file["purpose"] == purpose]
        # sorting keeps the order within a second, so the oldest first are the newest first turned
        found.sort(key=lambda file: file["created_at"], reverse=True)
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise refused(f"'{order[:20]}' is not one of ['asc', 'desc'] - 'order'", "order")
        if order == "asc":
            found.reverse()
        page, more = await page_after(
            found, query, lambda file: str(file["id"]), default=_MOST_FILES, most=_MOST_FILES
        )
        return json_response(with_ends(page, more))

    async def get(self, incoming: Incoming) -> Response:
        """One file."""
        id = incoming.path("file")
        if run := await self._run(incoming.principal, id):
            if run.results_bytes is None:
                text = await self.results(incoming.principal, run)
                run = replace(run, results_bytes=len(text))
            return json_response(results_object(run))
        return json_response(file_object(await self.dataset(incoming.principal, id)))

    async def content(self, incoming: Incoming) -> Response:
        """The bytes: as uploaded, or results.csv."""
        id = incoming.path("file")
        if run := await self._run(incoming.principal, id):
            text = await self.results(incoming.principal, run)
            return Response(text, media_type="application/octet-stream")
        dataset = await self.dataset(incoming.principal, id)
        start, status, size = 0, 200, dataset.size_bytes
        headers = {}
        if asked := _RANGE.fullmatch(incoming.request.headers.get("range", "")):
            if len(asked[1]) > 18 or int(asked[1]) >= size:
                return _out_of_range(size)
            start, status = int(asked[1]), 206
            headers["content-range"] = f"bytes {start}-{size - 1}/{size}"
        headers["content-length"] = str(size - start)
        chunks = self._datasets.content(incoming.principal, dataset.name, offset=start)
        return StreamingResponse(
            chunks, status, headers=headers, media_type="application/octet-stream"
        )

    async def delete(self, incoming: Incoming) -> Response:
        """Delete a file that no run under way uses."""
        id = incoming.path("file")
        if run_of_results(id):
            raise refused("The results of a job go with the job.", "id")
        await self._datasets.delete(incoming.call(id), _dataset_name(id))
        return json_response({"id": id, "object": "file", "deleted": True})

    async def dataset(self, caller: Principal, id: str) -> Dataset:
        """The dataset under a file id, or NotFound."""
        return await self._datasets.get(caller, _dataset_name(id))

    async def results(self, caller: Principal, run: FineTune) -> bytes:
        """`results.csv` of a run."""
        return results_csv(await self._runs.results(caller, run.name))

    async def file_of(self, caller: Principal, id: str) -> dict[str, Any]:
        """The file under this id, as jobs show it, also when it is deleted by now."""
        try:
            return file_object(await self.dataset(caller, id))
        except NotFound:
            return _file(id, FINE_TUNE, id, 0, None, "deleted", None)

    async def files_of(
        self, caller: Principal, runs: Iterable[FineTune]
    ) -> dict[str, dict[str, Any]]:
        """The files that runs train and are measured on, by id."""
        used = [each for run in runs for each in (run.resolved.training, run.resolved.validation)]
        ids = {each.dataset for each in used if each}
        return {id: await self.file_of(caller, id) for id in ids}

    async def _run(self, caller: Principal, id: str) -> FineTune | None:
        """The run whose results these are; None for another kind of file."""
        run_id = run_of_results(id)
        if run_id is None:
            return None
        try:
            name = FineTuneName.parse(f"tenants/-/fineTunes/{run_id}")
            run = await self._runs.get(caller, name)
        except (InvalidArgument, NotFound):
            run = None
        if run is None or not has_results(run):
            raise NotFound(f"tenants/-/datasets/{id}")
        return run

    def _ended_runs(self, caller: Principal) -> AsyncIterator[FineTune]:
        """The runs that have results."""
        ended = [State.SUCCEEDED, State.STOPPED_AT_LIMIT]
        return every(lambda page: self._runs.list(caller, OWN, page, states=ended))


def _dataset_name(id: str) -> DatasetName:
    """The name of the caller's dataset; NotFound for what can be no id."""
    shown = f"tenants/-/datasets/{id[:200]}"
    try:
        if can_name(id):
            return DatasetName.parse(shown)
    except InvalidArgument:
        pass
    raise NotFound(shown)


def _out_of_range(size: int) -> Response:
    response = Envelope(
        416, f"The range begins behind the end: the file has {size} bytes.", param="range"
    ).response()
    response.headers["content-range"] = f"bytes */{size}"
    return response


def has_results(run: FineTune) -> bool:
    """Whether there is a results.csv: once there is a model."""
    return run.model is not None


def file_object(dataset: Dataset) -> dict[str, Any]:
    """A dataset as a file."""
    status, details = "processed", None
    if dataset.state is DatasetState.PROCESSING:
        status = "uploaded"  # clients that wait for `processed` come again
    elif dataset.state is not DatasetState.READY:
        status, details = "error", _first_error(dataset)
    return _file(
        dataset.name.id,
        FINE_TUNE,
        dataset.file_name or dataset.name.id,
        dataset.size_bytes,
        dataset.create_time,
        status,
        details,
        dataset.expire_time,
    )


def results_object(run: FineTune) -> dict[str, Any]:
    """The results of a run as a file; 0 bytes where they are not counted."""
    name, size = "compiled_results.csv", run.results_bytes or 0
    return _file(results_id(run), RESULTS, name, size, run.end_time, "processed", None)


def base_name(file_name: str) -> str:
    """What clients compare: the last part of a path as it was typed, of whatever system."""
    return PurePosixPath(PureWindowsPath(file_name).name).name[:255]


def _file(
    id: str,
    purpose: str,
    name: str,
    size: int,
    made: datetime | None,
    status: str,
    details: str | None,
    expires: datetime | None = None,
) -> dict[str, Any]:
    return {
        "object": "file",
        "id": id,
        "purpose": purpose,
        "filename": name,
        "bytes": size,
        "created_at": int(made.timestamp()) if made else 0,
        "expires_at": int(expires.timestamp()) if expires else None,
        "status": status,
        "status_details": details,
    }


async def _pieces(form: Form, file: FilePart) -> AsyncIterator[Piece]:
    """The bytes, and at their end what the form says after them: nothing stays if it is wrong."""
    offset = 0
    async for part in file.parts():
        yield Piece(offset, part)
        offset += len(part)
    await form.rest()
    check_purpose(form.fields.get("purpose", ""))


def check_purpose(purpose: str) -> None:
    """Refused unless files of this purpose are kept here."""
    if purpose != FINE_TUNE:
        raise _other_purpose(purpose)


def _keep_seconds(fields: Mapping[str, str]) -> int | None:
    """What the form says of `expires_after`."""
    anchor, seconds = (fields.get(f"expires_after[{name}]") for name in ("anchor", "seconds"))
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise refused("'expires_after[anchor]' is 'created_at'", "expires_after.anchor")
    if seconds is None or not seconds.isdecimal() or len(seconds) > 9:
        raise refused("'expires_after[seconds]' is a number of seconds", "expires_after.seconds")
    return int(seconds)


def check_readable(report: Report, param: str) -> None:
    """Refused, in OpenAI's words, if a file is no JSON lines."""
    first = next((f for f in report.findings if f.code in _UNREADABLE), None)
    if first is None:
        return
    if first.code == "FILE_EMPTY":
        raise refused("The file is empty.", param)
    raise refused(
        "Expected file to have JSONL format, where every line is a JSON dictionary. "
        f"Line {max(first.line, 1)} is not a dictionary ({first.message}).",
        param,
    )


def _first_error(dataset: Dataset) -> str:
    report = decode_report(dict(dataset.report))
    first = next((f for f in report.findings if f.severity is Severity.ERROR), None)
    return f"{first} ({first.code})" if first else "the file is still being looked at"


def _other_purpose(purpose: str) -> Refused:
    if not purpose:
        return refused("'purpose' is a required property", "purpose")
    return refused(
        f"'{purpose[:50]}' is not one of ['{FINE_TUNE}'] - 'purpose': files here are for "
        "fine-tuning",
        "purpose",
    )
