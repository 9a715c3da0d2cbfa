"""`make bench-datasets`: what the validation of a dataset costs over its limit, as ratios.

The limit is what cannot be saved: go through the lines, decode each into its type with msgspec, and
hash the bytes. It is measured in the same rounds as ours, in turn, in CPU seconds, so that a busy
machine disturbs little. A ratio of 0.85 means: all else that validation does takes 15 % of its
time. `blocks` is against a stricter limit, many lines decoded in one call, which does not tell
where a line begins. `analysis` is what the look at the whole takes besides, of validation's time.
The peak of memory is that of a process of its own over what it needs idle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tunesmith.dataset_rules import Inspector, Report, Shape
from tunesmith.dataset_rules.shapes import (
    decode_chat,
    decode_chat_lines,
    decode_prompt_completion,
    decode_prompt_completion_lines,
)

ROUNDS = 7
SIZE = 24 * 2**20
CHUNK = 2**20
_WORDS = (
    "the order was never delivered and nobody at the shop answers please tell me where it is now"
    " thank you very much for the quick help today everything works again as it should"
)


@dataclass(frozen=True)
class Kind:
    """A kind of file that is measured."""

    name: str
    shape: Shape
    row: Callable[[random.Random], object]
    ascii: bool = False

    def content(self, size: int) -> bytes:
        """About `size` bytes of it, always the same."""
        random_ = random.Random(7)
        rows = [
            json.dumps(self.row(random_), ensure_ascii=self.ascii).encode() + b"\n"
            for _ in range(4000)
        ]
        times = size // sum(map(len, rows)) + 1
        return b"".join(rows * times)


def text(random_: random.Random, length: int) -> str:
    """Words of about so many characters."""
    return " ".join(random_.choices(_WORDS.split(), k=length // 6 + 1))


def short(random_: random.Random) -> object:
    """A row of classification, some 130 bytes."""
    return {"prompt": text(random_, 80), "completion": random_.choice([" yes", " no"])}


def long(random_: random.Random) -> object:
    """A row of some 400 bytes."""
    return {"prompt": text(random_, 180), "completion": " " + text(random_, 180)}


def escaped(random_: random.Random) -> object:
    """A row of some 400 bytes with line feeds and quotes in its texts, as answers have them."""
    lines = '",\n- "'.join(text(random_, 30) for _ in range(5))
    return {"prompt": text(random_, 170) + "\n\n###\n\n", "completion": f' "{lines}"\nEND'}


def foreign(random_: random.Random) -> object:
    """A row of some 400 bytes in another script."""
    return {"prompt": "你好，" * 12 + text(random_, 120), "completion": " " + "谢谢！" * 20}


def chat(random_: random.Random) -> object:
    """A conversation of a system message and one to three turns."""
    turns = [
        {"role": role, "content": text(random_, length)}
        for _ in range(random_.choice([1, 1, 1, 2, 3]))
        for role, length in (("user", 90), ("assistant", 175))
    ]
    return {"messages": [{"role": "system", "content": "You are a helpful assistant."}, *turns]}


KINDS = (
    Kind("prompts of 130 bytes", Shape.PROMPT_COMPLETION, short),
    Kind("prompts of 400 bytes", Shape.PROMPT_COMPLETION, long),
    Kind("with line feeds, quotes", Shape.PROMPT_COMPLETION, escaped),
    Kind("Chinese as UTF-8", Shape.PROMPT_COMPLETION, foreign),
    Kind("Chinese as escapes", Shape.PROMPT_COMPLETION, foreign, ascii=True),
    Kind("chats", Shape.CHAT, chat),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=float, default=1.0, metavar="GB", help="0 leaves it out")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        _peak(options.peak)
        return
    began = time.monotonic()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {ROUNDS} rounds\n")
    print(f"{'':24}{'MB/s':>6} {'ratio':>6}  {'range':12} {'blocks':>7} {'analysis':>9}")
    for kind in KINDS:
        _measure(kind)
    if options.memory:
        _memory(options.memory)
    print(f"\nPer second of CPU; {time.monotonic() - began:.0f} s in all.")


def _measure(kind: Kind) -> None:
    content = kind.content(SIZE)
    chunks = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    blocks = list(_blocks(content))
    one = decode_chat if kind.shape is Shape.CHAT else decode_prompt_completion
    many = decode_chat_lines if kind.shape is Shape.CHAT else decode_prompt_completion_lines
    ways: dict[str, Callable[[], object]] = {
        "lines": lambda: _each(one, BytesIO(content)),
        "blocks": lambda: _each(many, blocks),
        "sha256": lambda: hashlib.sha256(content).hexdigest(),
        "ours": lambda: _inspect(chunks),
        "analysis": lambda: _inspect(chunks, analyse=True),
    }
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        spent = {}
        for name, way in ways.items():
            before = time.process_time()
            way()
            spent[name] = time.process_time() - before
        rounds.append(spent)
    ratios = sorted((spent["lines"] + spent["sha256"]) / spent["ours"] for spent in rounds)
    strict = statistics.median((s["blocks"] + s["sha256"]) / s["ours"] for s in rounds)
    speed = statistics.median(len(content) / spent["ours"] for spent in rounds) / 1e6
    analysis = statistics.median(spent["analysis"] / spent["ours"] - 1 for spent in rounds)
    print(
        f"{kind.name:24}{speed:6.0f} {statistics.median(ratios):6.2f}  "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f} {strict:7.2f} {analysis:8.1f}×",
        flush=True,
    )


def _each(work: Callable[[bytes], object], pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        work(piece)


def _inspect(chunks: list[bytes], *, analyse: bool = False) -> Report:
    inspector = Inspector(analyse=analyse)
    for chunk in chunks:
        inspector.feed(chunk)
    report = inspector.finish()
    if not report.valid:
        raise SystemExit(f"the data is not sound: {report.findings[0]}")
    return report


def _blocks(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        end = content.rfind(b"\n", at, at + 2**16) + 1
        yield content[at:end]
        at = end


def _memory(gigabytes: float) -> None:
    """The peak over idle of a process of its own that validates a large file, and analyses it."""
    print()
    with tempfile.TemporaryDirectory(prefix="tunesmith-bench-") as folder:
        path = Path(folder, "rows.jsonl")
        for kind in (KINDS[0], KINDS[-1]):
            rows = kind.content(0)
            with path.open("wb") as file:
                for number in range(1_000_000):
                    file.write(_other(rows, number))
                    if file.tell() > gigabytes * 1e9:
                        break
            for what in ("validate", "analyse"):
                command = [sys.executable, __file__, "--peak", f"{what}:{path}"]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                idle, peak, seconds = map(float, done.stdout.split())
                print(
                    f"{kind.name}, {gigabytes:g} GB, {what}: peak {peak - idle:.0f} MiB over"
                    f" {idle:.0f} MiB idle, {seconds:.1f} s of CPU",
                    flush=True,
                )


def _other(content: bytes, number: int) -> bytes:
    """The same rows about something else, so that none repeats one of another number."""
    name = bytes(97 + int(digit) for digit in str(number))
    return content.replace(b'"content": "', b'"content": "%s ' % name).replace(
        b'"prompt": "', b'"prompt": "%s ' % name
    )


def _peak(what: str) -> None:
    """In the process of its own: idle and peak memory (MiB) and CPU seconds."""
    action, _, path = what.partition(":")
    idle, before = _memory_peak(), time.process_time()
    inspector = Inspector(analyse=action == "analyse")
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            inspector.feed(chunk)
    inspector.finish()
    print(idle, _memory_peak(), time.process_time() - before)


def _memory_peak() -> float:
    """MiB. Of Linux's own book on this process: getrusage tells the parent's peak, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell the peak of a process's memory")


if __name__ == "__main__":
    main()
