"""`tunesmith base-models`."""

import typer

from tunesmith.cli._output import show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last

app = typer.Typer(no_args_is_help=True, help="The models that can be fine-tuned.")


@command(app, "list")
def list_base_models(session: Session) -> None:
    """List the catalogue, with licences."""
    with session.client() as client:
        show_all(
            session,
            client.base_models.list(),
            {
                "model": lambda m: last(m.name),
                "description": lambda m: m.description or m.display_name,
                "licence": lambda m: " ".join(filter(None, (m.licence, m.licence_note))),
                "parameters": lambda m: (
                    f"{m.parameter_count / 1e6:,.0f} M"
                    if m.parameter_count >= 1_000_000
                    else f"{m.parameter_count:,}"
                ),
                "context": lambda m: m.context_length,
            },
            empty="the catalogue is empty",
            prose=("licence", "description"),
        )
