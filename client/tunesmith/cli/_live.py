"""Following a run: a live view on a terminal, a line an event anywhere else."""

import sys
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from tunesmith._errors import TunesmithError
from tunesmith._sync import Client, WatchIterator
from tunesmith.cli._session import FAILED, INTERRUPTED, Format, Session
from tunesmith.cli._text import last, line
from tunesmith.cli._view import View
from tunesmith.v1 import common_pb2, fine_tune_pb2

_GOOD = (
    common_pb2.FINE_TUNE_STATE_SUCCEEDED,
    common_pb2.FINE_TUNE_STATE_STOPPED_AT_LIMIT,
)


def follow(
    session: Session, client: Client, name: str, cursor: str = ""
) -> tuple[fine_tune_pb2.FineTune, int]:
    """Show a run's events until it ends; the run then, and the exit code for how it ended.

    Events go to stderr when a JSON document is wanted on stdout. Ctrl-C ends the watching, not the
    run, with exit code 130.
    """
    aside = session.output is not Format.TABLE
    console = session.progress if aside else session.out
    events = client.fine_tunes.watch(name, cursor=cursor)
    try:
        if console.is_terminal and not console.is_dumb_terminal:
            return _ended(_live(console, client, name, events))
        for event in events:
            print(line(event), file=sys.stderr if aside else sys.stdout, flush=True)
        return _ended(client.fine_tunes.get(name))
    except KeyboardInterrupt:
        session.note(f"\nThe run goes on. Follow it again: tunesmith fine-tunes watch {last(name)}")
        session.note(f"Stop it for good: tunesmith fine-tunes cancel {last(name)}")
        raise SystemExit(INTERRUPTED) from None
    finally:
        events.close()


def _live(
    console: Console, client: Client, name: str, events: WatchIterator
) -> fine_tune_pb2.FineTune:
    # asked before anything is drawn: a name that is not there is an error, not an empty picture
    run = client.fine_tunes.get(name)
    view = View(run, cut_off=lambda: events.resuming)
    with Live(view, console=console, refresh_per_second=4):
        for event in events:
            view.add(event)
            if not view.knows_the_steps:
                with suppress(TunesmithError):  # the watch goes on, or says what is wrong
                    view.run = client.fine_tunes.get(name)
        run = client.fine_tunes.get(name)
        view.end(run)
    return run


def _ended(run: fine_tune_pb2.FineTune) -> tuple[fine_tune_pb2.FineTune, int]:
    return run, 0 if run.status.state in _GOOD else FAILED
