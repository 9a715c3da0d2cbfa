"""The methods of ModelService about sharing: decode, call one use case, encode."""

from datetime import datetime

from tunesmith.v1 import model_pb2 as pb
from tunesmith.v1 import tenant_pb2

from tunesmith_server.app.sharing import Sharing
from tunesmith_server.domain.names import ModelName, TenantName
from tunesmith_server.domain.sharing import ModelShare, ShareState
from tunesmith_server.edge.grpc.requests import moment, page, timestamp
from tunesmith_server.edge.grpc.stages import Context, call, principal

_STATES = {state: getattr(pb, f"MODEL_SHARE_STATE_{state.name}") for state in ShareState}


class SharingMethods:
    """The gRPC face of Sharing."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    async def ShareModel(
        self, request: pb.ShareModelRequest, context: Context
    ) -> pb.ShareModelResponse:
        """Offer a model to another tenant."""
        expires = request.HasField("expire_time")
        (share,) = await self._sharing.share(
            call(request),
            ModelName.parse(request.name),
            [TenantName.parse(request.tenant, "tenant")],
            checkpoint=_checkpoint(request),
            expire_time=moment(request.expire_time, "expire_time") if expires else None,
        )
        return pb.ShareModelResponse(share=_resource(share, self._sharing.now()))

    async def AcceptShare(
        self, request: pb.AcceptShareRequest, context: Context
    ) -> pb.AcceptShareResponse:
        """Consent to an offer."""
        share = await self._sharing.accept(
            call(request),
            TenantName.parse(request.tenant, "tenant"),
            ModelName.parse(request.model, "model"),
            checkpoint=_checkpoint(request),
        )
        return pb.AcceptShareResponse(share=_resource(share, self._sharing.now()))

    async def UnshareModel(
        self, request: pb.UnshareModelRequest, context: Context
    ) -> pb.UnshareModelResponse:
        """End a share or an offer."""
        await self._sharing.unshare(
            call(request),
            ModelName.parse(request.name),
            TenantName.parse(request.tenant, "tenant"),
            checkpoint=_checkpoint(request),
        )
        return pb.UnshareModelResponse()

    async def ListModelShares(
        self, request: pb.ListModelSharesRequest, context: Context
    ) -> pb.ListModelSharesResponse:
        """List shares of one of the two sides."""
        found = await self._sharing.list(
            principal(),
            TenantName.parse(request.parent, "parent"),
            page(request),
            received=request.received,
            model=ModelName.parse(request.model, "model") if request.model else None,
        )
        now = self._sharing.now()
        return pb.ListModelSharesResponse(
            shares=[_resource(share, now) for share in found.rows],
            next_page_token=found.next_token,
        )


def _checkpoint(
    request: pb.ShareModelRequest | pb.AcceptShareRequest | pb.UnshareModelRequest,
) -> int | None:
    return request.checkpoint_step if request.HasField("checkpoint_step") else None


def _resource(share: ModelShare, now: datetime) -> pb.ModelShare:
    return pb.ModelShare(
        uid=share.uid,
        model=str(share.model),
        tenant=f"tenants/{share.tenant}",
        checkpoint_step=share.checkpoint,
        role=getattr(tenant_pb2, f"ROLE_{share.role.name}"),
        state=_STATES[share.state(now)],
        create_time=timestamp(share.create_time),
        accept_time=timestamp(share.accept_time),
        expire_time=timestamp(share.expire_time),
        public_name=share.public_name,
    )
