"""The worker's command: requests come in on stdin, answers go out on stdout, both JSON lines."""

import argparse
import ctypes
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_WINDOW = 0.010
_QUIET = 0.002


def main() -> None:
    """Load the base, then serve until stdin ends."""
    arguments = _arguments()
    out = _own_stdout()
    _die_with_parent()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    # Reading starts before the model is loaded: a parent that gives up meanwhile is obeyed.
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, lines), daemon=True).start()

    # Only now: torch and transformers take seconds to import, and read their settings then.
    import torch

    from tunesmith_server.adapters.inference import wire
    from tunesmith_server.adapters.inference.worker.desk import Desk
    from tunesmith_server.adapters.inference.worker.scheduler import Limits

    torch.set_num_threads(arguments.threads)

    def emit(message: Mapping[str, Any]) -> None:
        out.write(wire.encode(message))
        out.flush()

    limits = Limits(arguments.rows, arguments.prefill_tokens, arguments.cache_mib << 20)
    desk = Desk(arguments.base, adapters=arguments.adapters, limits=limits, emit=emit)
    while True:
        if desk.idle:
            desk.handle(lines.get())
            _gather(lines, desk.handle)
        while not lines.empty():
            desk.handle(lines.get())
        desk.step()


def _gather(lines: "queue.SimpleQueue[bytes]", handle: Any) -> None:
    """Wait a moment for what comes together with the first request, to compute it together."""
    deadline = time.monotonic() + _WINDOW
    while time.monotonic() < deadline:
        try:
            handle(lines.get(timeout=_QUIET))
        except queue.Empty:
            return


def _read(stdin: BinaryIO, lines: "queue.SimpleQueue[bytes]") -> None:
    for line in stdin:
        lines.put(line)
    # The server is gone or wants no more: nobody would read an answer.
    os._exit(0)


def _own_stdout() -> BinaryIO:
    """Stdout for the answers alone; whatever libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out


def _die_with_parent() -> None:
    """Ask Linux for a signal when the parent dies; elsewhere the end of stdin must do."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tunesmith inference worker", description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--adapters", type=int, default=16, help="most adapters in memory")
    parser.add_argument("--rows", type=int, default=32, help="most answers computed at once")
    parser.add_argument("--prefill-tokens", type=int, default=512, help="tokens of a prompt chunk")
    parser.add_argument("--cache-mib", type=int, default=1024, help="keys and values in memory")
    return parser.parse_args()


if __name__ == "__main__":
    main()
