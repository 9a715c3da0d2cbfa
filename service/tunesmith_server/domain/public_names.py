"""The public names of tuned models, in OpenAI's two forms: how they are spelled and read.

    ft:{base}:{organization}:{suffix}:{id}                    modern
    ft:{base}:{organization}:{suffix}:{id}:ckpt-step-{step}   modern, of a checkpoint
    {base}:ft-{organization}:{suffix}-{YYYY-MM-DD-HH-MM-SS}   legacy
    {base}:ft-{organization}-{YYYY-MM-DD-HH-MM-SS}            legacy, without a suffix

Every text is the name of one form with one set of parts, or of none:

* No part has a colon, so the number of colons tells the forms apart: four or five make a modern
  name, two a legacy one with a suffix, one a legacy one without. (The first part does not: a base
  may be called "ft".)
* Organisation and suffix may have dashes, and may look like a time. But in a modern name and in a
  legacy one with a suffix they stand between colons, and a time is the last 19 characters always.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tunesmith_server.domain.names import ID_PATTERN
from tunesmith_server.domain.naming import MAX_SUFFIX, normalised

_BASE = re.compile(ID_PATTERN)
_ID = re.compile(r"[a-z0-9]{8}")
_STAMP = "%Y-%m-%d-%H-%M-%S"
_STAMP_LENGTH = len("YYYY-MM-DD-HH-MM-SS")
_CHECKPOINT = "ckpt-step-"


@dataclass(frozen=True)
class PublicName:
    """A modern name. ValueError where a part has not its form, so that every name reads back."""

    base: str
    """Id of a base model."""
    organization: str
    """The tenant's slug, normalised as suffixes are."""
    suffix: str
    """Normalised; may be empty."""
    id: str
    """Eight of a-z and 0-9: see `short_id`."""
    checkpoint: int | None = None
    """The step of a checkpoint; None is the finished model."""

    def __post_init__(self) -> None:
        _check_parts(self.base, self.organization, self.suffix)
        if not _ID.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is not eight of a-z and 0-9")
        if self.checkpoint is not None and self.checkpoint < 0:
            raise ValueError(f"a checkpoint of step {self.checkpoint}")

    def __str__(self) -> str:
        name = f"ft:{self.base}:{self.organization}:{self.suffix}:{self.id}"
        return checkpoint_name(name, self.checkpoint)


@dataclass(frozen=True)
class LegacyName:
    """The old guide's name. ValueError where a part has not its form, as in PublicName."""

    base: str
    organization: str
    suffix: str
    time: datetime
    """When the model was made, in UTC and whole seconds."""

    def __post_init__(self) -> None:
        _check_parts(self.base, self.organization, self.suffix)
        if self.time.utcoffset() != timedelta(0) or self.time.microsecond:
            raise ValueError(f"{self.time} is not in whole seconds of UTC")

    def __str__(self) -> str:
        # not strftime, which leaves the zeros of early years out
        stamp = re.sub("[T:]", "-", self.time.isoformat()[:_STAMP_LENGTH])
        middle = f"{self.organization}:{self.suffix}" if self.suffix else self.organization
        return f"{self.base}:ft-{middle}-{stamp}"


def parse_model_name(text: str) -> PublicName | LegacyName | None:
    """The name that `text` spells, exactly; None if it spells none. Never raises."""
    try:
        match text.split(":", 6):
            case ["ft", base, organization, suffix, id]:
                name: PublicName | LegacyName = PublicName(base, organization, suffix, id)
            case ["ft", base, organization, suffix, id, checkpoint]:
                step = int(checkpoint.removeprefix(_CHECKPOINT))
                name = PublicName(base, organization, suffix, id, step)
            case [base, organization, rest]:
                suffix, time = _stamped(rest)
                name = LegacyName(base, organization.removeprefix("ft-"), suffix, time)
            case [base, rest]:
                organization, time = _stamped(rest)
                name = LegacyName(base, organization.removeprefix("ft-"), "", time)
            case _:
                return None
    except ValueError:
        return None
    return name if str(name) == text else None


def checkpoint_name(name: str, step: int | None) -> str:
    """The modern name of the checkpoint of a model that is called `name`; of itself for None."""
    return name if step is None else f"{name}:{_CHECKPOINT}{step}"


def _stamped(text: str) -> tuple[str, datetime]:
    """What stands before a time, and the time."""
    time = datetime.strptime(text[-_STAMP_LENGTH:], _STAMP).replace(tzinfo=UTC)
    return text[: -_STAMP_LENGTH - 1], time


def _check_parts(base: str, organization: str, suffix: str) -> None:
    if not _BASE.fullmatch(base):
        raise ValueError(f"{base!r} is no id of a base model")
    for slug in (organization, suffix):
        if len(slug) > MAX_SUFFIX or slug != normalised(slug):
            raise ValueError(f"{slug!r} is not normalised")
    if not organization:
        raise ValueError("a name without an organisation")


def model_id(base: str, suffix: str, uid: str) -> str:
    """The last segment of a model's resource name."""
    parts = [re.sub(r"[^a-z0-9-]+", "-", part).strip("-") for part in (base, suffix) if part]
    return "-".join([*parts, short_id(uid)])[-63:].strip("-")


def short_id(uid: str) -> str:
    """The last eight letters and digits of a uid: a UUIDv7 begins with the time, ends at random."""
    return uid.replace("-", "")[-8:]
