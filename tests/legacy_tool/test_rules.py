"""Each rule of the old tool, met and not met, through the old tool and through ours."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.legacy_tool.comparing import Row, old, ours, write
from tests.legacy_tool.conftest import OldTool

WORDS = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty",
    "knoll", "lagoon", "mesa", "north", "oasis", "plain",
]  # fmt: skip


def rows(
    count: int = 12, prompt: str = "{} and {} ->", completion: str = " so {} it is, {}.\n"
) -> list[Row]:
    """Rows in which nothing is to be mended: conditional generation."""
    return [
        (
            prompt.format(WORDS[n % 16], WORDS[(n * 7 + n // 16 + 3) % 16]),
            completion.format(WORDS[(n + 5) % 16], WORDS[(n * 5 + 1) % 16]),
        )
        for n in range(count)
    ]


def labels(count: int = 12) -> list[Row]:
    """Rows in which nothing is to be mended: classification."""
    return [(prompt, [" yes", " no"][n % 2]) for n, (prompt, _) in enumerate(rows(count))]


def only(prompts: Sequence[Row], completions: Sequence[Row]) -> list[Row]:
    return [(p, c) for (p, _), (_, c) in zip(prompts, completions, strict=True)]


OPEN = [("", completion) for _, completion in rows()]
SAME: dict[str, list[Row]] = {
    "nothing to mend": rows(),
    "a hundred and more": rows(120),
    "classification": labels(),
    "classification of three": [(p, [" a", " b", " c"][n % 3]) for n, (p, _) in enumerate(rows())],
    "just not classification": [(p, f" {WORDS[n % 4]}.\n") for n, (p, _) in enumerate(rows())],
    "open-ended": OPEN,
    "an empty completion": [*rows(), ("more ->", "")],
    "repeated rows": [*rows(), *rows(3)],
    "the same prompt, another completion": [*rows(), (rows()[0][0], " else.\n")],
    "long rows": [*rows(), ("x" * 9_000 + " ->", " y" * 600 + ".\n")],
    "as long as may be": [*rows(), ("x" * 9_000 + " ->", " " + "y" * 993 + ".\n")],
    "long rows of no prompt": [*OPEN, ("", " y" * 6_000 + ".\n")],
    "prompts in capitals": rows(prompt="{} AND ONE MORE HERE {} ->"),
    "prompts with a third of capitals": rows(prompt="Aa{}AAaa{} ->"),
    "completions in capitals": rows(completion=" SO IT IS NOW {}, THAT {}.\n"),
    "capitals beyond ASCII": [(f"ÄÖÜ ÉÈ {p}", c) for p, c in rows(prompt="{}Σ{} ->")],
    "no separator": rows(prompt="{} and {}"),
    "no separator, arrows inside": rows(prompt="{} -> and {}"),
    "no separator, line breaks inside": rows(prompt="{}\nand {}"),
    "no separator, all of them inside": rows(
        prompt="{} \n\n###\n\n \n\n===\n\n \n\n---\n\n \n\n===>\n\n \n\n--->\n\n -> {}"
    ),
    "a long separator": rows(prompt="{} and {} = = = = = = >"),
    "a separator that also stands inside": rows(prompt="{} -> and {} ->"),
    "a short common beginning": rows(prompt="Say {} and {} ->"),
    "completions that begin alike, a little": rows(completion=" so {} it is, {}.\n"),
    "completions that begin alike": rows(completion=" It is {} and {}.\n"),
    "completions that begin alike without a blank": rows(completion="It is: {} and {}.\n"),
    "no end of completions": rows(completion=" so {} it is, {}"),
    "no end of completions, breaks inside": rows(completion=" so {}\nit is, {}"),
    "no end of completions, many texts inside": rows(completion=" so {}\nit. END *** {}"),
    "no end of completions, all texts inside": rows(
        completion=" {}\n . END *** +++ &&& $$$ @@@ %%% {}"
    ),
    "a long end of completions": rows(completion=" so {} it is, {} - - - - - -"),
    "an end that also stands inside": rows(completion=" so {} END it is, {} END"),
    "no end of no prompts": [("", c) for _, c in rows(completion=" so {} it is, {}")],
    "no end of labels": labels(),
    "no leading blank": rows(completion="so {} it is, {}.\n"),
    "some leading blanks": [(p, c.strip(" ") if n % 2 else c) for n, (p, c) in enumerate(rows())],
    "labels without a blank": [(p, c.strip()) for p, c in labels()],
    "letters of other scripts": [(f"東京 {p}", f" ответ {c}") for p, c in rows()],
    "slashes, quotes and backslashes": [(f'a/b "c" \\ {p}', f" d/e \\n{c}") for p, c in rows()],
    "much at once": [
        *rows(completion="It is: {} and {}", prompt="{} AND {}"),
        *rows(2, completion="It is: {} and {}", prompt="{} AND {}"),
        ("nothing AND nothing", ""),
    ],
}
"""Rows of which both tools say the same and make the same."""


@pytest.mark.parametrize("case", SAME)
def test_both_tools_find_the_same_and_make_the_same(case: str, old_tool: OldTool, tmp_path: Path):
    path = write(tmp_path / "file.jsonl", SAME[case])
    answer = old_tool.prepare(path)
    assert not answer["crashed"]
    theirs, mine = old(answer, path), ours(path)
    assert mine.found == theirs.found
    assert sorted(mine.rows) == sorted(theirs.rows)


def test_every_rule_of_the_old_tool_is_met_and_not_met(old_tool: OldTool, tmp_path: Path):
    met: set[str] = set()
    spared: set[str] = set()
    for case in SAME.values():
        found = ours(write(tmp_path / "file.jsonl", case)).found
        met |= found
        spared |= _RULES - found
    assert met >= _RULES - _ELSEWHERE
    assert spared >= _RULES - _ELSEWHERE


_ELSEWHERE = {"FORMAT_NOT_JSONL", "FIELD_CASE", "FIELD_UNKNOWN", "PROMPTS_IDENTICAL"}
_ELSEWHERE |= {"COMPLETIONS_IDENTICAL", "PROMPT_PREFIX_COMMON"}  # in test_differences.py
_RULES = {
    "CLASSIFICATION", "COMPLETION_EMPTY", "DUPLICATE_ROWS", "LONG_ROWS", "PROMPT_UPPER_CASE",
    "COMPLETION_UPPER_CASE", "PROMPT_SUFFIX_LONG", "PROMPT_SUFFIX_AMBIGUOUS",
    "PROMPT_SUFFIX_MISSING", "COMPLETION_PREFIX_COMMON",
    "COMPLETION_SUFFIX_LONG", "COMPLETION_SUFFIX_AMBIGUOUS",
    "COMPLETION_SUFFIX_MISSING", "COMPLETION_SPACE_MISSING", *_ELSEWHERE,
}  # fmt: skip


def jsonl(*objects: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


NAMED = [{"Prompt": p, "COMPLETION": c} for p, c in rows()]
MORE = [{"prompt": p, "completion": c, "id": str(n)} for n, (p, c) in enumerate(rows())]
FILES: dict[str, tuple[str, bytes]] = {
    "names in upper case": ("file.jsonl", jsonl(*NAMED)),
    "a field too many": ("file.jsonl", jsonl(*MORE)),
    "Windows line ends": ("file.jsonl", jsonl(*MORE).replace(b"\n", b"\r\n")),
    "an upper-case extension": ("FILE.JSONL", jsonl(*MORE)),
}
"""Files of which both say the same and make the same."""


@pytest.mark.parametrize("case", FILES)
def test_both_tools_read_the_same_out_of_a_file(case: str, old_tool: OldTool, tmp_path: Path):
    name, content = FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert mine.found == theirs.found
    assert sorted(mine.rows) == sorted(theirs.rows)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no-prompt.jsonl", jsonl({"completion": " x"}, {"completion": " y"}), "prompt"),
        ("no-completion.jsonl", jsonl({"prompt": " x"}, {"prompt": " y"}), "completion"),
        ("broken.jsonl", b'{"prompt": "a", "completion": \n{}\n', ""),
    ],
)
def test_both_tools_give_up(
    name: str, content: bytes, words: str, old_tool: OldTool, tmp_path: Path
):
    path = tmp_path / name
    path.write_bytes(content)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert (theirs.gave_up, mine.gave_up) == (True, True)
    assert words in mine.said
