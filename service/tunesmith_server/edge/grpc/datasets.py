"""DatasetService: decode, call one use case, encode."""

from collections.abc import AsyncIterator

from tunesmith.dataset_rules import Format, Shape, decode_report
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import dataset_pb2_grpc as rpc

from tunesmith_server.app.datasets import Content, Datasets, Upload
from tunesmith_server.app.once import Once
from tunesmith_server.app.statistics import Statistics
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.names import DatasetName, TenantName, base_model_id
from tunesmith_server.edge.grpc.analysis_codec import analysis, finding, token_statistics
from tunesmith_server.edge.grpc.requests import digest, page, timestamp
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

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

    def __init__(self, datasets: Datasets, statistics: Statistics) -> None:
        self._datasets = datasets
        self._statistics = statistics

    async def UploadDataset(
        self, request_iterator: AsyncIterator[pb.UploadDatasetRequest], context: Context
    ) -> pb.UploadDatasetResponse:
        """Take a file in."""
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidArgument.of("header", "an upload begins with a header")
        header, parts = first.header, _Parts(request_iterator)
        dataset = await self._datasets.upload(
            call(header),
            Upload(
                parent=TenantName.parse(header.parent, "header.parent"),
                id=header.dataset_id,
                file_name=header.file_name,
                display_name=header.display_name,
                labels=dict(header.labels),
                shape=_shape(header.shape),
                format=_FORMAT_OF.get(header.format),
            ),
            Content(parts.chunks(), lambda: parts.sha256),
            lambda content: _once(header, content),
        )
        return pb.UploadDatasetResponse(dataset=_resource(dataset))

    async def GetDataset(
        self, request: pb.GetDatasetRequest, context: Context
    ) -> pb.GetDatasetResponse:
        """Read a dataset."""
        dataset = await self._datasets.get(principal(), DatasetName.parse(request.name))
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
        async for chunk in self._datasets.content(principal(), name):
            yield pb.DownloadDatasetResponse(data=chunk)

    async def ValidateDataset(
        self, request: pb.ValidateDatasetRequest, context: Context
    ) -> AsyncIterator[pb.ValidateDatasetResponse]:
        """Stream the findings, at once those that there are; those of the analysis when it ends."""
        name = DatasetName.parse(request.name)
        sent: set[bytes] = set()
        for is_last in (False, True):
            dataset = await self._datasets.get(principal(), name)
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


class _Parts:
    """The parts after the header, as a stream of bytes that must join up."""

    def __init__(self, requests: AsyncIterator[pb.UploadDatasetRequest]) -> None:
        self._requests = requests
        self._finished = False
        self.sha256 = ""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in order."""
        offset = 0
        async for request in self._requests:
            match request.WhichOneof("part"):
                case "chunk" if not self._finished:
                    if request.chunk.offset != offset:
                        raise InvalidArgument.of(
                            "chunk.offset", f"is {request.chunk.offset}; {offset} comes next"
                        )
                    offset += len(request.chunk.data)
                    yield request.chunk.data
                case "finish" if not self._finished:
                    self._finished, self.sha256 = True, request.finish.sha256
                case part:
                    raise InvalidArgument.of(str(part), "is out of place in the upload")
        if not self._finished:
            raise InvalidArgument.of("finish", "the upload broke off: it ends with a finish")


def _once(header: pb.UploadHeader, content: str) -> Once | None:
    if not header.request_id:
        return None
    body = pb.UploadHeader()
    body.CopyFrom(header)
    body.ClearField("request_id")
    return Once(header.request_id, "DatasetService/UploadDataset", digest(body) + content)


def _shape(number: pb.DatasetShape) -> Shape | None:
    if number == pb.DATASET_SHAPE_UNSPECIFIED:
        return None
    if number not in _SHAPE_OF:
        raise InvalidArgument.of("header.shape", "this version takes prompt_completion and chat")
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
