"""`tunesmith models`."""

import sys
from typing import Annotated

import typer

from tunesmith.cli import sharing
from tunesmith.cli._filters import Where
from tunesmith.cli._output import as_json, document, show, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, number, plain, size, when
from tunesmith.v1 import model_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="Tuned models, and asking models.")
sharing.add_to(app)
Name = Annotated[str, typer.Argument(help="The model's id or name.", show_default=False)]


@command(app, "list")
def list_models(session: Session, filter: Where = "") -> None:
    """List tuned models, newest first; those that others share by their full names.

    Fields to filter by: base_model, labels.KEY.
    """
    with session.client() as client:
        show_all(
            session,
            client.models.list(filter=filter),
            {
                "model": lambda m: m.name if m.shared else last(m.name),
                "public name": lambda m: m.public_name,
                "base": lambda m: last(m.base_model),
                "size": lambda m: size(m.size_bytes),
                "created": lambda m: when(m.create_time),
            },
            empty="no model matches" if filter else "there is no tuned model yet",
        )


@command(app, "get")
def get(session: Session, name: Name) -> None:
    """Show a tuned model."""
    with session.client() as client:
        model = client.models.get(name)
        fields: dict[str, object] = {
            "name": model.name,
            "public name": model.public_name,
            "legacy name": model.legacy_name,
            "shared by": model.name.split("/")[1] if model.shared else "",
            "base model": last(model.base_model),
            "fine-tune": model.fine_tune,
            "size": size(model.size_bytes),
            "created": when(model.create_time),
            "checkpoints": ", ".join(last(each.model) for each in model.checkpoints),
            **{key: number(value) for key, value in sorted(model.metrics.items())},
        }
        show(session, model, fields)


@command(app, "delete")
def delete(session: Session, name: Name) -> None:
    """Delete a tuned model, its weights and checkpoints included; not while it is shared."""
    with session.client() as client:
        client.models.delete(name)
    session.note(f"deleted {name}")


@command(app, "complete")
def complete(
    session: Session,
    model: Annotated[
        str,
        typer.Argument(
            help="A tuned model by resource or public name, or a base model such as ada; "
            "a checkpoint is NAME#STEP.",
            show_default=False,
        ),
    ],
    prompt: Annotated[
        str, typer.Option("--prompt", "-p", help="What to go on from; - reads it from stdin.")
    ],
    max_tokens: Annotated[int | None, typer.Option(min=0, help="Tokens at most.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0 always takes the likeliest token.")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, help="Nucleus sampling.")] = None,
    n: Annotated[int | None, typer.Option("-n", min=1, help="Answers.")] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="What ends the answer. May be repeated.")
    ] = None,
    logprobs: Annotated[
        int | None, typer.Option(min=0, help="Also the log-probability of each token.")
    ] = None,
    logit_bias: Annotated[
        list[str] | None,
        typer.Option(
            help="Added to the logit of a token, by its id: -100 to 100. May be repeated.",
            metavar="TOKEN=BIAS",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the sampling.")] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Give the prompt back first.")] = False,
) -> None:
    """Ask a model to go on from a prompt.

    In --stop, \\n is a line break.

    \b
    tunesmith models complete MODEL -p "Printer is on fire ->" --max-tokens 1
    tunesmith models complete MODEL -p - --temperature 0 < prompt.txt
    """
    biases = dict(map(_bias, logit_bias or ()))
    text = sys.stdin.read() if prompt == "-" else prompt
    with session.client() as client:
        answer = client.models.complete(
            model,
            text,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            n=n,
            stop=[s.replace("\\n", "\n") for s in stop or ()],
            logprobs=logprobs,
            logit_bias=biases,
            seed=seed,
            echo=echo,
        )
    if session.machine:
        document(session, as_json(answer))
        return
    for choice in answer.choices:
        typer.echo(plain(choice.text))
        if choice.HasField("logprobs"):
            _tokens(session, choice.logprobs)


def _bias(text: str) -> tuple[int, float]:
    token, _, bias = text.partition("=")
    try:
        return int(token), float(bias)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: TOKEN=BIAS is expected, such as 50256=-100", param_hint="--logit-bias"
        ) from None


def _tokens(session: Session, logprobs: pb.Logprobs) -> None:
    for token, value in zip(logprobs.tokens, logprobs.token_logprobs, strict=False):
        session.note(f"  {value:9.4f}  {token!r}")
