"""``crucible handlers``: which tables are followed, and what their changes do."""

from typing import Annotated

import typer

from watcher.cli.output import AsJson, print_json

app = typer.Typer()


@app.command()
def handlers(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Answer as the documentation's page.")] = False,
) -> None:
    """List the tables that are followed: their handlers, operations, effects and a sample row.

    Nothing is asked of any neighbour: this is what the program would do, not what it has done.

    Examples:

      crucible handlers

      crucible handlers --json | jq '.[].handlers[].name'
    """
    from handlers import REGISTRY  # noqa: PLC0415
    from watcher.admin.handler_catalogue import catalogue, handlers_page  # noqa: PLC0415

    tables = catalogue(REGISTRY)
    if as_json:
        print_json(tables)
    elif markdown:
        typer.echo(handlers_page(tables), nl=False)
    else:
        for table in tables:
            typer.secho(table.name, bold=True)
            for handler in table.handlers:
                typer.echo(f"  {handler.name}  [{' '.join(handler.operations)}]  {handler.sentence}")
                for effect in handler.effects:
                    typer.echo(f"      {effect}")
            for operation, reason in table.ignored.items():
                typer.echo(f"  ignored  [{operation}]  {reason}")
            typer.echo(f"  sample   {table.sample}")
