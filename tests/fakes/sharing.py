"""Shares of the fake service, whose one tenant is both sides of them."""

from typing import Any

from google.protobuf.message import Message
from tunesmith.v1 import model_pb2 as pb
from tunesmith.v1 import model_pb2_grpc, tenant_pb2

from tests.fakes.service import Context, FakeService, end_with, not_found, one_page, own


class Sharing(model_pb2_grpc.ModelServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    def _find(self, model: str, tenant: str, request: Any) -> pb.ModelShare | None:
        step = request.checkpoint_step if request.HasField("checkpoint_step") else None
        for share in self.service.shares:
            alone = share.checkpoint_step if share.HasField("checkpoint_step") else None
            if (share.model, share.tenant, alone) == (own(model), own(tenant), step):
                return share
        return None

    async def ShareModel(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            share = self._find(request.name, request.tenant, request)
            if share is None:
                share = pb.ModelShare(
                    model=own(request.name),
                    tenant=request.tenant,
                    role=tenant_pb2.ROLE_INFERENCE,
                    state=pb.MODEL_SHARE_STATE_OFFERED,
                    public_name="ft:ada:acme:support:12ab34cd",
                )
                if request.HasField("checkpoint_step"):
                    share.checkpoint_step = request.checkpoint_step
                    share.public_name += f":ckpt-step-{request.checkpoint_step}"
                share.create_time.FromSeconds(1_700_000_000)
                self.service.shares.append(share)
            share.ClearField("expire_time")
            if request.HasField("expire_time"):
                share.expire_time.CopyFrom(request.expire_time)
            return pb.ShareModelResponse(share=share)

        return await self.service.once("ShareModel", request, context, effect)

    async def AcceptShare(self, request: Any, context: Context) -> Any:
        share = self._find(request.model, request.tenant, request)
        if share is None:
            await end_with(context, not_found(f"an offer of {request.model}"))
            raise AssertionError("unreachable")

        def effect() -> Message:
            share.state = pb.MODEL_SHARE_STATE_ACTIVE
            share.accept_time.FromSeconds(1_700_000_060)
            return pb.AcceptShareResponse(share=share)

        return await self.service.once("AcceptShare", request, context, effect)

    async def UnshareModel(self, request: Any, context: Context) -> Any:
        share = self._find(request.name, request.tenant, request)
        if share is None:
            await end_with(context, not_found(f"a share of {request.name}"))
            raise AssertionError("unreachable")

        def effect() -> Message:
            self.service.shares.remove(share)
            return pb.UnshareModelResponse()

        return await self.service.once("UnshareModel", request, context, effect)

    async def ListModelShares(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListModelShares", request, context)
        mine = [
            share
            for share in self.service.shares
            if (share.tenant if request.received else share.model).startswith("tenants/acme")
        ]
        shares, token = one_page(mine, request)
        return pb.ListModelSharesResponse(shares=shares, next_page_token=token)
