"""What people see of datasets: reports, differences, and how to go on after an interruption."""

# ruff: noqa: ASYNC240 (small files)

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tunesmith._resources import transfers
from tunesmith.cli._marked import excerpt
from tunesmith.v1 import common_pb2

from tests.e2e.terminal import Terminal
from tests.fakes.servicer import FakeService
from tests.unit.client.conftest import Tunesmith

ROOT = Path(__file__).parents[3]
ROWS = [
    {"prompt": f"{number} ->", "completion": " odd" if number % 2 else " even"}
    for number in range(210)
]
REPORT = """\
bad.jsonl: 210 examples, prompt/completion, jsonl, 9.1 kB; 3 errors, 1 warning
error FIELD_TYPE
  line 211: "prompt" is a number, not a string (at /prompt)
      {"prompt": 17, "completion": " odd"}
                 ^^
  → Write "prompt" as a string.
error JSON_INVALID × 2
  line 212: not valid JSON: a comma is missing after "a ->, " (character 20, near \
`{"prompt": "a ->, "completion": " odd"}`)
      {"prompt": "a ->, "completion": " odd"}
                         ^
  line 213: not valid JSON: the line ends where "," or "}" is missing (character 15, \
near `{"prompt": "b"`)
  → Write each line with a JSON library rather than by hand.
warning FIELD_UNKNOWN
  line 1: the field "id" is not used in training (at /id)
      {"prompt": "日本 ->", "completion": " odd", "id": 7}
                                                        ^
  → Remove the field, or write its text into one of the fields that count.
  → mended by: tunesmith datasets prepare bad.jsonl
"""


def write(file: Path, rows: Sequence[object], *more: str) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows] + list(more)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    first = {"prompt": "日本 ->", "completion": " odd", "id": 7}
    write(
        tmp_path / "bad.jsonl",
        [first, *ROWS[1:]],
        '{"prompt": 17, "completion": " odd"}',
        '{"prompt": "a ->, "completion": " odd"}',
        '{"prompt": "b"',
    )
    return Path("bad.jsonl")


def terminal(*arguments: str, columns: int = 80, lines: int = 60) -> Terminal:
    command = (sys.executable, "-m", "tunesmith.cli", *arguments)
    environment = {"PYTHONPATH": str(ROOT / "client")}
    return Terminal(*command, columns=columns, lines=lines, environment=environment)


async def test_a_report_marks_the_place_in_one_line_of_each_kind(tunesmith: Tunesmith, bad: Path):
    done = await tunesmith("datasets", "check", str(bad))
    assert done.exit_code == 3
    assert done.stdout == REPORT


async def test_a_terminal_also_shows_how_long_the_examples_are_and_of_which_classes(bad: Path):
    async with terminal("datasets", "check", str(bad)) as running:
        screen = await running.shows(lambda screen: "cannot be trained on" in "".join(screen[-1:]))
    bars = screen[screen.index("Examples by bytes of text (--encoding counts tokens)") :]
    assert sum(int(line.split()[-1]) for line in bars if " – " in line and "█" in line) == 210
    assert [line.split()[-1] for line in bars if line.startswith("“")] == ["106", "104"]
    assert max(map(len, screen)) <= 80


