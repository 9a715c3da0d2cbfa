"""`/v1/files`: the tenant's datasets, and the results of its runs."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from starlette.responses import Response, StreamingResponse
from tunesmith import results
from tunesmith.dataset_rules import Report, Severity, decode_report

from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.pages import MAX_PAGE, PageRequest
from tunesmith_server.app.uploads import Piece, Sent, Upload, Uploads
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import InvalidArgument, NotFound
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.names import DatasetName, FineTuneName, can_name
from tunesmith_server.domain.states import State
from tunesmith_server.edge.http.calls import OWN, Incoming
from tunesmith_server.edge.http.envelopes import Refused, json_response, refused
from tunesmith_server.edge.http.forms import FilePart, Form
from tunesmith_server.edge.http.ids import new_id, results_id, run_of_results

FINE_TUNE = "fine-tune"
RESULTS = "fine-tune-results"
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
            dataset = await self._uploads.take(
                incoming.call(),
                Upload(OWN, new_id("file"), file_name=base_name(file.name)),
                Sent(_pieces(form, file), lambda: "", lambda: _keep_seconds(form.fields)),
            )
        try:
            check_readable(decode_report(dict(dataset.report)), "file")
        except Refused:
            await asyncio.shield(self._datasets.delete(incoming.call(), dataset.name))
            raise
        return json_response(file_object(dataset))

    async def list(self, incoming: Incoming) -> Response:
        """Every file, newest first; the old client reads them all to find duplicates."""
        query = incoming.request.query_params
        limit = _limit(query.get("limit"))
        found = [file_object(each) async for each in self._all(incoming.principal)]
        found += [
            results_object(run, 0) async for run in ended_runs(self._runs, incoming.principal)
        ]
        if purpose := query.get("purpose"):
            found = [file for file in found if file["purpose"] == purpose]
        # sorting keeps the order within a second, so the oldest first are the newest first turned
        found.sort(key=lambda file: file["created_at"], reverse=True)
        if query.get("order") == "asc":
            found.reverse()
        if after := query.get("after"):
            places = [place for place, file in enumerate(found) if file["id"] == after]
            if not places:
                raise refused(f"No such File object: {after}", "after", status=404)
            found = found[places[0] + 1 :]
        shown = found[:limit]
        return json_response(
            {
                "object": "list",
                "data": shown,
                "has_more": len(found) > limit,
                "first_id": shown[0]["id"] if shown else None,
                "last_id": shown[-1]["id"] if shown else None,
            }
        )

    async def get(self, incoming: Incoming) -> Response:
        """One file."""
        id = incoming.path("file")
        if run := await self._run(incoming.principal, id):
            text = await self.results(incoming.principal, run)
            return json_response(results_object(run, len(text)))
        return json_response(file_object(await self.dataset(incoming.principal, id)))

    async def content(self, incoming: Incoming) -> Response:
        """The bytes: as uploaded, or results.csv."""
        id = incoming.path("file")
        if run := await self._run(incoming.principal, id):
            text = await self.results(incoming.principal, run)
            return Response(text, media_type="application/octet-stream")
        dataset = await self.dataset(incoming.principal, id)
        start, status = 0, 200
        if asked := _RANGE.fullmatch(incoming.request.headers.get("range", "")):
            start, status = min(int(asked[1]), dataset.size_bytes), 206
        headers = {"content-length": str(dataset.size_bytes - start)}
        if status == 206:
            headers["content-range"] = (
                f"bytes {start}-{dataset.size_bytes - 1}/{dataset.size_bytes}"
            )
        chunks = self._datasets.content(incoming.principal, dataset.name, offset=start)
        return StreamingResponse(
            chunks, status, headers=headers, media_type="application/octet-stream"
        )

    async def delete(self, incoming: Incoming) -> Response:
        """Delete a file that no run under way uses."""
        id = incoming.path("file")
        if run_of_results(id):
            raise refused("The results of a job go with the job.", "id")
        dataset = await self.dataset(incoming.principal, id)
        await self._datasets.delete(incoming.call(id), dataset.name)
        return json_response({"id": id, "object": "file", "deleted": True})

    async def dataset(self, caller: Principal, id: str) -> Dataset:
        """The dataset under a file id; what can be no id is simply not there."""
        shown = f"tenants/-/datasets/{id[:200]}"
        if not can_name(id):
            raise NotFound(shown)
        try:
            name = DatasetName.parse(f"tenants/-/datasets/{id}")
            return await self._datasets.get(caller, name)
        except (InvalidArgument, NotFound):
            raise NotFound(shown) from None

    async def results(self, caller: Principal, run: FineTune) -> bytes:
        """`results.csv` of a run."""
        rows = [
            (int(event.data["step"]), event.data["values"])
            async for event in self._runs.results(caller, run.name)
        ]
        return results.csv_text(rows).encode()

    async def file_of(self, caller: Principal, id: str) -> dict[str, Any]:
        """The file under this id, as jobs show it, also when it is deleted by now."""
        try:
            return file_object(await self.dataset(caller, id))
        except NotFound:
            return _file(id, FINE_TUNE, id, 0, None, "deleted", None)

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

    async def _all(self, caller: Principal) -> AsyncIterator[Dataset]:
        token = ""
        while True:
            page = await self._datasets.list(caller, OWN, PageRequest(MAX_PAGE, token))
            for dataset in page.rows:
                yield dataset
            token = page.next_token
            if not token:
                return


async def ended_runs(runs: FineTunes, caller: Principal) -> AsyncIterator[FineTune]:
    """The runs that have results."""
    token = ""
    while True:
        page = await runs.list(
            caller,
            OWN,
            PageRequest(MAX_PAGE, token),
            states=[State.SUCCEEDED, State.STOPPED_AT_LIMIT],
        )
        for run in page.rows:
            yield run
        token = page.next_token
        if not token:
            return


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


def results_object(run: FineTune, size: int) -> dict[str, Any]:
    """The results of a run as a file; lists do not say its size, which is not known beforehand."""
    return _file(
        results_id(run), RESULTS, "compiled_results.csv", size, run.end_time, "processed", None
    )


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


def _limit(text: str | None) -> int:
    if text is None:
        return 10_000
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise refused(f"{text[:20]!r} is not between 1 and 10000 - 'limit'", "limit")
    return int(text)
