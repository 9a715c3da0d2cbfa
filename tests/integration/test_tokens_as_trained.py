"""The counts are those of the trainer: both look at the same file with the same base."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer
from tunesmith.dataset_rules import Shape
from tunesmith.dataset_rules.sources import open_source
from tunesmith.token_counts import TokenCount, decode_count
from tunesmith_server.adapters.analysis import wire
from tunesmith_server.adapters.analysis.worker.counting import Counting
from tunesmith_trainer.bases.materialise import materialise
from tunesmith_trainer.examples import encode_records
from tunesmith_trainer.records import read_records

PAIRS = [
    {"prompt": f"Company: BHFF number {n} <|im_end|> é世\U0001f600 ->", "completion": completion}
    for n in range(60)
    for completion in (" yes\n", " no\n", "x" * (n * 12), " \n  two words " * (n % 9) + "END")
    if completion
] + [{"prompt": "", "completion": " open ended"}, {"prompt": "Long " * 900, "completion": " end"}]


def chats():
    for n in range(60):
        turns = [{"role": "system", "content": "Be kind. <|im_start|>"}] * (n % 2)
        for turn in range(1 + n % 4):
            turns.append({"role": "user", "content": f"Question {turn}: " + "why, " * (n * turn)})
            answer = {"role": "assistant", "content": f" Because {n}.\n" * (1 + n % 3)}
            turns.append(answer | ({"weight": 0} if (n + turn) % 3 == 0 else {}))
        if all(turn.get("weight") == 0 for turn in turns if turn["role"] == "assistant"):
            turns[-1].pop("weight")
        yield {"messages": turns}
    yield {"messages": [{"role": "user", "content": "a " * 900}, turns[-1]]}


@pytest.fixture(
    scope="module",
    params=["tiny-random", pytest.param("smollm2-135m-instruct", marks=pytest.mark.slow)],
)
def base(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / request.param
    materialise(request.param, folder, lambda stage, part: None)
    return folder


def count(path: Path, shape: Shape, base: Path, processes: int = 2) -> TokenCount:
    counting = Counting([wire.TokenizerSource("base", str(base))], shape, processes)
    source = open_source(max_line_bytes=2**20)
    for rows in source.feed(path.read_bytes()):
        counting.add(rows)
    for rows in source.finish():
        counting.add(rows)
    counted = counting.finish()["base"]
    assert not counted.error
    assert counted.count is not None
    return decode_count(counted.count)


@pytest.mark.parametrize(
    ("shape", "rows", "limit"),
    # no answer of a conversation begins within a few tokens: the trainer would have nothing at all
    [(Shape.PROMPT_COMPLETION, PAIRS, limit) for limit in (2, 16, 100, 512, 100_000)]
    + [(Shape.CHAT, list(chats()), limit) for limit in (48, 100, 512, 100_000)],
)
def test_the_count_of_a_file_is_what_training_on_it_bills(tmp_path, base, shape, rows, limit):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    trained = encode_records(
        read_records(path, shape.value).records,
        AutoTokenizer.from_pretrained(base, local_files_only=True),
        limit=limit,
    )
    counted = count(path, shape, base)
    within = counted.within(limit)
    assert within.billable == sum(len(example.tokens) for example in trained.examples)
    assert (within.truncated, within.dropped) == (trained.truncated, trained.dropped)
    assert counted.example_count == len(rows)
    if limit == 100_000:
        assert counted.longest == max(len(example.tokens) for example in trained.examples)
        assert counted.total == within.billable