async def test_programs_get_findings_counts_and_statistics(tunesmith: Tunesmith, bad: Path):
    done = await tunesmith("datasets", "check", str(bad), "-o", "json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["valid"], report["example_count"]) == (3, False, 210)
    assert report["counts"] == {"JSON_INVALID": 2, "FIELD_TYPE": 1, "FIELD_UNKNOWN": 1}
    assert report["statistics"]["class_counts"] == {" odd": 106, " even": 104}
    assert report["findings"][0] | {"message": "", "suggestion": ""} == {
        "code": "FIELD_UNKNOWN",
        "severity": "warning",
        "line": 1,
        "pointer": "/id",
        "message": "",
        "suggestion": "",
        "count": 1,
        "fixable": True,
    }


@pytest.mark.parametrize("policy", ["warn", "off"])
async def test_a_line_with_a_secret_in_it_is_never_shown(
    tunesmith: Tunesmith, tmp_path: Path, policy: str
):
    secret = "AKIAQX7MPT4Z2LWRN3VB"
    row = {"prompt": f"the key {secret} ->", "completion": " odd", "id": 7}
    file = write(tmp_path / "x.jsonl", [row, *ROWS])
    changed = write(tmp_path / "y.jsonl", [row | {"completion": " even"}, *ROWS])
    for arguments in (
        ("check", str(file), "--sensitive-data", policy),
        ("diff", str(file), str(changed)),
        ("diff", str(file), str(changed), "-o", "json"),
    ):
        done = await tunesmith("datasets", *arguments)
        assert done.stdout
        assert secret not in done.output
    assert "not shown" in (await tunesmith("datasets", "diff", str(file), str(changed))).stdout


async def test_validation_rows_that_are_training_data_are_warned_of(
    tunesmith: Tunesmith, tmp_path: Path
):
    training = write(tmp_path / "t.jsonl", ROWS)
    validation = write(tmp_path / "v.jsonl", [{"prompt": "x ->", "completion": " odd"}, ROWS[3]])
    check = ("datasets", "check", str(training), "--validation", str(validation))
    done = await tunesmith(*check)
    assert done.exit_code == 0
    assert "warning LEAKAGE\n  line 2: 1 of 2 rows also in the training data" in done.stdout
    (leak,) = json.loads((await tunesmith(*check, "-o", "json")).stdout)["leakage"]
    assert (leak["code"], leak["line"], leak["count"]) == ("LEAKAGE", 2, 1)
    missing = await tunesmith("datasets", "check", str(training), "--validation", "/nowhere")
    assert (missing.exit_code, "/nowhere" in missing.stderr) == (1, True)


async def test_what_was_split_offline_never_leaks(tunesmith: Tunesmith, tmp_path: Path):
    file = write(tmp_path / "t.jsonl", [*ROWS, *ROWS[:50]])
    done = await tunesmith("datasets", "prepare", str(file), "--yes", "--split", "-o", "json")
    training, validation = json.loads(done.stdout)["files"]
    checked = await tunesmith(
        "datasets", "check", training, "--validation", validation, "-o", "json"
    )
    assert json.loads(checked.stdout)["leakage"] == []


async def test_a_difference_tells_rows_and_figures_side_by_side(
    tunesmith: Tunesmith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), ROWS)
    changed = ROWS[2] | {"completion": " uneven"}
    new = {"prompt": "new ->", "completion": " odd"}
    write(Path("b.jsonl"), [ROWS[0], changed, *ROWS[3:], new, ROWS[1]])
    done = await tunesmith("datasets", "diff", "a.jsonl", "b.jsonl")
    assert done.exit_code == 3
    assert (
        done.stdout
        == """\
1 changed, 0 removed, 1 added, 1 moved; 208 the same

changed × 1
  line 3 → 2
  - {"prompt":"2 ->","completion":" even"}
  + {"prompt":"2 ->","completion":" uneven"}
                                    ^^

added × 1
  line 210
  + {"prompt":"new ->","completion":" odd"}

moved × 1
  line 2 → 211
    {"prompt":"1 ->","completion":" odd"}

left a.jsonl, right b.jsonl
FIGURE           LEFT    RIGHT
examples         210     211
size             9.0 kB  9.1 kB
text             2.1 kB  2.1 kB
class “ even”    105     104
class “ odd”     105     106
class “ uneven”  0       1
"""
    )
    document = json.loads(
        (await tunesmith("datasets", "diff", "a.jsonl", "b.jsonl", "-o", "json")).stdout
    )
    assert {kind: document[kind] for kind in ("changed", "removed", "added", "moved", "same")} == {
        "changed": 1,
        "removed": 0,
        "added": 1,
        "moved": 1,
        "same": 208,
    }
    assert document["samples"]["added"] == [
        {
            "left_line": None,
            "right_line": 210,
            "left": None,
            "right": '{"prompt":"new ->","completion":" odd"}',
        }
    ]


