"""How fast tokens are counted, as a ratio to the tokenizer alone on the same cores.

Ours: rows of JSONL, read and checked by the rules' own path, counted by the pool of a worker. Raw:
a pool of as many processes that do nothing but `encode_ordinary` (of `tokenizers`:
`encode_batch_fast`) over texts that they have already. Both fork after the vocabulary is loaded;
runs alternate, and the median counts. What is wanted is of CPU time, which a busy machine disturbs
little; the time on the clock is shown too. The texts are the sources of Python's own library: prose
and code.

    python bench/tokens.py [--megabytes 40] [--rounds 3] [--base FOLDER]
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tunesmith.dataset_rules import Shape
from tunesmith.dataset_rules.sources import open_source
from tunesmith.token_counts import load_encoding
from tunesmith_server.adapters.analysis import wire
from tunesmith_server.adapters.analysis.hugging_face import HuggingFaceEncoder
from tunesmith_server.adapters.analysis.worker.counting import Counting
from tunesmith_trainer.bases.materialise import materialise

WANTED = 0.95
_encoder: Any = None
_texts: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Took:
    """What counting has taken, and the tokens that it found."""

    wall: float
    cpu: float
    tokens: int


class _Clock:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def took(self, tokens: int) -> Took:
        return Took(time.perf_counter() - self._wall, _cpu() - self._cpu, tokens)


def _cpu() -> float:
    """Of this process and of its children that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def rows(megabytes: int) -> Iterator[dict[str, str]]:
    """Pieces of text of some hundred characters as prompts, with the next line to complete them."""
    taken = 0
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    for number in range(1_000):  # again and again, cut elsewhere
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace")
            step = 900 + 37 * number
            for start in range(13 * number, len(text) - step, step):
                piece = text[start : start + step]
                yield {"prompt": piece[:-60], "completion": piece[-60:].strip() or "."}
                taken += len(piece)
                if taken > megabytes * 1_000_000:
                    return


def ours(content: bytes, source: wire.TokenizerSource, processes: int) -> Took:
    """A worker's counting."""
    counting = Counting([source], Shape.PROMPT_COMPLETION, processes)
    clock = _Clock()
    reader = open_source(max_line_bytes=1 << 24)
    for at in range(0, len(content), 1 << 20):
        for some in reader.feed(content[at : at + (1 << 20)]):
            counting.add(some)
    for some in reader.finish():
        counting.add(some)
    counted = counting.finish()[source.ref]
    assert counted.count is not None, counted.error
    return clock.took(sum(length * times for length, times in counted.count["lengths"]))


def raw(texts: Sequence[Sequence[str]], encoder: Any, processes: int) -> Took:
    """The tokenizer alone; each process has the texts before it begins."""
    global _encoder, _texts
    _encoder, _texts = encoder, texts
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        pool.map(_nothing, range(processes * 2), chunksize=1)
        clock = _Clock()
        total = sum(pool.imap_unordered(_encode, range(len(texts))))
        pool.close()
        pool.join()
    return clock.took(total)


def _nothing(_: int) -> None:
    time.sleep(0.05)  # so that every process of the pool is up


def _encode(block: int) -> int:
    return sum(_encoder.encode(_texts[block]))


def compare(name: str, content: bytes, texts: Any, source: Any, load: Callable[[], Any]) -> float:
    """Print and give the ratio for one tokenizer."""
    cores = len(os.sched_getaffinity(0))
    encoder = load()
    pairs = []
    for _ in range(ROUNDS):
        pairs.append((ours(content, source, cores), raw(texts, encoder, cores)))
    # the token that stands for an empty prompt is ours alone; these texts have none
    assert pairs[0][0].tokens == pairs[0][1].tokens, pairs[0]
    size, tokens = len(content) / 1e6, pairs[0][0].tokens / 1e6
    mine = statistics.median(one.wall for one, _ in pairs)
    wall = statistics.median(other.wall / one.wall for one, other in pairs)
    cpu = statistics.median(other.cpu / one.cpu for one, other in pairs)
    print(
        f"{name:12} {size / mine:6.1f} MB/s {tokens / mine:6.2f} Mtok/s"
        f"   raw ÷ ours: CPU {cpu:.2f}, time {wall:.2f}"
    )
    return cpu


def main() -> int:
    """Compare; 1 if a ratio is below what is wanted."""
    global ROUNDS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--base", type=Path, help="a folder of a base; SmolLM2, made now, if not")
    given = parser.parse_args()
    ROUNDS = given.rounds
    all_rows = list(rows(given.megabytes))
    content = "".join(json.dumps(row) + "\n" for row in all_rows).encode()
    texts = [
        [text for row in all_rows[at : at + 500] for text in (row["prompt"], row["completion"])]
        for at in range(0, len(all_rows), 500)
    ]
    print(f"{len(content) / 1e6:.1f} MB, {len(all_rows):,} rows, {os.cpu_count()} cores")
    ratios = [
        compare(
            name,
            content,
            texts,
            wire.TokenizerSource(f"tiktoken:{name}"),
            partial(load_encoding, name),
        )
        for name in ("r50k_base", "cl100k_base")
    ]
    with tempfile.TemporaryDirectory() as scratch:
        base = given.base or Path(scratch, "base")
        if not given.base:
            materialise("smollm2-135m-instruct", base, lambda stage, part: None)
        source = wire.TokenizerSource("smollm2", str(base))
        ratios.append(compare("SmolLM2", content, texts, source, lambda: HuggingFaceEncoder(base)))
    print(f"wanted: {WANTED:.2f} or more")
    return int(min(ratios) < WANTED)


ROUNDS = 3

if __name__ == "__main__":
    raise SystemExit(main())
