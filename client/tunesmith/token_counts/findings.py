"""What matters to one base model alone: findings about lengths and about labels as tokens."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tunesmith.dataset_rules.excerpts import excerpt, plural
from tunesmith.dataset_rules.findings import Finding, Severity
from tunesmith.token_counts.count import TokenCount

_EXAMPLES_A_LABEL = 4
"""With fewer examples than this for each distinct completion, those are hardly classes."""
_SHOWN = 3


def findings(count: TokenCount, limit: int) -> list[Finding]:
    """What a base with a context of `limit` tokens makes of the file; none if all is well."""
    return [*_lengths(count, limit), *_labels(count)]


def _lengths(count: TokenCount, limit: int) -> Iterator[Finding]:
    within = count.within(limit)
    if within.truncated:
        conversations = bool(count.starts)
        labelled = not conversations and _is_labelled(count)
        yield _found(
            "LABELLED_PROMPT_TRUNCATED" if labelled else "EXAMPLE_TRUNCATED",
            f"{plural(within.truncated, 'example')} longer than the {limit:,} tokens that the base"
            f" model holds, the longest of {count.longest:,}: the"
            f" {'end' if conversations else 'beginning of the prompt'} is cut",
            "Split long conversations."
            if conversations
            else "Shorten the prompts: what decides the class may be in the part that is cut."
            if labelled
            else "Shorten the prompts.",
            within.truncated,
        )
    if within.dropped:
        yield _found(
            "EXAMPLE_DROPPED",
            f"{plural(within.dropped, 'example')} with nothing to learn within the {limit:,} tokens"
            " that the base model holds: not trained on",
            "Shorten them, or leave them out.",
            within.dropped,
        )


def _labels(count: TokenCount) -> Iterator[Finding]:
    if not _is_labelled(count):
        return
    assert count.labels is not None
    bodies = _bodies(count.labels)
    several = [label for label, tokens in bodies.items() if len(tokens) > 1]
    if several:
        yield _found(
            "LABEL_SEVERAL_TOKENS",
            f"{plural(len(several), 'label')} of {len(bodies):,} with several tokens:"
            f" {_quoted(several)}; the model is asked for the first alone",
            "Choose labels of one token, each with a blank before it.",
            len(several),
        )
    firsts = Counter(tokens[0] for tokens in bodies.values() if tokens)
    alike = [label for label, tokens in bodies.items() if tokens and firsts[tokens[0]] > 1]
    if alike:
        yield _found(
            "LABELS_BEGIN_ALIKE",
            f"{plural(len(alike), 'label')} with the same first token as another:"
            f" {_quoted(alike)}; classification metrics cannot tell them apart",
            "Choose labels that differ in their first token.",
            len(alike),
        )


def _is_labelled(count: TokenCount) -> bool:
    """Whether the completions look like the labels of classes."""
    labels = count.labels
    return labels is not None and 1 < len(labels) <= count.example_count // _EXAMPLES_A_LABEL


def _bodies(labels: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """The labels without the tokens that all of them end with, which are the stop sequence."""
    shortest = min(len(tokens) for tokens in labels.values())
    first = next(iter(labels.values()))
    end = 0
    while end < shortest - 1 and all(
        tokens[-1 - end] == first[-1 - end] for tokens in labels.values()
    ):
        end += 1
    return {label: tokens[: len(tokens) - end] for label, tokens in labels.items()}


def _quoted(labels: Sequence[str]) -> str:
    shown = ", ".join(f'"{excerpt(label, 20)}"' for label in labels[:_SHOWN])
    return f"{shown}, …" if len(labels) > _SHOWN else shown


def _found(code: str, message: str, suggestion: str, count: int) -> Finding:
    return Finding(code, Severity.WARNING, 0, "", message, suggestion, count)
