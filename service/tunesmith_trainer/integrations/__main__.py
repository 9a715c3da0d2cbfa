"""`python -m tunesmith_trainer.integrations`: one integration of a run, as its trainer orders."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tunesmith_trainer.integrations.follower import Follower, words
from tunesmith_trainer.integrations.orders import Orders
from tunesmith_trainer.integrations.services import EXTRAS, config_of, title, tracker
from tunesmith_trainer.spec import RunSpec

_NICENESS = 5
_GONE = 3
"""The exit code of one whose service does not have everything."""


def main() -> int:
    """Follow the run to its end; the exit code tells whether the service has everything."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # they are meant for the trainer, who says when to end
    os.nice(_NICENESS)
    # What libraries print is no report.
    reports = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    orders = Orders(sys.stdin)
    order = orders.first
    os.environ.update(order["environment"])
    folder = Path(order["folder"])
    spec = RunSpec.model_validate(order["spec"])
    wanted = spec.integrations[order["number"]]
    key = order["key"]

    def report(level: str, text: str) -> None:
        reports.write(json.dumps({"level": level, "text": text}) + "\n")
        reports.flush()

    def fault(error: BaseException) -> None:
        text = words(error, without=key)
        if isinstance(error, ModuleNotFoundError):
            text = f"it is not installed here (pip install 'tunesmith[{EXTRAS[wanted.type]}]')"
        report(
            "warning",
            f"{title(wanted)} gets no measurements: {text}. The training does not depend on it.",
        )

    follower = Follower(
        tracker(wanted, key, folder),
        spec.run,
        config_of(spec),
        folder,
        orders,
        fault=fault,
        mended=lambda: report("info", f"{title(wanted)} gets measurements again, all of them."),
    )
    return 0 if follower.follow() else _GONE


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Libraries wait at the exit for what they could not send; everything was given its time.
    os._exit(code)
