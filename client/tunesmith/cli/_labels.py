"""Labels as options: KEY=VALUE, and KEY to take one off."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label", help="A label. May be repeated.", metavar="KEY=VALUE", show_default=False
    ),
]
RemoveLabel = Annotated[
    list[str] | None,
    typer.Option(help="Take a label off. May be repeated.", metavar="KEY", show_default=False),
]


def parsed(labels: Iterable[str] | None) -> dict[str, str]:
    """The labels that `--label` gives."""
    found: dict[str, str] = {}
    for text in labels or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{text!r}: KEY=VALUE is expected", param_hint="--label")
        found[key] = value
    return found


def changed(
    present: Mapping[str, str], labels: Iterable[str] | None, remove: Iterable[str] | None
) -> dict[str, str]:
    """The present labels, with some set and some taken off."""
    gone = set(remove or ())
    if absent := sorted(gone - set(present)):
        raise typer.BadParameter(f"there is no label {absent[0]!r}", param_hint="--remove-label")
    kept = {key: value for key, value in present.items() if key not in gone}
    return kept | parsed(labels)
