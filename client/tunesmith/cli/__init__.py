"""The `tunesmith` command. One module a noun; `_session` is what they share."""


def main() -> None:
    """Run the command that `sys.argv` spells."""
    from tunesmith.cli._app import app

    app(prog_name="tunesmith")
