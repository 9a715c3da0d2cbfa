"""Preparing a million rows: the old prepare tool against ours, on the same file in the same run.

    make bench-prepare [ARGS="--rows 100000"]

The rows are for classification, some 130 bytes each, in JSON lines; without a blank before the
completions, some of them twice, some empty, so that there is something to mend. Each tool is a
process of its own and does all of it: read, say, mend, split, write. The old one is openai 0.28.1
with pandas 2.0.3 in the virtual environment of tests/legacy_tool; it takes a minute or so. Fails
unless ours is 20 times as fast (wall) and below 1 GB.

The floor is what cannot be saved, in CPU seconds of one process between the runs of ours: read the
file, decode its rows twice (what is to be mended is known only when all have been seen), encode
them once, hash each for the split, and write them. A busy machine slows it as it slows ours.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.openai.environments import old_python

FASTER, MEMORY = 20, 1000
_OURS = (
    "import sys; from tunesmith.dataset_rules.fixes import Job, run;"
    "run(Job(sys.argv[1], out=(sys.argv[1] + '.train', sys.argv[1] + '.valid')))"
)

_FLOOR = """
import hashlib, sys
from io import BytesIO
import msgspec
class Row(msgspec.Struct, gc=False):
    prompt: str
    completion: str
decode, encode = msgspec.json.Decoder(Row).decode_lines, msgspec.json.Encoder().encode_lines
for last in (False, True):
    with open(sys.argv[1], "rb") as file, open(sys.argv[1] + ".floor", "wb") as out:
        while block := file.read(2**20) + file.readline():
            rows = decode(block)
            if last:
                block = encode(rows)
                b"".join([hashlib.sha256(line).digest() for line in BytesIO(block).readlines()])
                out.write(block)
"""


def main() -> None:
    """Print both, and fail if ours is not as good as it must be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3, help="of ours; the best counts")
    asked = parser.parse_args()
    python = old_python()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        write(path, asked.rows)
        size = path.stat().st_size
        print(f"{asked.rows:,} rows, {size / 1e6:.0f} MB, {os.cpu_count()} cores")
        old = [str(python.with_name("openai")), "tools", "fine_tunes.prepare_data", "-q"]
        theirs = measured([*old, "-f", str(path)])
        print(f"old tool: {_told(theirs)}")
        runs, floors = [], []
        for _ in range(asked.repeat):
            runs.append(measured([sys.executable, "-c", _OURS, str(path)]))
            floors.append(measured([sys.executable, "-c", _FLOOR, str(path)])[1])
            print(f"ours:     {_told(runs[-1])}, floor {floors[-1]:.2f} s CPU")
        best = min(runs)
        print(f"{theirs[0] / best[0]:.1f} times as fast, {theirs[1] / best[1]:.1f} times less CPU")
        cpu = min(run[1] for run in runs)
        print(f"{min(floors) / cpu:.0%} of our CPU time is the floor")
        if theirs[0] / best[0] < FASTER or best[2] > MEMORY:
            raise SystemExit(f"it must be {FASTER} times as fast, below {MEMORY} MB")


def write(path: Path, rows: int) -> None:
    """Rows as people have them."""
    chosen = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chosen.choices(letters, k=chosen.randint(2, 9))) for _ in range(4000)]
    with path.open("w") as file:
        line = ""
        for number in range(rows):
            if number % 500 != 9:
                text = " ".join(chosen.choices(words, k=15))[:86].strip().capitalize()
                label = "" if number % 1000 == 7 else chosen.choice(["positive", "negative"])
                row = {"prompt": f"{text} {number}.", "completion": label}
                line = json.dumps(row) + "\n"
            file.write(line)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of CPU, and the most MB of memory of a process, children in."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    usage = os.times()
    cpu = usage.children_user + usage.children_system - _spent[0]
    _spent[0] += cpu
    return seconds, cpu, peak


def _told(run: tuple[float, float, float]) -> str:
    words = f"{run[0]:6.2f} s wall, {run[1]:6.2f} s CPU, {run[2]:5.0f} MB"
    return f"{words}, load {os.getloadavg()[0]:.1f}"


_spent = [0.0]


def _resident(pid: int) -> float:
    """MB of a process and its children, pages they share counted once for each."""
    total = 0
    for each in [pid, *_children(pid)]:
        try:
            fields = Path(f"/proc/{each}/statm").read_text().split()
        except OSError:
            continue
        total += int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    return total / 1e6


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


if __name__ == "__main__":
    main()
