"""Which model versions a crucible allows, as its row says."""

import msgspec


class UnreadableRuleError(ValueError):
    """Raised when a rule cannot be read. Whoever wrote it meant to keep somebody out, so nobody is let in by it."""


def allowed_resources(text: str | None) -> frozenset[int] | None:
    """Return the ids of the model versions that a crucible allows; None if it has no such rule.

    Args:
        text: JSON of the column ``allowedResources``: a list of ids. SQL NULL, JSON null and an empty list are no rule:
            a crucible that nobody could ever enter is nobody's wish.

    Raises:
        UnreadableRuleError: it is something else.

    >>> sorted(allowed_resources("[7, 11]"))
    [7, 11]
    >>> allowed_resources(None), allowed_resources("null"), allowed_resources("[]")
    (None, None, None)
    >>> allowed_resources('{"baseModels": ["SDXL"]}')
    Traceback (most recent call last):
    ...
    watcher.model.allowed_resources.UnreadableRuleError: expected a list of model version ids
    """
    try:
        listed: object = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError, ValueError):
        listed = text
    if listed is None or listed == []:
        return None
    if not isinstance(listed, list) or not all(type(one) is int for one in listed):
        raise UnreadableRuleError("expected a list of model version ids")
    return frozenset(listed)
