"""Writes docs/reference/dataset-findings.md: every rule, and a tiny file that shows it.

The example of a rule is really inspected, and what is said about it is what the page quotes.
`--check` only tells whether the page is up to date.
"""

import sys
import tempfile
from pathlib import Path

from tunesmith.dataset_rules import RULES, Finding, Inspector, Rule, Severity, Shape, leakage
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.illustrations import EXAMPLES, MAX_LINE_BYTES, NAMES, PAIRS, SHOWN
from tunesmith.dataset_rules.sensitive import Policy

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "dataset-findings.md"
_WIDEST = 320
_LONGEST = 6
_INTRODUCTION = (
    "# Findings about a dataset\n\n"
    "What `tunesmith datasets check FILE`, an upload and `ValidateDataset` can say of a file, in"
    " the order in which findings about one line are told. The codes never change. An **error**"
    " makes the dataset INVALID; a **warning** and an **info** do not. A finding is *fixable* where"
    " it can be mended without anybody's judgement.\n\n"
    "What can be said of single lines is told while the file comes in. What belongs to the whole"
    " (repeated rows, classes, separators, and the statistics) is added by an analysis, which never"
    " finds an error, but for SECRET_FOUND and PERSONAL_DATA_FOUND where a tenant's policy is to"
    " block. LEAKAGE and NEAR_LEAKAGE are told of two files, the training data and the"
    " validation data of a run.\n\n"
    "This page is written by `scripts/dataset_findings.py`; a test compares.\n\n"
)


def main() -> None:
    """Write the page, or compare it."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        raise SystemExit(f"{PAGE.name} is out of date: run scripts/dataset_findings.py")


def page() -> str:
    """The text of the page."""
    counts = {
        severity: sum(rule.severity is severity for rule in RULES.values()) for severity in Severity
    }
    table = ", ".join(f"{counts[severity]} of severity {severity}" for severity in Severity)
    return (
        _INTRODUCTION
        + f"{len(RULES)} rules: {table}.\n"
        + "".join(_section(code, rule) for code, rule in RULES.items())
    )


def finding(code: str) -> Finding:
    """What is said of the example of a rule; LookupError if it does not show the rule."""
    if code in PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            training, validation = Path(folder, "training"), Path(folder, "validation")
            training.write_bytes(PAIRS[code][0])
            validation.write_bytes(PAIRS[code][1])
            found = leakage(training, validation, Shape.PROMPT_COMPLETION)
    else:
        inspector = Inspector(
            analyse=True,
            sensitive=Policy.WARN,
            file_name=NAMES.get(code, ""),
            max_line_bytes=MAX_LINE_BYTES,
        )
        inspector.feed(EXAMPLES[code])
        found = list(inspector.finish().findings)
    for one in found:
        if one.code == code:
            return one
    raise LookupError(f"the example of {code} shows {[one.code for one in found]}")


def _section(code: str, rule: Rule) -> str:
    said = finding(code)
    place = f"line {said.line}: " if said.line else ""
    at = f" (`{said.pointer}`)" if said.pointer else ""
    files = PAIRS[code] if code in PAIRS else (EXAMPLES[code],)
    if code in SHOWN:
        files = (SHOWN[code].encode(),)
    shown = "\n\nand\n\n".join(f"```\n{_shown(content)}\n```" for content in files)
    fixable = ", fixable" if rule.fixable else ""
    return (
        f"\n## {code}\n\n**{rule.title}** ({rule.severity}{fixable}). {rule.why} {rule.suggestion}"
        f"\n\n{shown}\n\n> {place}{said.message}{at}\n"
    )


def _shown(content: bytes) -> str:
    """The lines of a file, with what cannot be seen as escapes, not too many and not too long."""
    lines = content.decode(errors="backslashreplace").split("\n")
    if lines[-1] == "":
        lines.pop()
    shown = [excerpt(line, _WIDEST) for line in lines[:_LONGEST]]
    if len(lines) > _LONGEST:
        shown.append(f"… {len(lines) - _LONGEST} more lines")
    return "\n".join(shown)


if __name__ == "__main__":
    main()
