"""The rules of entering a second time, as SQL: one query over the log of decisions, one over the tables as they are."""

from pathlib import Path

HERE = Path(__file__).parent
RULES, LOGGED, STANDING = (
    (HERE / f"{name}.sql").read_text(encoding="utf-8") for name in ("rules", "logged", "standing")
)


def logged(schema: str) -> str:
    """Return the query of every decision ever made.

    Its rows are entry, verdict, reasons, and the verdict and reasons that the facts beside the decision call for.

    Args:
        schema: the watcher's own.
    """
    return _over(LOGGED, schema)


def standing(schema: str) -> str:
    """Return the query of the verdicts of entries that are there, in the same form, by the tables as they are now.

    A verdict of None: nobody has decided. Parameters are ``crucibles`` and ``entries``: those that votes counted for.

    Args:
        schema: the watcher's own.
    """
    return _over(STANDING, schema)


def _over(told: str, schema: str) -> str:
    return RULES.replace("{told}", told.rstrip()).replace("SCHEMA", schema)
