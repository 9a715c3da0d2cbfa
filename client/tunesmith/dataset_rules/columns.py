"""What the columns of a prompt/completion dataset have in common, summed up in one pass.

A summary takes rows in batches and joins with that of other rows, so that parts of a file can be
looked at side by side. Nothing here looks at single characters in Python: a million rows take about
a second of one core.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tunesmith.dataset_rules.affixes import shared_prefix, shared_suffix, whole_words_at_end
from tunesmith.dataset_rules.letters import count_letters

PROMPT_SEPARATORS: Final = (
    " ->",
    "\n\n###\n\n",
    "\n\n===\n\n",
    "\n\n---\n\n",
    "\n\n===>\n\n",
    "\n\n--->\n\n",
)
MAX_LABELS: Final = 50
"""So many different completions are kept as labels."""
_MAX_LABEL_CHARACTERS = 64
_SAMPLE, _FEW = 64, 8
"""Where each of the first texts stands in so many rows, all are looked at once and counted."""
COMPLETION_ENDINGS: Final = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")


def look_few(texts: Sequence[str]) -> bool:
    """Whether most texts seem to stand there several times, so that to look at each once is faster.

    What is made of them must not depend on it.
    """
    return len(texts) >= _SAMPLE and len(set(texts[:_SAMPLE])) * _FEW <= _SAMPLE


def counted_if_few(texts: Sequence[str]) -> Mapping[str, int] | None:
    """How often each text is there, in the order in which they came; None if they look many."""
    return Counter(texts) if look_few(texts) else None


@dataclass
class Column:
    """One column's summary."""

    wanted: tuple[str, ...]
    """Texts of which is to be known whether some row has them, where rows do not end alike."""
    counts_blanks: bool = False
    """Whether it matters that rows begin with a blank."""
    eager: bool = False
    """Whether to search for them in any case."""
    row_count: int = 0
    characters: int = 0
    shortest: int | None = None
    longest: int = 0
    prefix: str | None = None
    """What all rows begin with; None if there is no row."""
    suffix: str | None = None
    upper: int = 0
    lower: int = 0
    contained: set[str] = field(default_factory=set)
    """Those of `wanted` that some row has."""
    unsearched: int = 0
    """Rows that were not searched for `wanted`, since until then all rows ended alike."""
    without_blank: int = 0
    """Rows that do not begin with a blank."""
    repeating: int = 0
    """Times that the common ending stands in a row before its end, as far as that was known when
    the row was looked at."""
    repeated: str = ""

    def add(self, texts: Sequence[str], counted: Mapping[str, int] | None) -> None:
        """Sum up some more rows; `counted` if it is known how often each text is among them."""
        if not texts:
            return
        if counted is None:
            self._add(texts, 1)
            return
        for text, times in counted.items():
            self._add([text], times)

    def _add(self, texts: Sequence[str], times: int) -> None:
        """Sum up some texts, each of which stands in as many rows."""
        lengths = list(map(len, texts))
        size = sum(lengths)
        rows = len(texts) * times
        self.row_count += rows
        self.characters += size * times
        shortest = min(lengths)
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        self.longest = max(self.longest, max(lengths))
        # the first texts tell most of it, and then there is less to compare all others with
        self.prefix = shared_prefix(shared_prefix(self.prefix, texts[:_SAMPLE]), texts)
        self.suffix = shared_suffix(shared_suffix(self.suffix, texts[:_SAMPLE]), texts)
        if self.counts_blanks and not (self.prefix or "").startswith(" "):
            self.without_blank += times * len([text for text in texts if text[:1] != " "])
        if not size:
            return
        joined = "\0".join(texts)
        upper, lower = count_letters(joined)
        self.upper += upper * times
        self.lower += lower * times
        if self.eager or not self.ending:
            self._look_for_wanted(joined)
        else:
            self.unsearched += rows
        ending = self.ending
        if ending != self.repeated:
            self.repeated, self.repeating = ending, 0
        if ending:
            # each row has it once, at its end
            self.repeating += (joined.count(ending) - len(texts)) * times

    def _look_for_wanted(self, joined: str) -> None:
        absent = [text for text in self.wanted if text not in self.contained]
        # separators begin alike: what they begin with is looked for first, and once
        for stem in dict.fromkeys(text[:3] for text in absent):
            if stem in joined:
                self.contained.update(
                    text for text in absent if text.startswith(stem) and text in joined
                )

    def join(self, later: "Column") -> None:
        """Add the summary of rows that come after these."""
        if not later.row_count:
            return
        self.row_count += later.row_count
        self.characters += later.characters
        found = [n for n in (self.shortest, later.shortest) if n is not None]
        self.shortest = min(found, default=None)
        self.longest = max(self.longest, later.longest)
        same = self.prefix is None or later.prefix == self.prefix
        self.prefix = later.prefix if same else shared_prefix(self.prefix, [later.prefix or ""])
        same = self.suffix is None or later.suffix == self.suffix
        self.suffix = later.suffix if same else shared_suffix(self.suffix, [later.suffix or ""])
        self.upper += later.upper
        self.lower += later.lower
        self.contained |= later.contained
        self.unsearched += later.unsearched
        self.without_blank += later.without_blank
        ending = self.ending
        known = self.repeating if self.repeated == ending else 0
        more = later.repeating if later.repeated == ending else 0
        self.repeated, self.repeating = ending, known + more

    def leave_out(self, repeated: "Column") -> None:
        """Take out rows of which each stands in the others, too."""
        self.row_count -= repeated.row_count
        self.characters -= repeated.characters
        self.upper -= repeated.upper
        self.lower -= repeated.lower
        self.unsearched = max(0, self.unsearched - repeated.row_count)
        self.without_blank -= repeated.without_blank

    @property
    def ending(self) -> str:
        """What marks the end of all rows: their suffix, but not the end of a word."""
        return whole_words_at_end(self.suffix or "")

    @property
    def identical(self) -> bool:
        """Whether all rows, two at least, hold the same text."""
        return self.row_count > 1 and self.shortest == self.longest == len(self.prefix or "")

    @property
    def mostly_upper(self) -> bool:
        """Whether more than a third of the letters are upper case."""
        return self.upper * 2 > self.lower

    def end_with(self, text: str) -> None:
        """Be the summary of the same rows with `text` at the end of each."""
        self.suffix = (self.suffix or "") + text
        self.prefix = self.prefix and (self.prefix + text if self.identical else self.prefix)
        self.shortest = (self.shortest or 0) + len(text)
        self.longest += len(text)
        self.characters += len(text) * self.row_count
        self.repeated, self.repeating = self.ending, 0


