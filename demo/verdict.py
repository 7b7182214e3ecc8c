"""What the demo's last line says of an audit."""

from typing import Final

from demo.audit import AuditReport

OK: Final = "ok "
"""How the verdict begins that finds nothing amiss."""


def verdict(report: AuditReport, seconds: float, *, voted: bool) -> str:
    """Return the verdict on a demo: ``ok`` and what happened, or why it is not.

    Args:
        report: of the audit.
        seconds: since the demo began.
        voted: whether judges were at it.
    """
    idle = "" if report.changes else "nothing was changed, so nothing was shown"
    idle = idle or ("" if report.repaired else "nothing was put right, so nothing was shown")
    idle = idle or ("" if report.votes or not voted else "nobody's vote was counted, so nothing was shown")
    if not report.ok or idle:
        why = idle or str(report)
        return f"lost={report.lost} twice={report.twice} wrong={report.wrong} changes={report.changes}: {why}"
    return (
        f"{OK}changes={report.changes} entries={report.entries} votes={report.votes} "
        f"admitted={report.admitted} rejected={report.rejected} refunded={report.refunded} "
        f"settled={report.settled} paid={report.paid} cancelled={report.cancelled} repaired={report.repaired} "
        f"lost={report.lost} twice={report.twice} seconds={seconds:.0f}"
    )
