"""DatasetService: decode, call one use case, encode."""

from collections.abc import AsyncIterator

from tunesmith.dataset_rules import Format, Shape, decode_report
from tunesmith.dataset_rules.split import SplitChoice
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import dataset_pb2_grpc as rpc

from tunesmith_server.app.datasets import Datasets
from tunesmith_server.app.imports import Import, Imports
from tunesmith_server.app.preparing import Preparing, SplitWanted, Wanted
from tunesmith_server.app.statistics import Statistics
from tunesmith_server.app.uploads import Sent, Upload, Uploads
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.names import DatasetName, TenantName, base_model_id
from tunesmith_server.edge.grpc import preparation_codec
from tunesmith_server.edge.grpc.analysis_codec import analysis, finding, token_statistics
from tunesmith_server.edge.grpc.requests import digest, page, timestamp
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of
from tunesmith_server.edge.grpc.upload_stream import Parts, header_of

_STATES = {state: getattr(pb, f"DATASET_STATE_{state.name}") for state in DatasetState}
_SHAPES = {
    Shape.PROMPT_COMPLETION: pb.DATASET_SHAPE_PROMPT_COMPLETION,
    Shape.CHAT: pb.DATASET_SHAPE_CHAT,
    Shape.PREFERENCE: pb.DATASET_SHAPE_PREFERENCE,
}
_SHAPE_OF = {number: shape for shape, number in _SHAPES.items()}
_FORMATS = {format: getattr(pb, f"DATASET_FORMAT_{format.name}") for format in Format}
_FORMAT_OF = {number: format for format, number in _FORMATS.items()}
_SHOWN = 20
_FINDINGS_A_MESSAGE = 500