class Distinct:
    """How many different completions there are, and the labels if there are few."""

    def __init__(self) -> None:
        self.prints: set[int] = set()
        """A 64-bit fingerprint of each, by Python's hash: of this process and its forks alone."""
        self.labels: Counter[str] | None = Counter()
        """How often each stands there, in the order in which they came; None if they are many."""

    def add(self, texts: Sequence[str], counted: Mapping[str, int] | None) -> None:
        """Take the completions of some more rows; `counted` as for a column."""
        few = set(texts) if counted is None else counted.keys()
        self.prints.update(map(hash, few))
        if self.labels is None:
            return
        if len(few) > MAX_LABELS or max(map(len, few), default=0) > _MAX_LABEL_CHARACTERS:
            self.labels = None
        else:
            self._count(Counter(texts) if counted is None else counted)

    def join(self, later: "Distinct") -> None:
        """Add those of rows that come after."""
        self.prints |= later.prints
        if self.labels is not None and later.labels is not None:
            self._count(later.labels)
        else:
            self.labels = None

    def leave_out(self, repeated: "Distinct") -> None:
        """Take out rows of which each stands in the others, too."""
        if self.labels is not None and repeated.labels is not None:
            self.labels.subtract(repeated.labels)

    def begin_with_blank(self) -> None:
        """Be of the same rows with a blank before each, where none had one."""
        if self.labels is not None:
            labels = {f" {label}": times for label, times in self.labels.items()}
            self.labels = Counter(labels)

    def _count(self, labels: Mapping[str, int]) -> None:
        assert self.labels is not None
        self.labels.update(labels)
        if len(self.labels) > MAX_LABELS:
            self.labels = None


@dataclass
class Columns:
    """The summary of both columns."""

    prompt: Column = field(default_factory=lambda: Column(("\n", *PROMPT_SEPARATORS)))
    completion: Column = field(default_factory=lambda: Column(COMPLETION_ENDINGS, True))
    distinct: Distinct = field(default_factory=Distinct)

    @classmethod
    def eager(cls) -> "Columns":
        """A summary that knows in any case what `separator` and `ending` can be."""
        columns = cls()
        columns.prompt.eager = columns.completion.eager = True
        return columns

    def copy(self) -> "Columns":
        """The same summary, to stay as it is when this one is told of changes."""
        distinct = Distinct()
        distinct.prints, distinct.labels = self.distinct.prints, Counter(self.distinct.labels or ())
        distinct.labels = None if self.distinct.labels is None else distinct.labels
        return Columns(replace(self.prompt), replace(self.completion), distinct)

    def add(self, prompts: Sequence[str], completions: Sequence[str]) -> None:
        """Sum up some more rows."""
        self.prompt.add(prompts, counted_if_few(prompts))
        counted = counted_if_few(completions)
        self.completion.add(completions, counted)
        self.distinct.add(completions, counted)

    def join(self, later: "Columns") -> None:
        """Add the summary of rows that come after these."""
        self.prompt.join(later.prompt)
        self.completion.join(later.completion)
        self.distinct.join(later.distinct)

    def leave_out(self, repeated: "Columns") -> None:
        """Take out rows of which each stands in the others, too."""
        self.prompt.leave_out(repeated.prompt)
        self.completion.leave_out(repeated.completion)
        self.distinct.leave_out(repeated.distinct)

    @property
    def row_count(self) -> int:
        """Rows summed up."""
        return self.prompt.row_count

    @property
    def open_ended(self) -> bool:
        """Whether there is no prompt at all: the model is to write by itself."""
        return not self.prompt.characters

    @property
    def classes(self) -> int:
        """How many different completions there are."""
        return len(self.distinct.prints)

    @property
    def classifies(self) -> bool:
        """Whether this looks like classification: each completion stands there thrice or more."""
        return not self.open_ended and self.classes < self.row_count / 3

    def separator(self) -> str:
        """What to put at the end of each prompt: it stands in none of them."""
        for text in PROMPT_SEPARATORS:
            if text not in self.prompt.contained and not (
                text == " ->" and "\n" in self.prompt.contained
            ):
                return text
        return "\n\n### =>\n\n"

    def ending(self) -> str:
        """What to put at the end of each completion: it stands in none of them."""
        return next(
            (text for text in COMPLETION_ENDINGS if text not in self.completion.contained),
            " [END]",
        )
