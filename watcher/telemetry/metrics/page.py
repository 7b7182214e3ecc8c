"""The metrics page of the documentation, written from the metrics themselves."""

from watcher.telemetry.metrics.catalogue import Described

INTRODUCTION = """\
# Metrics

This page is generated: `make docs`.

`/metrics` on the operations port (`ops.port`) serves these. Counters start at 0 for every closed label set, so that
`rate()` sees the first fault. Timestamps are exported instead of ages: alert on `time() - x`.

Summed over a table, `consumed = applied + ignored + dead-lettered + in flight`; a difference that stays is a loss:

```promql
sum by (table) (crucible_events_consumed_total)
  - sum by (table) (crucible_events_applied_total)
  - sum by (table) (crucible_events_ignored_total)
  - sum by (table) (crucible_dlq_events_total)
  - sum by (table) (crucible_events_in_flight)
```
"""


def metrics_page(catalogue: list[Described]) -> str:
    """Return the page as Markdown.

    >>> print(metrics_page([Described("crucible_x_total", "counter", ("table",), "All x.")]).splitlines()[-1])
    | `crucible_x_total` | counter | `table` | All x. |
    """
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or '-'} | {one.help} |"
        for one in catalogue
    ]
    return "\n".join([INTRODUCTION, "| name | kind | labels | what |", "|---|---|---|---|", *rows]) + "\n"
