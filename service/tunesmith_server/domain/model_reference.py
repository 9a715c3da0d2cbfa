"""What a text says of a tuned model: which name it has, and which of its checkpoints is meant.

tenants/{tenant}/models/{model}                          a resource name
tenants/{tenant}/models/{model}#{step}                   a checkpoint of it
ft:{base}:{organization}:{suffix}:{id}                   and the other public names
ft:{base}:{organization}:{suffix}:{id}:ckpt-step-{step}  a checkpoint of it
"""

import re
from dataclasses import dataclass, replace

from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.public_names import PublicName, parse_model_name

_STEP = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class ModelReference:
    """A tuned model, whether there is one or not, and perhaps one of its checkpoints."""

    name: ModelName | str
    """A resource name, or a public or legacy one without a checkpoint."""
    checkpoint: int | None = None
    """The step of a checkpoint; None is the finished model."""


def model_reference(text: str, field: str = "model") -> ModelReference | None:
    """What `text` says; None if it can only name a base model.

    InvalidArgument where it begins as a resource name and is none.
    """
    if text.startswith("tenants/"):
        name, mark, step = text.partition("#")
        if mark and not _STEP.fullmatch(step):
            raise InvalidArgument.of(
                field, f"{text[:160]!r}: behind '#' stands the step of a checkpoint, such as #40"
            )
        return ModelReference(ModelName.parse(name, field), int(step) if mark else None)
    public = parse_model_name(text)
    if isinstance(public, PublicName):
        return ModelReference(str(replace(public, checkpoint=None)), public.checkpoint)
    return ModelReference(text) if public else None
