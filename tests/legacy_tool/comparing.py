"""What the old tool says and writes, and what ours does, in the same terms."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.dataset_rules.fixes import Choice, Job, Summary, run

Row = tuple[str, str]

_SAYS = {
    "FORMAT_NOT_JSONL": "will be converted to `JSONL`",
    "FIELD_CASE": "column/key should be lowercase",
    "FIELD_UNKNOWN": "should contain exactly two columns/keys per row",
    "COMPLETION_EMPTY": "should not contain empty strings",
    "CLASSIFICATION": "fine-tune a model for classification",
    "DUPLICATE_ROWS": r"There are \d+ duplicated prompt-completion sets",
    "LONG_ROWS": r"There are \d+ examples that are very long",
    "PROMPT_UPPER_CASE": "a third of your `prompt` column/key is uppercase",
    "COMPLETION_UPPER_CASE": "a third of your `completion` column/key is uppercase",
    "PROMPTS_IDENTICAL": "All prompts are identical",
    "PROMPT_SUFFIX_LONG": r"All prompts end with suffix [^\n]*This suffix seems very long",
    "PROMPT_SUFFIX_AMBIGUOUS": "Some of your prompts contain the suffix",
    "PROMPT_SUFFIX_MISSING": "does not contain a common separator at the end of your prompts",
    "PROMPT_PREFIX_COMMON": "Remove prefix `(?s:.)*` from all prompts",
    "COMPLETION_PREFIX_COMMON": "All completions start with prefix",
    "COMPLETIONS_IDENTICAL": "All completions are identical",
    "COMPLETION_SUFFIX_LONG": r"All completions end with suffix [^\n]*This suffix seems very long",
    "COMPLETION_SUFFIX_AMBIGUOUS": "Some of your completions contain the suffix",
    "COMPLETION_SUFFIX_MISSING": "does not contain a common ending at the end of your completions",
    "COMPLETION_SPACE_MISSING": "completion should start with a whitespace",
}
_OURS_ALONE = {"BOM", "CRLF", "BLANK_LINE", "TEXT_NUL", "CHAT_NO_MESSAGES"}


@dataclass(frozen=True)
class Result:
    """What a tool found, and the rows that it would train on."""

    found: frozenset[str]
    rows: tuple[Row, ...]
    gave_up: bool = False
    said: str = ""


def old(answer: dict[str, Any], path: Path) -> Result:
    """Of the old tool. The rows are those of the file as it is where it wrote none."""
    said = answer["said"]
    found = {code for code, words in _SAYS.items() if re.search(words, said)}
    rows = [row for text in answer["files"].values() for row in read(text)]
    if not answer["files"] and not answer["gave_up"] and not answer["crashed"]:
        rows = list(read(path.read_text()))
    return Result(frozenset(found), tuple(rows), answer["gave_up"], said)


def ours(path: Path, choice: Choice | None = None) -> Result:
    """Of ours, with all that is recommended unless chosen otherwise; not split."""
    out = path.with_name("ours.out")
    outcome = run(Job(str(path), choice=choice or Choice(), out=(str(out),), cores=1))
    rows = tuple(read(out.read_text())) if outcome.prepared else ()
    if out.exists():
        out.unlink()
    found = {note.code for note in outcome.summary.notes}
    found |= {fix.code for fix in outcome.summary.fixes if fix.code not in _OF_COLUMNS}
    if _looked_like_classification(path):
        found.add("CLASSIFICATION")
    return Result(frozenset(found - _OURS_ALONE), rows, bool(outcome.refused), outcome.refused)


def summary(path: Path, choice: Choice | None = None) -> Summary:
    """What ours tells of a file."""
    return run(Job(str(path), choice=choice or Choice(), cores=1)).summary


_OF_COLUMNS = {code for code in _SAYS if code.startswith(("PROMPT_", "COMPLETION_"))} - {
    "COMPLETION_EMPTY"
}
"""Found in the columns as they are; the fixes tell of them as they are after other fixes."""


def _looked_like_classification(path: Path) -> bool:
    """As ours tells when nothing but what is necessary is applied, as the old tool looks at it."""
    return summary(path, Choice(recommended=False)).task == "classification"


def read(text: str) -> Iterable[Row]:
    """The rows of a prepared file."""
    for line in text.splitlines():
        if line.strip():
            row = json.loads(line)
            yield row.get("prompt"), row.get("completion")


def write(path: Path, rows: Sequence[Row]) -> Path:
    """A file with these rows, as JSON lines."""
    lines = [json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) for p, c in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
