"""A tenant's naming policy as options."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from tunesmith._resources.values import choices
from tunesmith.cli._session import Options
from tunesmith.v1 import tenant_pb2 as pb

_PANEL = "How its models may be called"
_SCOPES = choices(pb.SuffixScope, "SUFFIX_SCOPE_")
_COLLISIONS = choices(pb.SuffixCollision, "SUFFIX_COLLISION_")


class Scope(StrEnum):
    """Among what a suffix must be the only one of its kind."""

    ANY = "any"
    BASE_MODEL = "base-model"
    TENANT = "tenant"


class Collision(StrEnum):
    """What happens to a suffix that is taken."""

    REFUSE = "refuse"
    NUMBER = "number"


def _option(kind: Any, words: str, *names: str, **settings: Any) -> tuple[Any, Any]:
    option = typer.Option(
        *names, help=words, rich_help_panel=_PANEL, show_default=False, **settings
    )
    return Annotated[kind, option], None


NAMING_OPTIONS: Options = {
    "suffix_pattern": _option(
        str | None, "What every suffix must match as a whole.", metavar="RE2"
    ),
    "required_prefix": _option(str | None, "What every suffix must begin with."),
    "auto_prefix": _option(
        bool | None,
        "Put the prefix before a suffix that lacks it.",
        "--auto-prefix/--no-auto-prefix",
    ),
    "reserved_word": _option(
        list[str] | None, "What no suffix may be or contain. May be repeated; replaces the list."
    ),
    "max_suffix_length": _option(int | None, "The longest suffix.", min=1, max=64),
    "suffix_required": _option(
        bool | None, "Every run must have a suffix.", "--suffix-required/--suffix-optional"
    ),
    "unique_within": _option(Scope | None, "Among what a suffix may be there once only."),
    "on_collision": _option(
        Collision | None, "What happens to a suffix that is taken: refused, or numbered."
    ),
}


def policy(
    values: dict[str, Any], present: pb.NamingPolicy | None = None
) -> pb.NamingPolicy | None:
    """The present policy with what the options say; None if they say nothing."""
    given = {name: values.get(name) for name in NAMING_OPTIONS}
    if all(value is None for value in given.values()):
        return None
    naming = pb.NamingPolicy()
    if present:
        naming.CopyFrom(present)
    for name in ("suffix_pattern", "required_prefix", "auto_prefix", "suffix_required"):
        if given[name] is not None:
            setattr(naming, name, given[name])
    if given["max_suffix_length"] is not None:
        naming.max_length = given["max_suffix_length"]
    if given["reserved_word"]:
        del naming.reserved_words[:]
        naming.reserved_words.extend(given["reserved_word"])
    wanted: Any = naming  # each generator of stubs types enums in its own way
    if given["unique_within"] is not None:
        wanted.unique_within = _SCOPES.get(given["unique_within"].value, 0)
    if given["on_collision"] is not None:
        wanted.on_collision = _COLLISIONS[given["on_collision"].value]
    return naming


def fields(naming: pb.NamingPolicy) -> dict[str, object]:
    """A policy for people: what it says and no more."""
    scope = {number: name for name, number in _SCOPES.items()}.get(naming.unique_within, "")
    collision = {number: name for name, number in _COLLISIONS.items()}.get(naming.on_collision, "")
    return {
        "suffix pattern": naming.suffix_pattern,
        "suffix prefix": f"{naming.required_prefix}{' (put before)' if naming.auto_prefix else ''}"
        if naming.required_prefix
        else "",
        "reserved words": ", ".join(naming.reserved_words),
        "longest suffix": naming.max_length if naming.HasField("max_length") else "",
        "suffix": "required" if naming.suffix_required else "",
        "suffix unique": f"within the {scope.replace('-', ' ')}" if scope else "",
        "suffix taken": collision,
    }