@answers_all_of(pb.DESCRIPTOR.services_by_name["DatasetService"])
class DatasetServicer(rpc.DatasetServiceServicer):
    """The gRPC face of Datasets."""

    def __init__(
        self,
        datasets: Datasets,
        uploads: Uploads,
        imports: Imports,
        statistics: Statistics,
        preparing: Preparing,
    ) -> None:
        self._datasets = datasets
        self._uploads = uploads
        self._imports = imports
        self._statistics = statistics
        self._preparing = preparing

    async def UploadDataset(
        self, request_iterator: AsyncIterator[pb.UploadDatasetRequest], context: Context
    ) -> pb.UploadDatasetResponse:
        """Take a file in."""
        header = await header_of(request_iterator)
        parts = Parts(request_iterator)
        upload = Upload(
            parent=TenantName.parse(header.parent, "header.parent"),
            id=header.dataset_id,
            file_name=header.file_name,
            display_name=header.display_name,
            labels=dict(header.labels),
            shape=_shape(header.shape, "header.shape"),
            format=_FORMAT_OF.get(header.format),
            size_bytes=header.size_bytes,
            request_id=header.request_id,
            hash=_hash(header),
        )
        sent = Sent(parts, lambda: parts.sha256)
        dataset = await self._uploads.take(call(header), upload, sent)
        return pb.UploadDatasetResponse(dataset=_resource(dataset))

    async def GetUpload(
        self, request: pb.GetUploadRequest, context: Context
    ) -> pb.GetUploadResponse:
        """Tell how far an interrupted upload has come."""
        progress = await self._uploads.progress(
            principal(), TenantName.parse(request.parent, "parent"), request.request_id
        )
        return pb.GetUploadResponse(
            offset=progress.offset, expire_time=timestamp(progress.expire_time)
        )

    async def ImportDataset(
        self, request: pb.ImportDatasetRequest, context: Context
    ) -> pb.ImportDatasetResponse:
        """Take a file in from a URI."""
        wanted = Import(
            parent=TenantName.parse(request.parent, "parent"),
            id=request.dataset_id,
            uri=request.uri,
            shape=_shape(request.shape, "shape"),
            format=_FORMAT_OF.get(request.format),
            sha256=request.sha256,
        )
        dataset = await self._imports.take(call(request), wanted)
        if request.validate_only:
            foreseen = pb.Dataset(
                name=str(dataset.name),
                state=pb.DATASET_STATE_PROCESSING,
                size_bytes=dataset.size_bytes,
                file_name=dataset.file_name,
            )
            return pb.ImportDatasetResponse(dataset=foreseen)
        return pb.ImportDatasetResponse(dataset=_resource(dataset))

    async def GetDataset(
        self, request: pb.GetDatasetRequest, context: Context
    ) -> pb.GetDatasetResponse:
        """Read a dataset."""
        name = DatasetName.parse(request.name)
        dataset = await self._datasets.get(principal(), name, request.version)
        return pb.GetDatasetResponse(dataset=_resource(dataset))

    async def ListDatasets(
        self, request: pb.ListDatasetsRequest, context: Context
    ) -> pb.ListDatasetsResponse:
        """List datasets, newest first."""
        found = await self._datasets.list(
            principal(), TenantName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListDatasetsResponse(
            datasets=map(_resource, found.rows), next_page_token=found.next_token
        )

    async def ListDatasetVersions(
        self, request: pb.ListDatasetVersionsRequest, context: Context
    ) -> pb.ListDatasetVersionsResponse:
        """List the versions of a dataset, newest first."""
        found = await self._datasets.versions(
            principal(), DatasetName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListDatasetVersionsResponse(
            versions=map(_resource, found.rows), next_page_token=found.next_token
        )

    async def ListDescendants(
        self, request: pb.ListDescendantsRequest, context: Context
    ) -> pb.ListDescendantsResponse:
        """List the models that were made with a dataset, newest first."""
        found = await self._datasets.descendants(
            principal(), DatasetName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListDescendantsResponse(
            models=map(str, found.rows), next_page_token=found.next_token
        )

    async def DeleteDataset(
        self, request: pb.DeleteDatasetRequest, context: Context
    ) -> pb.DeleteDatasetResponse:
        """Delete a dataset."""
        await self._datasets.delete(call(request), DatasetName.parse(request.name))
        return pb.DeleteDatasetResponse()

    async def DownloadDataset(
        self, request: pb.DownloadDatasetRequest, context: Context
    ) -> AsyncIterator[pb.DownloadDatasetResponse]:
        """Stream the bytes as uploaded."""
        name = DatasetName.parse(request.name)
        content = self._datasets.content(principal(), name, request.version, request.offset)
        async for chunk in content:
            yield pb.DownloadDatasetResponse(data=chunk)

    async def ValidateDataset(
        self, request: pb.ValidateDatasetRequest, context: Context
    ) -> AsyncIterator[pb.ValidateDatasetResponse]:
        """Stream the findings, at once those that there are; those of the analysis when it ends."""
        name = DatasetName.parse(request.name)
        sent: set[bytes] = set()
        for is_last in (False, True):
            dataset = await self._datasets.get(principal(), name, request.version)
            keyed = {each.SerializeToString(): each for each in _findings(dataset)}
            new = [finding for key, finding in keyed.items() if key not in sent]
            sent |= keyed.keys()
            for start in range(0, len(new), _FINDINGS_A_MESSAGE):
                yield pb.ValidateDatasetResponse(findings=new[start : start + _FINDINGS_A_MESSAGE])
            is_open = dataset.analysis is not None and dataset.analysis.state.is_open
            if is_last or not is_open:
                return
            await self._statistics.wait_for_report(principal(), name)

    async def GetDatasetStatistics(
        self, request: pb.GetDatasetStatisticsRequest, context: Context
    ) -> pb.GetDatasetStatisticsResponse:
        """Tell how many tokens a version is for each base."""
        found = await self._statistics.of(
            principal(),
            DatasetName.parse(request.name),
            request.version,
            base_model_id(request.base_model, "base_model") if request.base_model else "",
        )
        return pb.GetDatasetStatisticsResponse(statistics=map(token_statistics, found))

    async def PrepareDataset(
        self, request: pb.PrepareDatasetRequest, context: Context
    ) -> pb.PrepareDatasetResponse:
        """Propose fixes, or apply them."""
        prepared = await self._preparing.prepare(
            call(request),
            DatasetName.parse(request.name),
            request.version,
            Wanted(tuple(request.fixes), request.all_fixes),
        )
        made = _resource(prepared.dataset) if prepared.dataset else None
        return preparation_codec.response(prepared, made)

    async def SplitDataset(
        self, request: pb.SplitDatasetRequest, context: Context
    ) -> pb.SplitDatasetResponse:
        """Split a dataset in two."""
        try:
            choice = SplitChoice(
                request.validation_share, request.seed, request.group_by, not request.unstratified
            )
        except ValueError as error:  # nothing else of it can be wrong by then
            raise InvalidArgument.of("group_by", str(error)) from None
        wanted = SplitWanted(choice, request.training_dataset_id, request.validation_dataset_id)
        name = DatasetName.parse(request.name)
        sides = await self._preparing.split(call(request), name, request.version, wanted)
        return pb.SplitDatasetResponse(
            training=_resource(sides.training), validation=_resource(sides.validation)
        )


def _hash(header: pb.UploadHeader) -> str:
    """Of all that the header says of the upload, to tell another one."""
    body = pb.UploadHeader()
    body.CopyFrom(header)
    body.ClearField("request_id")
    return digest(body)


def _shape(number: pb.DatasetShape, field: str) -> Shape | None:
    if number == pb.DATASET_SHAPE_UNSPECIFIED:
        return None
    if number not in _SHAPE_OF:
        raise InvalidArgument.of(field, "this version takes prompt_completion and chat")
    return _SHAPE_OF[number]


def _findings(dataset: Dataset) -> list[common.Finding]:
    return [finding(each) for each in decode_report(dict(dataset.report)).findings]


def _resource(dataset: Dataset) -> pb.Dataset:
    report = decode_report(dict(dataset.report))
    return pb.Dataset(
        name=str(dataset.name),
        uid=dataset.uid,
        etag=dataset.digest[:16],
        labels=dict(dataset.labels),
        display_name=dataset.display_name,
        create_time=timestamp(dataset.create_time),
        update_time=timestamp(dataset.version_time),
        version_time=timestamp(dataset.version_time),
        expire_time=timestamp(dataset.expire_time),
        state=_STATES[dataset.state],
        digest=dataset.digest,
        parent_digest=dataset.parent_digest,
        version_number=dataset.version,
        shape=_SHAPES.get(Shape(dataset.shape)) if dataset.shape else None,
        format=_FORMATS.get(Format(dataset.format)) if dataset.format else None,
        size_bytes=dataset.size_bytes,
        example_count=dataset.example_count,
        file_name=dataset.file_name,
        findings=_findings(dataset)[:_SHOWN],
        analysis=analysis(dataset.analysis) if dataset.analysis else None,
        statistics=pb.DatasetStatistics(
            text_bytes=report.text_bytes,
            longest_example_bytes=report.statistics.longest_example_bytes,
            class_counts=dict(report.statistics.class_counts or {}),
        ),
    )
