"""What every command has: the options before and after it, a client, output, errors as words."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from tunesmith._errors import (
    AuthenticationError,
    InvalidArgumentError,
    NotFoundError,
    TunesmithError,
)
from tunesmith._sync import Client
from tunesmith.cli._text import plain

FAILED, USAGE, DIFFERS, INTERRUPTED = 1, 2, 3, 130
_PANEL = "Connection and output"


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    JSONL = "jsonl"
    NAME = "name"


Address = Annotated[
    str | None,
    typer.Option(
        help="The service: HOST:PORT or https://HOST. Else TUNESMITH_ADDRESS or the context's.",
        metavar="ADDRESS",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        help="The key to show. Else TUNESMITH_API_KEY or the context's.",
        metavar="KEY",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="A context of ~/.config/tunesmith/config.toml.",
        metavar="NAME",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Output = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        help="How to write results: table, json or yaml (one document), jsonl (a line an entry) "
        "or name.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Plain text without colours.", rich_help_panel=_PANEL)
]
Options = Mapping[str, tuple[Any, Any]]
"""Options by the name of their parameter: how typer is told of each, and what it is if left out."""
REQUIRED = inspect.Parameter.empty
_COMMON: Options = {
    "address": (Address, None),
    "api_key": (ApiKey, None),
    "context_name": (Context, None),
    "output": (Output, None),
    "no_color": (NoColor, False),
}


@dataclass
class Session:
    """One run of the command."""

    address: str | None = None
    api_key: str | None = None
    context_name: str | None = None
    output: Format = Format.TABLE
    no_color: bool = False

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client for the service that the options name."""
        with Client(self.address, self.api_key, context=self.context_name) as client:
            yield client

    @property
    def machine(self) -> bool:
        """Whether results are documents for programs."""
        return self.output in (Format.JSON, Format.YAML, Format.JSONL)

    @property
    def out(self) -> Console:
        """Where results go."""
        return self._console(stderr=False)

    @property
    def progress(self) -> Console:
        """Where everything goes that is not a result."""
        return self._console(stderr=True)

    @property
    def aside(self) -> Console:
        """Where people read on: with the results, unless those are for programs."""
        return self.out if self.output is Format.TABLE else self.progress

    def note(self, words: str) -> None:
        """Say something beside the result."""
        self.progress.print(plain(words), markup=False, highlight=False, soft_wrap=True)

    def ask(self, question: str) -> str | None:
        """What is answered to a question beside the result; None if nobody is there.

        typer's own prompt would write a blank to stdout, where a document may be to follow.
        """
        self.progress.print(plain(question), end=" ", markup=False, soft_wrap=True)
        answer = sys.stdin.readline()
        return answer.strip() if answer else None

    def _console(self, *, stderr: bool) -> Console:
        return Console(stderr=stderr, no_color=self.no_color or None, highlight=False, emoji=False)


def remember(context: typer.Context, *values: Any) -> None:
    """Keep the options that stood before the command."""
    context.obj = dict(zip(_COMMON, values, strict=True))


def command(
    app: typer.Typer, name: str, more: Options | None = None, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function `(session, ...)` as a command that also takes the common options.

    `more` are options that several commands share; the function gets them as `**values`.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("typer_context", kind, annotation=typer.Context),
            *(
                p.replace(kind=kind)
                for p in inspect.signature(function).parameters.values()
                if p.name != "session" and p.kind is not inspect.Parameter.VAR_KEYWORD
            ),
            *(
                inspect.Parameter(name, kind, default=default, annotation=annotation)
                for name, (annotation, default) in {**(more or {}), **_COMMON}.items()
            ),
        ]

        @functools.wraps(function)
        def wrapper(typer_context: typer.Context, **values: Any) -> None:
            before = typer_context.find_root().obj or {}
            common = {name: values.pop(name) or before.get(name) for name in _COMMON}
            session = Session(**{name: value for name, value in common.items() if value})
            with errors_as_words(session):
                function(session, **values)

        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name, **settings)(wrapper)
        return function

    return register


_HINTS = {
    "ETAG_MISMATCH": "somebody else changed it at the same time: look at it and run this again",
    "PERMISSION_DENIED": "`tunesmith whoami` says whose key this is; take one of a role that may",
    "PLAN_STALE": "things are no longer as they were planned: plan again",
    "QUOTA_EXCEEDED": "`tunesmith usage` shows what is used; a platform admin can raise a limit "
    "with `tunesmith quotas set`",
    "STORAGE_FULL": "nothing was kept; ask the operator to make room, then repeat the command",
    "TENANT_SUSPENDED": "reading still works; a platform admin can end it with "
    "`tunesmith tenants resume`",
}


@contextmanager
def errors_as_words(session: Session) -> Iterator[None]:
    """Say on stderr what went wrong, and end with the exit code for it."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # the reader, such as `head`, has enough; Python must not complain at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except TunesmithError as error:
        for line in _lines(error):
            session.note(line)
        # what the client refuses before any call is wrong usage, too
        local = isinstance(error, InvalidArgumentError) and not error.code
        raise typer.Exit(USAGE if local else FAILED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        session.note(f"error: {where}{error.strerror or error}")
        raise typer.Exit(FAILED) from None
    except ValueError as error:  # protobuf: a number too large, text that is not UTF-8
        session.note(f"error: {error}")
        raise typer.Exit(USAGE) from None


def _lines(error: TunesmithError) -> Iterator[str]:
    spelled_out = [str(violation) for violation in error.violations]
    if len(spelled_out) > 1 and all(words in str(error) for words in spelled_out):
        yield f"error: {len(spelled_out)} things are wrong:"
        yield from (f"  {words}" for words in spelled_out)
    else:
        yield f"error: {error}"
        yield from (
            f"  {violation}"
            for violation in error.violations
            if violation.description not in str(error)
        )
    if isinstance(error, AuthenticationError):
        yield "hint: set TUNESMITH_API_KEY, or give --api-key or --context"
    if hint := _HINTS.get(error.reason):
        yield f"hint: {hint}"
    if isinstance(error, NotFoundError):
        yield f"hint: see what there is: {_listing(error.resource)}"
    if error.reason in ("QUOTA_EXCEEDED", "RATE_LIMITED") and error.retry_after:
        yield f"hint: try again in {error.retry_after:g} seconds"


def _listing(resource: str) -> str:
    """The command that lists what there is of the kind of `resource`."""
    nouns = {"datasets": "datasets", "fineTunes": "fine-tunes", "apiKeys": "keys"}
    collection = (resource.split("/") + [""] * 3)[2]
    if noun := nouns.get(collection) or ("tenants" if resource.count("/") == 1 else ""):
        return f"tunesmith {noun} list"
    return "tunesmith models list, tunesmith base-models list"
