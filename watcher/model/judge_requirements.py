"""What a crucible asks of its judges.

A free-form object on the site. The two keys that its makers had in mind are enforced; one that is not understood lets
nobody pass: whoever wrote it meant it to keep somebody out.
"""

import msgspec


class JudgeRequirements(msgspec.Struct, frozen=True):
    """The demands of one crucible."""

    verified_only: bool = False
    min_user_score: float | None = None
    not_understood: str | None = None
    """What is not understood: a key, or what stands in the place of an object."""

    def refusal(self, *, verified: bool, score: float | None) -> str | None:
        """Return the code of the reason why somebody may not judge; None if they may.

        Args:
            verified: the site has checked who this is.
            score: the site's score of the user; None if it has none.

        >>> JudgeRequirements(min_user_score=100).refusal(verified=False, score=99.0)
        'judge_requirement_unmet'
        """
        if self.not_understood is not None:
            return "judge_requirement_unknown"
        unmet = (self.verified_only and not verified) or (
            self.min_user_score is not None and (score is None or score < self.min_user_score)
        )
        return "judge_requirement_unmet" if unmet else None


NOTHING = JudgeRequirements()


def judge_requirements(text: str | None) -> JudgeRequirements:
    """Return the demands that a crucible's row states.

    Args:
        text: JSON of the column ``judgeRequirements``; None for SQL's NULL.

    >>> judge_requirements('{"verifiedOnly": true, "minUserScore": 100}')
    JudgeRequirements(verified_only=True, min_user_score=100, not_understood=None)
    >>> judge_requirements('{"minAge": 18}').not_understood, judge_requirements('null') == NOTHING
    ('minAge', True)
    """
    try:
        told = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError, ValueError):
        return JudgeRequirements(not_understood="not JSON")
    if told is None:
        return NOTHING
    if not isinstance(told, dict):
        return JudgeRequirements(not_understood="not an object")
    verified, score = told.pop("verifiedOnly", None), told.pop("minUserScore", None)
    strange = [key[:40] for key in sorted(told)]
    if not isinstance(verified, bool | None):
        strange.append("verifiedOnly")
    if isinstance(score, bool) or not isinstance(score, int | float | None):
        strange.append("minUserScore")
    if strange:
        return JudgeRequirements(not_understood=strange[0])
    return JudgeRequirements(verified_only=bool(verified), min_user_score=score)
