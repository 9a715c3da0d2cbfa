"""The command line as a whole."""

import typer

from tunesmith.cli import (
    account,
    audit,
    base_models,
    datasets,
    fine_tunes,
    keys,
    ledger,
    models,
    quotas,
    tenants,
    usage,
)
from tunesmith.cli._session import Address, ApiKey, Context, NoColor, Output, remember

app = typer.Typer(
    name="tunesmith",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def tunesmith(
    context: typer.Context,
    address: Address = None,
    api_key: ApiKey = None,
    context_name: Context = None,
    output: Output = None,
    no_color: NoColor = False,
) -> None:
    """Fine-tune models on your own Tunesmith service: upload data, train, watch, ask.

    \b
    tunesmith datasets upload tickets.jsonl --id tickets
    tunesmith fine-tunes create -t tickets -m ada --suffix support --watch
    tunesmith models complete MODEL --prompt "Printer is on fire ->"

    The options below may also stand after the command.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the data or the plan has errors.
    """
    remember(context, address, api_key, context_name, output, no_color)


app.add_typer(datasets.app, name="datasets")
app.add_typer(fine_tunes.app, name="fine-tunes")
app.add_typer(models.app, name="models")
app.add_typer(base_models.app, name="base-models")
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(quotas.app, name="quotas")
usage.register(app)
ledger.register(app)
audit.register(app)
account.register(app)
