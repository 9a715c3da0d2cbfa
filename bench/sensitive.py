"""What the search for secrets and personal data costs, as ratios: `python bench/sensitive.py`.

In CPU seconds, in turn in the same rounds, over the same texts, of which one in a hundred has
something in it. `analysis` is what the rest of the look at the whole takes, decoding included:
the search is to take no longer. `each` is every recogniser over every text, without the search for
signs before; `phonenumbers` is that library's own search for phone numbers alone.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable

import phonenumbers
from tunesmith.dataset_rules import Inspector
from tunesmith.dataset_rules.sensitive.recognition import RECOGNISERS, recognise_each

ROUNDS = 5
BATCH = 1000
_TEXT = (
    "the order 4711 was never delivered, and nobody at the shop answers: please tell me where it is"
    " now (I paid $129.50 on 2024-10-11) thank you @shop very much for the quick help today"
)
_WORDS = _TEXT.split()
_LOUD = (
    "write to jane.doe@gmail.com",
    "ring +49 30 901820",
    "card 4111 1111 1111 1111",
    "password: Tr0ub4dor&3x",
)


def rows(count: int) -> list[dict[str, str]]:
    """Prompts and completions, always the same."""
    lot = random.Random(7)
    made = []
    for number in range(count):
        words = [lot.choice(_WORDS) for _ in range(lot.randint(20, 60))]
        if number % 100 == 0:
            words.insert(5, lot.choice(_LOUD))
        made.append({"prompt": " ".join(words[:-8]), "completion": " " + " ".join(words[-8:])})
    return made


def seconds(work: Callable[[], object]) -> float:
    """The CPU seconds that it takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000)
    count = arguments.parse_args().rows
    made = rows(count)
    data = b"".join(json.dumps(row).encode() + b"\n" for row in made)
    texts = [row[field] for row in made for field in ("prompt", "completion")]
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    readers = [recogniser.reader() for recogniser in RECOGNISERS]

    def analysis() -> None:
        inspector = Inspector(analyse=True)
        inspector.feed(data)
        inspector.finish()

    def ours() -> int:
        return sum(len(found) for batch in batches for _, found in recognise_each(batch))

    def each() -> int:
        return sum(1 for t in texts for r in readers for _ in r.spans(t.encode()))

    def library() -> int:
        return sum(1 for t in texts for _ in phonenumbers.PhoneNumberMatcher(t, "US"))

    print(f"{count:,} rows, {len(data) / 1e6:.1f} MB, {ours():,} found")
    taken: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for work in (analysis, ours, each, library):
            taken.setdefault(work.__name__, []).append(seconds(work))
    median = {name: statistics.median(times) for name, times in taken.items()}
    print(f"search           {len(data) / 1e6 / median['ours']:8.1f} MB/s")
    print(f"search/analysis  {median['ours'] / median['analysis']:8.2f}  (at most 1.0)")
    print(f"each/search      {median['each'] / median['ours']:8.1f}")
    print(f"phonenumbers/search {median['library'] / median['ours']:5.1f}")


if __name__ == "__main__":
    main()
