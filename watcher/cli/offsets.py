"""``crucible offsets``: show where the consumer group stands, and move it."""

from typing import Annotated

import typer

from watcher.cli.output import AsJson, DryRun, Yes, note, print_columns, print_json

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show where the group stands in each partition, and the batch that is under way.

    Examples:

      crucible offsets show

      crucible offsets show --json | jq 'map(.lag) | add'
    """
    import config  # noqa: PLC0415
    from watcher.admin.offsets import group_places  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415

    kafka = config.load().kafka
    admin = KafkaAdmin(kafka_client(kafka))
    places = group_places(admin, kafka.group, admin.matching(kafka.topics))
    active = admin.members(kafka.group)
    if as_json:
        rows = [{name: getattr(one, name) for name in (*one.__dataclass_fields__, "lag")} for one in places]
        print_json({"group": kafka.group, "members": active, "partitions": rows})
        return
    print_columns(
        ("topic", "partition", "committed", "plan until", "holds", "lag"),
        [(one.topic, one.partition, one.committed, one.plan_end, f"{one.low}..{one.high}", one.lag) for one in places],
    )
    note(f"group {kafka.group}: {len(active)} active" + (f" ({', '.join(active)})" if active else ""))


@app.command()
def reset(
    topic: Annotated[list[str], typer.Option(help="Topic to move in; may be repeated.")],
    to: Annotated[str, typer.Option(help="earliest, latest, an offset, or a time like 2026-01-31T12:00:00Z.")],
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition; may be repeated.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move the group in topics; every watcher must be stopped.

    Going back is harmless: what was counted before is recognised and not counted again. Going forward skips records;
    the tables concerned are then marked as in need of a comparison with PostgreSQL.

    Examples:

      crucible offsets reset --topic postgres.Crucible --to earliest --dry-run

      crucible offsets reset --topic postgres.CrucibleEntry --partition 2 --to 2026-01-31T12:00:00Z --yes
    """
    import config  # noqa: PLC0415
    from watcher.admin import offsets  # noqa: PLC0415
    from watcher.bootstrap.clients import site_session  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415

    try:
        target = offsets.read_target(to)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from None
    settings = config.load()
    admin, group = KafkaAdmin(kafka_client(settings.kafka)), settings.kafka.group
    topics = list(dict.fromkeys(topic))
    if partition and len(topics) > 1:
        raise typer.BadParameter(
            "partitions of several topics cannot be meant: name one --topic", param_hint="--partition"
        )
    wanted = {one: offsets.moves(admin, group, one, target, partition) for one in topics}
    moves = [move for found in wanted.values() for move in found]
    if not as_json:
        print_columns(
            ("topic", "partition", "from", "to", "skips"),
            [(one.topic, one.partition, one.before, one.after, one.skipped) for one in moves],
        )
    if not dry_run:
        if not yes:
            typer.confirm(f"Move group {group} in {', '.join(topics)}?", abort=True, err=True)
        with site_session(settings) as session:
            for one, found in wanted.items():
                offsets.reset(admin, group, found, session, _tables(one))
    if as_json:
        rows = [{name: getattr(one, name) for name in (*one.__dataclass_fields__, "skipped")} for one in moves]
        print_json({"group": group, "moves": rows, "applied": not dry_run})
    else:
        note("nothing was changed (--dry-run)" if dry_run else "moved; start the watcher")


def _tables(topic: str) -> list[str]:
    """Return the tables whose changes a topic may hold: the one that it is named after, else all."""
    from handlers import REGISTRY  # noqa: PLC0415

    tables = [table.name for table in REGISTRY]
    return [name for name in tables if topic.rsplit(".", 1)[-1] == name] or tables
