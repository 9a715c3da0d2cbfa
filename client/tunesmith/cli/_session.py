"""What every command has: the options before and after it, a client, output, errors as words."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from tunesmith._errors import AuthenticationError, TunesmithError
from tunesmith._sync import Client
from tunesmith.cli._text import plain

FAILED, USAGE, DIFFERS, INTERRUPTED = 1, 2, 3, 130
_PANEL = "Connection and output"


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
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
        help="How to write results: table, json (one document) or name.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Plain text without colours.", rich_help_panel=_PANEL)
]
_COMMON: dict[str, tuple[Any, Any]] = {
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
    def out(self) -> Console:
        """Where results go."""
        return self._console(stderr=False)

    @property
    def progress(self) -> Console:
        """Where everything goes that is not a result."""
        return self._console(stderr=True)

    def note(self, words: str) -> None:
        """Say something beside the result."""
        self.progress.print(plain(words), markup=False, highlight=False, soft_wrap=True)

    def _console(self, *, stderr: bool) -> Console:
        return Console(stderr=stderr, no_color=self.no_color or None, highlight=False, emoji=False)


def remember(context: typer.Context, *values: Any) -> None:
    """Keep the options that stood before the command."""
    context.obj = dict(zip(_COMMON, values, strict=True))


def command(
    app: typer.Typer, name: str, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function `(session, ...)` as a command that also takes the common options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.name != "session"]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("typer_context", kind, annotation=typer.Context),
            *(p.replace(kind=kind) for p in own),
            *(
                inspect.Parameter(name, kind, default=default, annotation=annotation)
                for name, (annotation, default) in _COMMON.items()
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
        raise typer.Exit(FAILED) from None
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
    if error.reason in ("QUOTA_EXCEEDED", "RATE_LIMITED") and error.retry_after:
        yield f"hint: try again in {error.retry_after:g} seconds"
