"""``crucible config``: show, check and describe the settings."""

from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.exits import BAD_SETTINGS
from watcher.cli.output import AsJson, note, print_columns, print_json
from watcher.cli.role import Role, as_settings

if TYPE_CHECKING:
    import config

app = typer.Typer(
    no_args_is_help=True,
    help="""Show, check and describe the settings.

Sources, strongest first: environment variables (CRUCIBLE_KAFKA__GROUP=mine), a secrets directory named by
CRUCIBLE_SECRETS_DIR (a file kafka__sasl_password), a TOML file named by CRUCIBLE_CONFIG or
`crucible --config FILE ...`, defaults.
A key that is not a setting is an error, wherever it stands.
""",
)


@app.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say which source decided each.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every setting, secrets hidden.

    Examples:

      crucible config show --origin

      crucible config show --json | jq 'map(select(.origin != "default"))'
    """
    import config  # noqa: PLC0415

    shown = config.show(config.load())
    if as_json:
        print_json(shown)
    elif origin:
        print_columns(("setting", "value", "origin"), [(one.key, one.value, one.origin) for one in shown])
    else:
        print_columns(("setting", "value"), [(one.key, one.value) for one in shown])


@app.command()
def check(
    role: Annotated[Role | None, typer.Option(help="What the process is to do.", show_default="run.role")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a role can use the settings; exit 78 with a line for each fault if not.

    Examples:

      crucible config check && crucible run

      crucible config check --role api
    """
    import config  # noqa: PLC0415

    try:
        _check(config.load(**as_settings(role)))
    except config.ConfigError as error:
        if not as_json:
            raise
        print_json({"ok": False, "faults": str(error).splitlines()})
        raise typer.Exit(BAD_SETTINGS) from None
    if as_json:
        print_json({"ok": True, "faults": []})
    else:
        note("the settings can be used; `crucible doctor` checks what they point to")


def _check(settings: "config.Settings") -> None:
    """Check that a role can use the settings.

    Raises:
        ConfigError: it cannot; a line for each fault, those that Kafka's client finds included.
    """
    import config  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415

    lines = list(config.faults_of_role(settings))
    if settings.run.role in config.FOLLOWS_CHANGES:
        try:
            kafka_client(settings.kafka)
        except config.ConfigError as error:
            lines.append(str(error))
    if lines:
        raise config.ConfigError("\n".join(lines))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors that check and complete.

    Example:

      crucible config schema > crucible.schema.json
    """
    import config  # noqa: PLC0415

    print_json(config.schema())
