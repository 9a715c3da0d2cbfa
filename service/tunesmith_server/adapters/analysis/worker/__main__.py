"""`python -m tunesmith_server.adapters.analysis.worker`: one dataset, from standard input."""

import argparse
import contextlib
import os
import sys
import time
from typing import BinaryIO

from tunesmith.dataset_rules import Inspector, Shape, encode_report
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.sensitive import Policy
from tunesmith.dataset_rules.sources import Format, open_source

from tunesmith_server.adapters.analysis import wire
from tunesmith_server.adapters.analysis.worker.counting import Counting

_CHUNK = 1 << 20
_TOLD_EVERY = 0.5
_CUT_SHORT = 3
"""Exit code: the input ended before the file did, so whoever asked is gone."""


def main() -> int:
    """Do what the first line asks for with the bytes after it."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--nice", type=int, default=10)
    os.nice(arguments.parse_args().nice)
    given = sys.stdin.buffer
    request = wire.decode_request(given.readline())
    answer = _work(request, given)
    if answer is None:
        return _CUT_SHORT
    _tell(answer)
    return 0


def _work(request: wire.Request, given: BinaryIO) -> wire.Answer | None:
    """The result; None if the bytes were fewer than was said."""
    shape, format = Shape(request.shape), Format(request.format)
    counting = Counting(request.tokenizers, shape, request.processes)
    inspector = None
    if request.rules:
        policy = Policy(request.sensitive)
        inspector = Inspector(shape=shape, format=format, analyse=True, sensitive=policy)
    source = open_source(max_line_bytes=MAX_LINE_BYTES, format=format)
    done, told = 0, time.monotonic()
    while chunk := given.read(_CHUNK):
        done += len(chunk)
        for rows in source.feed(chunk):
            counting.add(rows)
        if inspector is not None:
            inspector.feed(chunk)
        if (now := time.monotonic()) - told > _TOLD_EVERY:
            told = now
            _tell(wire.Answer(bytes_done=done))
    if done != request.size_bytes:
        return None
    for rows in source.finish():
        counting.add(rows)
    report = encode_report(inspector.finish()) if inspector else None
    return wire.Answer(bytes_done=done, report=report, counts=counting.finish(), is_result=True)


def _tell(answer: wire.Answer) -> None:
    sys.stdout.buffer.write(wire.encode(answer))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    code = 0
    # whoever asked is gone: there is nobody to tell
    with contextlib.suppress(BrokenPipeError):
        code = main()
    # at once: processes of the pool that are still at a block need not be waited for
    sys.stdout.close()
    os._exit(code)
