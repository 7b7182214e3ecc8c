"""What resources answer from, put together once when the process starts."""

from collections.abc import Callable

import msgspec
from prometheus_client import Counter

from watcher.api.http.rate_limit import RateLimit
from watcher.api.identity.followers import Followers
from watcher.api.voting.boards import Boards
from watcher.api.voting.crucibles import Crucibles
from watcher.api.voting.disclosure import Disclosure
from watcher.api.voting.endings import Endings
from watcher.api.voting.entries import Entries
from watcher.api.voting.entry_sight import EntrySight
from watcher.api.voting.history import HistoryReader
from watcher.api.voting.next_pair import Pairs
from watcher.api.voting.pictures import Pictures
from watcher.api.voting.standings import Standings
from watcher.api.voting.uncounted_votes import UncountedVotes
from watcher.model.pair_token import PairTokens
from watcher.postgres.own.entry_questions import EntryQuestions
from watcher.postgres.site.discussions import SiteDiscussions
from watcher.postgres.site.images import SiteImages
from watcher.redis.ballot_box import BallotBox
from watcher.redis.link import Link


class VoteRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say of votes."""

    require_token: bool
    """A vote needs the token of a served pair."""
    max_body_bytes: int


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a resource may ask or tell."""

    reads_link: Link
    """Redis, for everything but votes."""
    votes_link: Link
    """The connection that votes go through, and no other traffic."""
    ballots: BallotBox
    """Casts votes through it."""
    crucibles: Crucibles
    entries: Entries
    standings: Standings
    endings: Endings
    disclosure: Disclosure
    """What may be told of how entries stand."""
    boards: Boards
    followers: Followers
    """Whoever holds a stream open."""
    pairs: Pairs
    pictures: Pictures
    entry_sight: EntrySight
    """Whether what is voted on may be shown at this moment."""
    images: SiteImages
    """What is said about images."""
    discussions: SiteDiscussions
    """What is said about crucibles."""
    entry_questions: EntryQuestions
    """What decides about entries, and what was decided."""
    history: HistoryReader
    tokens: PairTokens
    """Reads pair tokens."""
    vote_rules: VoteRules
    votes_limit: RateLimit
    uncounted_votes: UncountedVotes
    votes_counted: Counter
    """Votes that counted."""
    votes_repeated: Counter
    """Votes that had counted before."""
    on_unverified: Callable[[int], None]
    """Told of a crucible whose state has to be verified or brought back."""
