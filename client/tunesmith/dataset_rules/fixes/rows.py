"""The rows of a piece of a file, mended where that is one row's own affair."""

from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from itertools import islice

import msgspec

from tunesmith.dataset_rules.catalogue import NOT_TRAINED, RULES
from tunesmith.dataset_rules.examine import Verdict, examine
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.fixes.batch import LISTED_FAULTS, Batch, Mended, joined, without
from tunesmith.dataset_rules.fixes.samples import MOST
from tunesmith.dataset_rules.scan import structural_quotes
from tunesmith.dataset_rules.shapes import (
    Chat,
    Example,
    PromptCompletion,
    Shape,
    decode_prompt_completion,
)

_REMOVES_ROW = frozenset({"COMPLETION_EMPTY", "CHAT_NO_MESSAGES"})
_NAMES = ("prompt", "completion", "messages")
_NOT_DIVIDED = 2**13
"""Bytes; in a smaller piece lines are looked at one by one."""
_BOM = b"\xef\xbb\xbf"


class _Lenient(msgspec.Struct, frozen=True, gc=False):
    """Prompt and completion, whatever stands beside them."""

    prompt: str
    completion: str


class _Fields(PromptCompletion, frozen=True, forbid_unknown_fields=True, gc=False):
    """Prompt and completion, which may be empty."""

    prompt: str
    completion: str


_decode_fields = msgspec.json.Decoder(_Fields).decode_lines
_decode_lenient = msgspec.json.Decoder(_Lenient).decode
_encode = msgspec.json.Encoder().encode


