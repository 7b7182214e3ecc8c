"""What the site's tables note of payments: without it, a fee that the site took is lost with its entry's row."""

from collections.abc import Iterator
from typing import Final

from watcher.admin.doctor.findings import Finding, judged
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.postgres.session import Session

TRIGGERS: Final = frozenset(
    {
        "crucible_payment_deleted",
        "crucible_payment_replaced",
        "crucible_payments_emptied",
        "crucible_completed_deleted",
        "crucible_deleted",
        "crucibles_emptied",
    }
)
"""What ``debezium/postgres/payments.sql`` makes."""


def payments(session: Session) -> Iterator[Finding]:
    """Find whether every way in which the row of an entry or crucible can take its payment with it is noted."""
    noted = {str(name) for (name,) in session.read(STATEMENTS["payment_triggers"], session.schema)}
    missing = sorted(TRIGGERS - noted)
    yield judged(
        "postgres.payments",
        not missing,
        f"lacks {', '.join(missing)}: fees that the site takes are lost with rows that go" if missing else "noted",
        "run debezium/postgres/payments.sql as an administrator",
    )
