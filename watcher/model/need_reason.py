"""Why a table is to be compared with PostgreSQL: the stream has not told all, or has told what is no longer so."""

from enum import StrEnum


class NeedReason(StrEnum):
    """One word each, fit for a metric's label."""

    SNAPSHOT = "snapshot"
    """Rows were read as they stood, which may have been counted or not."""
    TRUNCATE = "truncate"
    """Rows were removed without being named."""
    SKIPPED = "skipped"
    """A person moved the group's place past records that nobody had read."""
    DEAD_LETTER = "dead_letter"
    """Changes were refused."""
    CUT_OFF = "cut_off"
    """Changes were passed over on the way here: a beat among them never came."""
    BEGUN_ANEW = "begun_anew"
    """The connector began anew: what was changed before its beginning came from nobody's stream."""
    SET_BACK = "set_back"
    """A person accepted another history of PostgreSQL's: what was counted of the old one may never have been."""
    COUNTS_SET_BACK = "counts_set_back"
    """ClickHouse was set back to an older copy: what was counted since is lost."""
    KEY_CHANGE = "key_change"
    """A row's key was changed, and its create under the new key never came."""
