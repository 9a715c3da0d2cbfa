"""`tunesmithd serve | migrate | config`."""

import os

# before gRPC is imported: its fork handlers crash children of a busy server (grpc #43055)
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import asyncio
import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

try:
    from pydantic import ValidationError

    from tunesmith_server.settings import Settings
except ModuleNotFoundError as missing:  # the command comes with the client as well
    sys.exit(f"error: there is no {missing.name} here: pip install 'tunesmith[all]'")

from tunesmith_server.domain.errors import DomainError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a known trouble ends in one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for found in error.errors():
            words = found["msg"].removeprefix("Value error, ")
            print(f"error: {_setting(found['loc'])}: {words}", file=sys.stderr)
        sys.exit(2)
    try:
        options.run(settings, options)
    except (DomainError, OSError) as error:
        print(f"error: {_plainly(error)}", file=sys.stderr)
        sys.exit(1)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="tunesmithd", description="The Tunesmith service.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve until SIGTERM or Ctrl-C, then drain")
    serve.set_defaults(run=_serve)
    migrate = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrate.set_defaults(run=_migrate)
    config = commands.add_parser("config", help="print the effective settings, secrets masked")
    config.set_defaults(run=_config)
    return parser


def _serve(settings: Settings, _: Namespace) -> None:
    # here, not above: `config` and errors in the settings need none of it
    import uvloop

    from tunesmith_server.adapters.sql.migrations import is_current, migrate
    from tunesmith_server.observability import configure_logs

    configure_logs(settings.log_level)
    _check_writable(settings.data_dir)
    if settings.database.startswith("sqlite"):
        migrate(settings.database)
    elif not is_current(settings.database):
        print(
            "error: the database's schema is not current: run `tunesmithd migrate`", file=sys.stderr
        )
        sys.exit(1)
    uvloop.run(_serve_until_told(settings))


async def _serve_until_told(settings: Settings) -> None:
    from tunesmith_server.bootstrap import serve

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with serve(settings) as running:
        print(f"tunesmithd: gRPC on {running.address}", flush=True)
        if running.http_address:
            base = f"http://{running.http_address}/v1"
            print(f"tunesmithd: OpenAI-compatible API on {base}", flush=True)
        if running.admin_key and not settings.bootstrap_admin_key:
            print("The platform-admin key, shown this once:", running.admin_key.secret, flush=True)
        await told.wait()


def _migrate(settings: Settings, _: Namespace) -> None:
    from tunesmith_server.adapters.sql.migrations import migrate

    if settings.database.startswith("sqlite"):
        _check_writable(settings.data_dir)
    migrate(settings.database)
    print("The database's schema is current.")


def _config(settings: Settings, _: Namespace) -> None:
    print(json.dumps(settings.model_dump(mode="json"), indent=2))


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OSError(
            error.errno,
            f"the data directory {folder} cannot be written to ({error.strerror}); "
            "set TUNESMITH_DATA_DIR to a folder that can",
        ) from error


def _setting(location: tuple[int | str, ...]) -> str:
    """The variable, and where in it if it holds JSON: `TUNESMITH_ISSUERS[0].rules[1].role`."""
    count = next((n for n, part in enumerate(location) if isinstance(part, int)), len(location))
    inside = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location[count:])
    return "TUNESMITH_" + "__".join(str(part).upper() for part in location[:count]) + inside


def _plainly(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


if __name__ == "__main__":
    main()
