"""The verbs, each imported when it is called, because the help of one must not wait for the clients of all."""

import importlib
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

VERBS: Final = {
    "run": ("watcher.cli.run", "Follow the change streams and write what they mean to ClickHouse and Redis."),
    "doctor": (
        "watcher.cli.doctor",
        "Check every link from PostgreSQL to the sinks and say what to do for each fault.",
    ),
    "config": ("watcher.cli.config", "Show, check and describe the settings."),
    "handlers": ("watcher.cli.handlers", "List the tables that are followed and what their changes do."),
    "migrate": ("watcher.cli.migrate", "Create and change ClickHouse's tables and views."),
    "connector": ("watcher.cli.connector", "Apply the Debezium connector to Kafka Connect and watch its tasks."),
    "tables": ("watcher.cli.tables", "Let the changes of one table wait while those of the others flow."),
    "offsets": ("watcher.cli.offsets", "Show or move the consumer group's place in the topics."),
    "rebuild": ("watcher.cli.rebuild", "Make what Redis shows of crucibles anew from PostgreSQL and ClickHouse."),
    "reconcile": ("watcher.cli.reconcile", "Compare PostgreSQL's rows with what was counted of them in ClickHouse."),
    "backfill": ("watcher.cli.backfill", "Bring rows that are there already to ClickHouse and Redis, once each."),
    "metrics": ("watcher.cli.metrics", "Count anew what a handler has counted whose meaning has changed."),
    "dlq": ("watcher.cli.dlq", "Look at the records that could not be used."),
    "entries": ("watcher.cli.entries", "Show which entries of a crucible take part, and why the others do not."),
    "settle": ("watcher.cli.settle", "Look at how crucibles end, cancel one, and prove a result again."),
    "outbox": ("watcher.cli.outbox", "Look at what is to be done outside: fees to collect and to give back."),
    "history": ("watcher.cli.history", "Accept that PostgreSQL's log positions may have fallen, after a restore."),
    "stack": ("stack.cli", "Start and stop every neighbour on this machine, for development."),
}
"""Verb -> the module whose ``app`` answers it, and what the help says. The order is the help's."""


class LazyGroup(TyperGroup):
    """A command group that knows its verbs by name and sentence, and imports a verb's module when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, sentence) in VERBS.items():
            self.commands[name] = TyperCommand(name=name, help=sentence, rich_markup_mode="rich")

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the verbs in the order of ``VERBS``."""
        del ctx
        return list(VERBS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb itself, which takes the place of its stand-in.

        Raises:
            typer.BadParameter: the verb needs a package that is not installed.
        """
        if args and args[0] in VERBS:
            self.commands[args[0]] = load_verb(args[0])
        return super().resolve_command(ctx, args)


def load_verb(name: str) -> Any:
    """Return the command that answers a verb, its module imported.

    Raises:
        typer.BadParameter: the verb needs a package that is not installed.
    """
    module, sentence = VERBS[name]
    try:
        app: typer.Typer = importlib.import_module(module).app
    except ModuleNotFoundError as error:
        extra = "stack" if name == "stack" else "dev"
        raise typer.BadParameter(
            f"`crucible {name}` needs the package {error.name}, which is not installed: "
            f"pip install 'crucible-watcher[{extra}]'"
        ) from error
    app.info.help = app.info.help or sentence
    command = typer.main.get_command(app)
    command.name = name
    return command