def read_piece(data: bytes, shape: Shape, *, keep_nul: bool = False) -> Batch:
    """The rows of whole lines of JSON."""
    if shape is Shape.PROMPT_COMPLETION:
        if (rows := _all_decoded(data)) is not None:
            return _decoded(data, rows)
        if len(data) > _NOT_DIVIDED and (middle := data.find(b"\n", len(data) // 2) + 1):
            # only some lines are odd, most of the time: the others need not be read one by one
            first = read_piece(data[:middle], shape, keep_nul=keep_nul)
            return joined(first, read_piece(data[middle:], shape, keep_nul=keep_nul))
    return read_lines(BytesIO(data).readlines(), shape, keep_nul=keep_nul)


def read_whole_piece(data: bytes) -> Batch:
    """As `read_piece`, of one that was `whole` when it was read before; but nothing is counted."""
    rows = _decode_fields(data)
    return without(Batch(rows, range(len(rows)), len(rows), whole=True), _empty(rows))


def _empty(rows: Sequence[PromptCompletion]) -> Sequence[int]:
    """Where rows have no completion."""
    completions = [row.completion for row in rows]
    places: list[int] = []
    with suppress(ValueError):  # few are empty, and the search is much faster than a look at each
        while True:
            places.append(completions.index("", places[-1] + 1 if places else 0))
    return places


def _decoded(data: bytes, rows: list[PromptCompletion]) -> Batch:
    """A piece of which every line has decoded well; completions may be empty."""
    batch = Batch(rows, range(len(rows)), len(rows), whole=True)
    if b"\r" in data and (crlf := data.count(b"\r\n")):
        batch.mended["CRLF"] = Mended(crlf)
    if places := _empty(rows):
        empty = batch.mended["COMPLETION_EMPTY"] = Mended()
        shown = places[:MOST]
        lines = list(islice(BytesIO(data), shown[-1] + 1))
        for place in shown:
            empty.add(place, lines[place])
        empty.count = len(places)
    return without(batch, places)


def read_lines(lines: Sequence[bytes], shape: Shape, *, keep_nul: bool = False) -> Batch:
    """The rows of single lines of JSON."""
    reader = _Reader(shape, keep_nul)
    for index, line in enumerate(lines):
        reader.read(index, line)
    batch = reader.batch
    batch.line_count, batch.indices = len(lines), reader.indices
    return batch


def shape_of_first(lines: Sequence[bytes]) -> Shape | None:
    """The shape of the first of these lines that is a row, mended where need be."""
    for line in lines:
        verdict = examine(line, None, explain=False)
        if verdict.example is None and (renamed := _renamed(line)) is not None:
            verdict = examine(renamed, None, explain=False)
        if verdict.shape is not None:
            return verdict.shape
    return None


def _all_decoded(data: bytes) -> list[PromptCompletion] | None:
    """The rows of a piece in which nothing but an empty completion can be wrong; else None."""
    try:
        rows: list[PromptCompletion] = [*_decode_fields(data)]
    except ValueError:
        return None
    count = data.count(b"\n") + (data[-1:] not in (b"\n", b""))
    if len(rows) != count:
        return None  # blank lines
    # a NUL can only be written as an escape; that a key stands twice shows in the quotes
    if (b"\\" in data and rb"\u0000" in data) or (
        data.count(b'"') != 8 * count and structural_quotes(data) != 8 * count
    ):
        return None
    return rows


class _Reader:
    """Reads line by line: what is not plainly sound is examined."""

    def __init__(self, shape: Shape, keep_nul: bool) -> None:
        self._shape = shape
        self._keep_nul = keep_nul
        self.batch = Batch()
        self.indices: list[int] = []

    def read(self, index: int, line: bytes) -> None:
        """Take one line."""
        if line.endswith(b"\r\n"):
            self._mended("CRLF").count += 1
        example = self._quickly(index, line) or self._examined(index, line)
        if example is not None:
            self.batch.examples.append(example)
            self.indices.append(index)

    def _quickly(self, index: int, line: bytes) -> Example | None:
        """The row of a line that is sound or has fields too many; None: have a closer look."""
        if self._shape is not Shape.PROMPT_COMPLETION or b"\\u0000" in line:
            return None
        try:
            row = decode_prompt_completion(line)
            if row.completion and structural_quotes(line) == 8:
                return row
            return None
        except ValueError:
            pass
        if line.count(b'"prompt"') != 1 or line.count(b'"completion"') != 1 or b"\\u" in line:
            return None
        try:
            loose = _decode_lenient(line)
        except ValueError:
            return None
        if not loose.completion:
            return None
        row = PromptCompletion(loose.prompt, loose.completion)
        self._mended("FIELD_UNKNOWN").add(index, line, row)
        return row

    def _examined(self, index: int, line: bytes) -> Example | None:
        verdict = examine(line, self._shape, explain=self.batch.fault_count < LISTED_FAULTS)
        if _wants_names(verdict) and (renamed := _renamed(line)) is not None:
            again = examine(renamed, self._shape)
            if not _wants_names(again):
                self._mended("FIELD_CASE").add(index, line, again.example)
                marks = [problem for problem in verdict.problems if problem.code == "BOM"]
                verdict = Verdict(again.example, (*marks, *again.problems), again.shape)
        return self._judged(index, line, verdict)

    def _judged(self, index: int, line: bytes, verdict: Verdict) -> Example | None:
        errors = _errors(verdict)
        codes = {problem.code for problem in verdict.problems}
        for problem in verdict.problems:
            # tools are sound, but no trainer takes them: written anew, the row would lose them
            if (problem in errors and problem.code not in _REMOVES_ROW) or (
                problem.code in NOT_TRAINED
            ):
                if len(self.batch.faults) < LISTED_FAULTS:
                    self.batch.faults.append((index, problem))
                self.batch.fault_count += 1
                return None
        for code in ("BOM", "BLANK_LINE"):
            if code in codes:
                self._mended(code).add(index, line)
        for problem in errors:
            self._mended(problem.code).add(index, line)
            return None
        example = verdict.example
        if example is None:
            return None
        if "FIELD_UNKNOWN" in codes:
            self._mended("FIELD_UNKNOWN").add(index, line, example)
        if "TEXT_NUL" in codes:
            bare = example if self._keep_nul else _without_nul(example)
            if bare is None:
                self._mended("COMPLETION_EMPTY").add(index, line)
                return None
            self._mended("TEXT_NUL").add(index, line, bare)
            return bare
        return example

    def _mended(self, code: str) -> Mended:
        return self.batch.mended.setdefault(code, Mended())


def _errors(verdict: Verdict) -> list[Problem]:
    return [p for p in verdict.problems if RULES[p.code].severity is Severity.ERROR]


def _wants_names(verdict: Verdict) -> bool:
    codes = {problem.code for problem in _errors(verdict)}
    return "FIELD_CASE" in codes and codes <= {"FIELD_CASE", *_REMOVES_ROW}


def _renamed(line: bytes) -> bytes | None:
    """The row with its fields' names as they must be, if case or blanks are all that is wrong."""
    try:
        row = msgspec.json.decode(line.removeprefix(_BOM), type=dict[str, msgspec.Raw])
    except ValueError:
        return None
    renamed: dict[str, msgspec.Raw] = {}
    changed = False
    for name, value in row.items():
        meant = name.strip().lower()
        meant = meant if meant in _NAMES and meant not in row else name
        if meant in renamed:
            return None  # two of them: which?
        changed |= meant != name
        renamed[meant] = value
    return _encode(renamed) if changed else None


def _without_nul(example: Example) -> Example | None:
    """The example without NUL characters; None if its completion is nothing else."""
    if isinstance(example, PromptCompletion):
        completion = example.completion.replace("\0", "")
        return (
            PromptCompletion(example.prompt.replace("\0", ""), completion) if completion else None
        )
    if isinstance(example, Chat):
        turns = tuple(
            msgspec.structs.replace(turn, content=turn.content.replace("\0", ""))
            for turn in example.messages
        )
        return Chat(turns)
    return example