async def test_nothing_different_is_exit_code_0(tunesmith: Tunesmith, tmp_path: Path):
    left = write(tmp_path / "a.jsonl", ROWS)
    right = tmp_path / "b.csv"
    right.write_text(
        "completion,prompt\n" + "".join(f"{r['completion']},{r['prompt']}\n" for r in ROWS)
    )
    same = await tunesmith("datasets", "diff", str(left), str(right))
    assert (same.exit_code, same.stdout.splitlines()[0]) == (
        0,
        "the same 210 rows in the same order",
    )
    missing = await tunesmith("datasets", "diff", str(left), "nowhere.jsonl")
    assert (missing.exit_code, "no such file" in missing.stderr) == (1, True)


async def test_a_dataset_that_is_validated_tells_all_and_exits_with_3(
    tunesmith: Tunesmith, service: FakeService, tmp_path: Path
):
    service.findings = [
        common_pb2.Finding(
            code="COMPLETION_EMPTY",
            severity=common_pb2.FINDING_SEVERITY_ERROR,
            line=line,
            message="the completion is empty",
            count=1,
            fixable=True,
        )
        for line in (3, 5)
    ]
    file = write(tmp_path / "x.jsonl", ROWS)
    await tunesmith("datasets", "upload", str(file), "--id", "t")
    done = await tunesmith("datasets", "validate", "t")
    assert done.exit_code == 3
    assert "error COMPLETION_EMPTY × 2\n  line 3: the completion is empty\n" in done.stdout
    assert "  → mended by: tunesmith datasets prepare t\n" in done.stdout
    assert "found     2 errors\n" in done.stdout
    document = await tunesmith("datasets", "validate", "t", "-o", "json")
    assert document.exit_code == 3
    assert [each["line"] for each in json.loads(document.stdout)["findings"]] == ["3", "5"]
    lines = (await tunesmith("datasets", "validate", "t", "-o", "jsonl")).stdout.splitlines()
    assert [json.loads(line)["line"] for line in lines] == ["3", "5"]


async def test_an_upload_that_is_given_up_prints_the_command_that_goes_on(
    tunesmith: Tunesmith, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "my rows.jsonl"
    file.write_bytes(b'{"prompt": "a", "completion": " b"}\n' * 100_000)
    service.faults.cut_upload_after = [1]
    monkeypatch.setattr(transfers, "_PATIENCE", -1.0)
    broken = await tunesmith("datasets", "upload", str(file), "--id", "t")
    assert broken.exit_code == 1
    assert "kept for a day" in broken.stderr
    (words,) = [shlex.split(line) for line in broken.stderr.splitlines() if "--resume" in line]
    assert words[:6] == ["tunesmith", "datasets", "upload", str(file), "--id", "t"]
    assert (await tunesmith(*words[1:])).exit_code == 0
    assert bytes(*service.uploads.values()) == file.read_bytes()
    assert service.chunks[1].offset == len(service.chunks[0].data)


def test_a_mark_stands_below_what_it_marks_however_wide_that_is():
    shown, signs = excerpt('{"a": "日本"}\x1b[31m' + "x" * 200, (6, 10), 30)
    assert shown == '{"a": "日本"}\\u001b[31mxxxxxx…'
    assert signs == " " * 6 + "^" * 6
    assert excerpt("ab", (2, 3), 30) == ("ab", "  ^")
    shown, signs = excerpt("x" * 100 + "here" + "y" * 100, (100, 104), 40)
    assert shown[signs.index("^") : signs.rindex("^") + 1] == "here"


@pytest.mark.parametrize("columns", [80, 120])
async def test_no_line_of_a_mark_is_wider_than_the_terminal(bad: Path, columns: int):
    text = bad.read_text().splitlines()
    text = text[:200]
    text[3] = json.dumps({"prompt": "word " * 100, "completion": " odd", "id": 3})
    text[0] = '{"prompt": 7}'
    bad.write_text("\n".join(text) + "\n")
    async with terminal("datasets", "check", str(bad), columns=columns) as running:
        screen = await running.shows(lambda screen: "cannot be trained on" in "".join(screen[-1:]))
    at = next(index for index, line in enumerate(screen) if line.startswith("      …"))
    assert screen[at + 1].strip() == "^"
    assert screen[at][screen[at + 1].index("^")] == "3"
