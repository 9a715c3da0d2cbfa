"""Which of two labels a model finds likelier after a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
from tokenizers import Tokenizer
from tunesmith.v1 import model_pb2, model_pb2_grpc

LABELS = (" positive", " negative")
_BIAS = 100.0
_BATCH = 32


class Labels:
    """Asks for one token with the same great bias on both labels, and none of chance.

    So the choice between the two, and only that, is the model's. A base model is asked as fairly as
    a tuned one that has learnt to answer with nothing else. On the generated stub, since this needs
    `logit_bias` by token id.
    """

    def __init__(self, address: str, key: str, tokenizer: Path) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._stub = model_pb2_grpc.ModelServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {key}"),)
        encode = Tokenizer.from_file(str(tokenizer)).encode
        ids = [encode(label, add_special_tokens=False).ids[0] for label in LABELS]
        self._sampling = model_pb2.Sampling(
            max_tokens=1, temperature=0, logit_bias=dict.fromkeys(ids, _BIAS)
        )

    def of(self, model: str, prompts: Sequence[str]) -> list[str]:
        """The likelier label after each prompt."""
        # Prompts of like length share a batch, since a batch costs what its longest row does.
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        found = [""] * len(prompts)
        for start in range(0, len(order), _BATCH):
            numbers = order[start : start + _BATCH]
            request = model_pb2.CompleteRequest(
                model=model,
                prompts=[model_pb2.Prompt(text=prompts[number]) for number in numbers],
                sampling=self._sampling,
            )
            answer = self._stub.Complete(
                request, metadata=self._metadata, wait_for_ready=True, timeout=600
            )
            for choice in answer.choices:
                found[numbers[choice.index]] = choice.text
        return found

    def close(self) -> None:
        """Hang up."""
        self._channel.close()
