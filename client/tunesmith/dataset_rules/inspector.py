"""The inspection of a file, piece by piece, in bounded memory."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tunesmith.dataset_rules.analysis import Analysis
from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.examine import Verdict, examine
from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import Finding, Problem, Severity
from tunesmith.dataset_rules.report import Report
from tunesmith.dataset_rules.scan import Sound, scan, scan_lines
from tunesmith.dataset_rules.sensitive import SENSITIVE_CODES, Policy, judged
from tunesmith.dataset_rules.shapes import Example, Shape
from tunesmith.dataset_rules.sources import Format, Rows, open_source
from tunesmith.dataset_rules.statistics import Statistics

MAX_LINE_BYTES: Final = 16 * 2**20
"""The longest line that is read; some four million tokens."""
FEW_EXAMPLES: Final = 100
"""Below this many examples the old guide, too, asked for more."""
_CHUNK = 2**20
_RANK = {code: rank for rank, code in enumerate(RULES)}


class Inspector:
    """Reads a dataset as it streams in.

    Without a `shape` the first sound row decides it. Of one code, `findings_per_code` findings are
    kept; all are counted. Memory is bounded by the longest line, not by the size of the file.

    With `analyse` the look at the whole is taken in the same pass. It finds no errors: the report
    without it says the same of every row and of whether the file can be trained on. It looks for
    secrets and personal data only where `sensitive` says so, and they alone can be errors: under
    `BLOCK`. Raises SensitiveUnavailable if what recognises them is not installed.
    """

    def __init__(
        self,
        *,
        shape: Shape | None = None,
        format: Format | None = None,
        file_name: str = "",
        analyse: bool = False,
        sensitive: Policy = Policy.OFF,
        max_line_bytes: int = MAX_LINE_BYTES,
        findings_per_code: int = 100,
    ) -> None:
        self._shape = shape
        self._max_line_bytes = max_line_bytes
        self._findings_per_code = findings_per_code
        self._source = open_source(
            max_line_bytes=max_line_bytes, format=format, file_name=file_name
        )
        self._hash = hashlib.sha256()
        self._size = 0
        self._examples = 0
        self._text_bytes = 0
        self._analyse = analyse
        self._sensitive = sensitive
        self._analysis: Analysis | None = None
        self._findings: list[Finding] = []
        self._counts: dict[str, int] = {}
        self._report: Report | None = None

    def feed(self, chunk: bytes) -> list[Finding]:
        """Take the next piece; what was found in the lines that it completes."""
        if self._report is not None:
            raise RuntimeError("the inspection is finished")
        known = len(self._findings)
        self._size += len(chunk)
        self._hash.update(chunk)
        for rows in self._source.feed(chunk):
            self._take(rows)
        return self._findings[known:]

    def finish(self) -> Report:
        """The report; no more pieces can come."""
        if self._report is None:
            for rows in self._source.finish():
                self._take(rows)
            self._conclude()
            self._report = judged(self._write(), self._sensitive)
        return self._report

    def _take(self, rows: Rows) -> None:
        """Read some rows."""
        if self._shape is not None:
            self._keep(scan(self._shape, rows, self._examine))
            return
        lines, numbers = rows.lines, rows.numbers
        for index, line in enumerate(lines):
            verdict = examine(line, None, explain=self._explains())
            if verdict.example is None or verdict.shape is None:
                self._note(numbers[index], verdict)
                continue
            self._shape = verdict.shape  # and the line is read again, as such a row
            if index == 0:
                self._keep(scan(self._shape, rows, self._examine))
                return
            self._keep(scan_lines(self._shape, lines[index:], numbers[index:], self._examine))
            return

    def _keep(self, sound: Sound) -> None:
        """Count some examples, and show them to the analysis."""
        if not sound.examples:
            return
        self._examples += len(sound.examples)
        self._text_bytes += sound.text_bytes
        if self._analyse and self._shape is not None:
            if self._analysis is None:
                searched = self._sensitive is not Policy.OFF
                self._analysis = Analysis(self._shape, sensitive=searched)
            self._analysis.add(sound.examples, sound.numbers)

    def _examine(self, number: int, line: bytes) -> Example | None:
        """The slow way for one line: note what is wrong; the example if it is sound after all."""
        verdict = examine(line, self._shape, explain=self._explains())
        self._note(number, verdict)
        return verdict.example

    def _explains(self) -> bool:
        """Whether another finding about broken JSON would be listed, so that words are worth it."""
        return self._counts.get("JSON_INVALID", 0) < self._findings_per_code

    def _note(self, number: int, verdict: Verdict) -> None:
        for problem in verdict.problems:
            self._add(number, problem)

    def _add(self, line: int, problem: Problem, *, count: int = 1) -> None:
        before = self._counts.get(problem.code, 0)
        self._counts[problem.code] = before + count
        if before < self._findings_per_code:
            rule = RULES[problem.code]
            self._findings.append(
                Finding(
                    problem.code,
                    rule.severity,
                    line,
                    problem.pointer,
                    problem.message,
                    problem.suggestion or rule.suggestion,
                    count,
                    rule.fixable,
                )
            )

    def _conclude(self) -> None:
        """Add what can only be said at the end."""
        for found in self._source.problems():
            self._add(found.line, found.problem, count=found.count)
        for code, total in list(self._counts.items()):
            if total > sum(found.count for found in self._findings if found.code == code):
                self._add_total(code, total)
        if not self._examples and not self._has_error():
            words = "the file holds no example" if self._size else "the file is empty"
            self._add(0, Problem("FILE_EMPTY", words))
        if 0 < self._examples < FEW_EXAMPLES:
            words = f"only {plural(self._examples, 'example')}"
            self._add(0, Problem("TOO_FEW_EXAMPLES", words))
        for found in self._analysis.findings() if self._analysis is not None else ():
            self._add(found.line, found.problem, count=found.count)
        for code in SENSITIVE_CODES:
            if (total := self._counts.get(code, 0)) > self._findings_per_code:
                self._add_total(code, total)

    def _add_total(self, code: str, total: int) -> None:
        """Close the findings of a code of which not all are listed."""
        rule = RULES[code]
        words = (
            f"{rule.title}: {plural(total, 'time')} in all,"
            f" the first {self._findings_per_code:,} are listed"
        )
        self._findings.append(
            Finding(code, rule.severity, 0, "", words, rule.suggestion, total, rule.fixable)
        )

    def _has_error(self) -> bool:
        return any(RULES[code].severity is Severity.ERROR for code in self._counts)

    def _write(self) -> Report:
        return Report(
            shape=self._shape,
            valid=self._examples > 0 and not self._has_error(),
            example_count=self._examples,
            size_bytes=self._size,
            sha256=self._hash.hexdigest(),
            findings=tuple(sorted(self._findings, key=lambda f: (f.line, _RANK[f.code]))),
            counts={code: self._counts[code] for code in RULES if code in self._counts},
            text_bytes=self._text_bytes,
            analysed=self._analyse,
            format=self._source.format,
            encoding=self._source.encoding,
            sensitive_searched=self._analyse and self._sensitive is not Policy.OFF,
            statistics=self._analysis.statistics() if self._analysis is not None else Statistics(),
        )


def inspect_file(
    path: str | Path,
    *,
    shape: Shape | None = None,
    format: Format | None = None,
    analyse: bool = True,
    sensitive: Policy = Policy.OFF,
    max_line_bytes: int = MAX_LINE_BYTES,
    findings_per_code: int = 100,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Report:
    """The report on a file; OSError if it cannot be read. Tells the bytes that were read.

    Secrets and personal data are looked for only if a policy is given, as what recognises them may
    not be installed (SensitiveUnavailable); `Report.sensitive_searched` tells.
    """
    inspector = Inspector(
        shape=shape,
        format=format,
        file_name=Path(path).name,
        analyse=analyse,
        sensitive=sensitive,
        max_line_bytes=max_line_bytes,
        findings_per_code=findings_per_code,
    )
    with Path(path).open("rb") as file:
        done = 0
        while chunk := file.read(_CHUNK):
            inspector.feed(chunk)
            on_progress(done := done + len(chunk))
    return inspector.finish()
