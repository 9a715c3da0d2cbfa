"""Tuned models, and asking models."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from tunesmith import _names
from tunesmith._resources.pages import paged
from tunesmith._resources.values import timestamp
from tunesmith._transport import Calls
from tunesmith.v1 import model_pb2 as pb
from tunesmith.v1 import model_pb2_grpc as rpc

# a long answer of a large model on a small machine
COMPLETE_SECONDS = 600.0


class Models:
    """The tuned models of a tenant."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.ModelServiceStub(calls.transport.channel)

    async def get(self, name: str) -> pb.Model:
        """Read a tuned model."""
        request = pb.GetModelRequest(name=_names.model(name))
        return (await self._calls.unary(self._stub.GetModel, request)).model

    def list(self, *, filter: str = "", parent: str = "") -> AsyncGenerator[pb.Model, None]:
        """Every tuned model that can be asked, those that others share among them, newest first.

        `filter` is over `base_model` and, of one's own, `labels.KEY`.
        """
        request = pb.ListModelsRequest(parent=_names.tenant(parent), filter=filter)
        return paged(self._calls, self._stub.ListModels, request, lambda page: page.models)

    async def delete(self, name: str) -> None:
        """Delete a tuned model, its weights and checkpoints included; not while it is shared."""
        request = pb.DeleteModelRequest(name=_names.model(name))
        await self._calls.unary(self._stub.DeleteModel, request)

    async def share(
        self, model: str, tenant: str, *, expire_time: datetime | None = None
    ) -> pb.ModelShare:
        """Offer a model to another tenant, which can ask it once it has accepted. Needs an admin.

        Offered again, it has the new expiry, and stays accepted if it was. The answer is the same
        whether there is such a tenant or not.

        Args:
            model: `m1`, or `m1#40` for its checkpoint of step 40 alone.
            tenant: whom to offer it to: `acme` or `tenants/acme`.
            expire_time: when it ends; when it is taken back if left out. Without a zone it is in
                this machine's.
        """
        name, step = _names.model_part(model)
        request = pb.ShareModelRequest(
            name=name, tenant=_names.tenant(tenant), checkpoint_step=step
        )
        if expire_time:
            request.expire_time.CopyFrom(timestamp(expire_time))
        return (await self._calls.unary(self._stub.ShareModel, request)).share

    async def accept_share(self, model: str, *, tenant: str = "") -> pb.ModelShare:
        """Consent to an offer of `tenants/acme/models/m1`, or of `…#40`. Needs an admin."""
        name, step = _names.model_part(model)
        request = pb.AcceptShareRequest(
            tenant=_names.tenant(tenant), model=name, checkpoint_step=step
        )
        return (await self._calls.unary(self._stub.AcceptShare, request)).share

    async def unshare(self, model: str, tenant: str = "") -> None:
        """End a share or an offer, from the next call on. Needs an admin.

        Args:
            model: as `share` has it; another tenant's by its full name.
            tenant: whom it is shared with; left out, one's own, which gives it up.
        """
        name, step = _names.model_part(model)
        request = pb.UnshareModelRequest(
            name=name, tenant=_names.tenant(tenant), checkpoint_step=step
        )
        await self._calls.unary(self._stub.UnshareModel, request)

    def shares(
        self, *, received: bool = False, parent: str = ""
    ) -> AsyncGenerator[pb.ModelShare, None]:
        """What a tenant shares with others or, `received`, others with it, newest first."""
        request = pb.ListModelSharesRequest(parent=_names.tenant(parent), received=received)
        return paged(self._calls, self._stub.ListModelShares, request, lambda page: page.shares)

    async def complete(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        n: int | None = None,
        stop: str | Iterable[str] = (),
        logprobs: int | None = None,
        logit_bias: Mapping[int, float] | None = None,
        seed: int | None = None,
        echo: bool = False,
        timeout: float = COMPLETE_SECONDS,  # noqa: ASYNC109  # the call's own deadline
    ) -> pb.CompleteResponse:
        """Go on from a prompt, or from each of several; `choices` come in the prompts' order.

        Args:
            model: a tuned model by its resource name or public name, or a base model such as `ada`;
                a checkpoint is `tenants/acme/models/m1#40`, or ends in `:ckpt-step-40`.
            prompt: the text to go on from, or several.
            max_tokens: tokens to generate at most.
            temperature: 0 always takes the likeliest token.
            top_p: take only from the likeliest that make up so much.
            n: answers to each prompt.
            stop: what ends an answer; never part of it.
            logprobs: also the log-probabilities, of so many alternatives.
            logit_bias: added to the logits, by token id of the base model; -100 rules a token out.
            seed: of the sampling.
            echo: give the prompt back before the answer.
            timeout: seconds to wait for the answer.
        """
        request = _request(
            model, prompt, max_tokens, temperature, top_p, n, stop, logprobs, logit_bias, seed, echo
        )
        return await self._calls.unary(self._stub.Complete, request, timeout)

    async def stream_complete(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        n: int | None = None,
        stop: str | Iterable[str] = (),
        logprobs: int | None = None,
        logit_bias: Mapping[int, float] | None = None,
        seed: int | None = None,
        echo: bool = False,
        timeout: float = COMPLETE_SECONDS,  # noqa: ASYNC109  # the call's own deadline
    ) -> AsyncGenerator[pb.StreamCompleteResponse, None]:
        """As `complete`, piece by piece."""
        inner = _request(
            model, prompt, max_tokens, temperature, top_p, n, stop, logprobs, logit_bias, seed, echo
        )
        request = pb.StreamCompleteRequest(request=inner)
        call = self._calls.stream(self._stub.StreamComplete, request, timeout)
        async with aclosing(call) as responses:
            async for response in responses:
                yield response


def _request(
    model: str,
    prompt: str | Sequence[str],
    max_tokens: int | None,
    temperature: float | None,
    top_p: float | None,
    n: int | None,
    stop: str | Iterable[str],
    logprobs: int | None,
    logit_bias: Mapping[int, float] | None,
    seed: int | None,
    echo: bool,
) -> pb.CompleteRequest:
    return pb.CompleteRequest(
        model=model,
        prompts=[
            pb.Prompt(text=text) for text in ([prompt] if isinstance(prompt, str) else prompt)
        ],
        sampling=pb.Sampling(
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            n=n,
            stop=[stop] if isinstance(stop, str) else stop,
            logprobs=logprobs,
            logit_bias=logit_bias or {},
            seed=seed,
        ),
        echo=echo,
    )
