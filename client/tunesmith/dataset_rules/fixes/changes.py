"""Changes that are made alike to every text of a column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tunesmith.dataset_rules.columns import look_few
from tunesmith.dataset_rules.shapes import PromptCompletion


class Change(Protocol):
    """A change of one column."""

    @property
    def column(self) -> str:
        """`prompt` or `completion`."""

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts, changed."""


@dataclass(frozen=True)
class Lower:
    """All letters in lower case."""

    column: str

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts in lower case."""
        return list(map(str.lower, texts))


@dataclass(frozen=True)
class EndWith:
    """A text put at the end."""

    column: str
    text: str

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts with the end."""
        end = self.text
        return [text + end for text in texts]


@dataclass(frozen=True)
class CutPrefix:
    """So many characters cut off the beginning."""

    column: str
    length: int
    keep_blank: bool = False
    """Whether the texts then begin with a blank, as they did before."""

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts without that beginning."""
        length = self.length
        cut = [text[length:] for text in texts]
        return BeginWithBlank(self.column).texts(cut) if self.keep_blank else cut


@dataclass(frozen=True)
class BeginWithBlank:
    """A blank before every text that does not begin with one."""

    column: str

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts with the blank."""
        return [text if text[:1] == " " else " " + text for text in texts]


def changed(
    changes: Sequence[Change], prompts: Sequence[str], completions: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Both columns after all changes, in their order."""
    return (
        _made([change for change in changes if change.column == "prompt"], prompts),
        _made([change for change in changes if change.column == "completion"], completions),
    )


def _made(changes: Sequence[Change], texts: Sequence[str]) -> Sequence[str]:
    if not changes:
        return texts
    different = list(set(texts)) if look_few(texts) else texts
    after: Sequence[str] = different
    for change in changes:
        after = change.texts(after)
    if different is texts:
        return after
    made = dict(zip(different, after, strict=True))
    return [made[text] for text in texts]


def changed_row(changes: Sequence[Change], row: PromptCompletion) -> PromptCompletion:
    """One row after all changes."""
    prompts, completions = changed(changes, [row.prompt], [row.completion])
    return PromptCompletion(prompts[0], completions[0])
