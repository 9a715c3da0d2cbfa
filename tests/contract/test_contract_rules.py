"""The contract's rules, as the service checks them."""

import pytest
from tunesmith.v1 import dataset_pb2
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.edge.grpc.contract import SURELY_SHORT, ContractRules


def piece(offset: int, size: int) -> dataset_pb2.UploadDatasetRequest:
    chunk = dataset_pb2.UploadChunk(offset=offset, data=bytes(size), crc32c=7)
    return dataset_pb2.UploadDatasetRequest(chunk=chunk)


@pytest.fixture(scope="module")
def rules() -> ContractRules:
    return ContractRules()


@pytest.mark.parametrize("size", [0, SURELY_SHORT, SURELY_SHORT + 1, 4 * 2**20])
def test_a_piece_of_a_file_may_have_up_to_four_mebibytes(rules: ContractRules, size: int):
    rules.check("DatasetService/UploadDataset", piece(0, size))


@pytest.mark.parametrize(
    ("offset", "size", "field"),
    [
        (0, 4 * 2**20 + 1, "chunk.data"),
        (-1, SURELY_SHORT, "chunk.offset"),
        (-1, SURELY_SHORT + 1, "chunk.offset"),
    ],
)
def test_a_piece_that_breaks_a_rule_is_refused_whether_its_bytes_are_looked_at_or_not(
    rules: ContractRules, offset: int, size: int, field: str
):
    with pytest.raises(InvalidArgument) as refused:
        rules.check("DatasetService/UploadDataset", piece(offset, size))
    assert [violation.field for violation in refused.value.violations] == [field]
