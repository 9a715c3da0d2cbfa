"""`python -m tunesmith_trainer run.json`: train one run in the folder of the file."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from tunesmith_trainer.failures import EXIT_CODES, RunFailure
from tunesmith_trainer.integrations.handed import Handed, read_handed
from tunesmith_trainer.rundir import RunDirectory
from tunesmith_trainer.spec import RunSpec, read_run_spec
from tunesmith_trainer.stop_request import StopRequest

USAGE = "usage: python -m tunesmith_trainer RUN.json\n"


def main(arguments: list[str]) -> int:
    """Train the run that the one argument names and give the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        wants_help = arguments in (["-h"], ["--help"])
        (sys.stdout if wants_help else sys.stderr).write(USAGE)
        return 0 if wants_help else 2
    file = Path(arguments[0]).absolute()
    directory = RunDirectory(file.parent)
    # First of all: a signal during the seconds in which torch is imported is not lost.
    stop = StopRequest(directory.stop)
    stop.install()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        spec = read_run_spec(file)
        handed = _handed(spec)
        code = directory.recorded_exit_code()
        if code is None:
            directory.acquire()
            # Between the look and the lock another trainer may have finished.
            code = directory.recorded_exit_code()
        return _train(spec, directory, stop, handed) if code is None else code
    except RunFailure as failure:
        sys.stderr.write(f"{failure.message}\n")
        return EXIT_CODES[failure.reason]


def _handed(spec: RunSpec) -> Handed | None:
    """The keys of the integrations, where they come on the standard input."""
    if any(getattr(wanted, "credentials", "own") == "stdin" for wanted in spec.integrations):
        return read_handed(sys.stdin.buffer)
    return None


def _train(spec: RunSpec, directory: RunDirectory, stop: StopRequest, handed: Handed | None) -> int:
    _prepare_environment(spec.threads)
    # Only now: torch takes seconds, and reads the environment when it is imported.
    from tunesmith_trainer.training import Run

    return Run(spec, directory, stop, handed=handed).execute()


def _prepare_environment(threads: int) -> None:
    # Spinning OpenMP threads made a run three times slower beside another (FACTS E2).
    os.environ["GOMP_SPINCOUNT"] = "0"
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # A run has its base on disk: nothing may ask a model hub in passing.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
