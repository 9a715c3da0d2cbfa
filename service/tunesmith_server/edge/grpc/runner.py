"""RunnerService: until trainers report over the network, every call says so."""

from tunesmith.v1 import runner_pb2 as pb
from tunesmith.v1 import runner_pb2_grpc as rpc

from tunesmith_server.edge.grpc.unbuilt import answers_all_of


@answers_all_of(pb.DESCRIPTOR.services_by_name["RunnerService"])
class RunnerServicer(rpc.RunnerServiceServicer):
    """The local backend reads the trainer's outbox itself, so nothing calls this yet."""
