"""`python -m tunesmith_server.adapters.analysis.worker`: one dataset, from standard input."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

from tunesmith.dataset_rules import Inspector, Part, Shape, encode_report, leakage_between
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
    answer = _compared(request, given) if request.training else _work(request, given)
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
    part = _Input(given, request.size_bytes)
    for chunk in part:
        for rows in source.feed(chunk):
            counting.add(rows)
        if inspector is not None:
            inspector.feed(chunk)
    if not part.is_whole:
        return None
    for rows in source.finish():
        counting.add(rows)
    report = encode_report(inspector.finish()) if inspector else None
    counts = counting.finish()
    return wire.Answer(bytes_done=request.size_bytes, report=report, counts=counts, is_result=True)


def _compared(request: wire.Request, given: BinaryIO) -> wire.Answer | None:
    """What of the training data is found in the validation data; None as of `_work`."""
    assert request.training is not None
    validation = _Input(given, request.size_bytes)
    training = _Input(given, request.training.size_bytes, before=request.size_bytes)
    findings = leakage_between(
        Part(training, Format(request.training.format)),
        Part(validation, Format(request.format)),
        Shape(request.shape),
    )
    if not (validation.is_whole and training.is_whole):
        return None
    return wire.Answer(bytes_done=request.size_bytes, findings=findings, is_result=True)


class _Input:
    """So many bytes of standard input, in chunks; tells how far it is while it is read."""

    def __init__(self, given: BinaryIO, size: int, *, before: int = 0) -> None:
        self._given = given
        self._left = size
        self._done = before

    @property
    def is_whole(self) -> bool:
        """Whether all of it came."""
        return not self._left

    def __iter__(self) -> Iterator[bytes]:
        told = time.monotonic()
        while self._left and (chunk := self._given.read(min(_CHUNK, self._left))):
            self._left -= len(chunk)
            self._done += len(chunk)
            yield chunk
            if (now := time.monotonic()) - told > _TOLD_EVERY:
                told = now
                _tell(wire.Answer(bytes_done=self._done))


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
