"""What the resources of the API answer from, put together."""

from collections.abc import Callable

from config import ApiSettings, listed
from watcher.api.http.rate_limit import RateLimit
from watcher.api.identity.followers import Followers
from watcher.api.resources import stream
from watcher.api.services import Services, VoteRules
from watcher.api.voting.board_looks import BoardLooks
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
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.pair_token import PairTokens
from watcher.postgres.own.endings import StoredEndings
from watcher.postgres.own.entry_questions import EntryQuestions
from watcher.postgres.pool import SitePool
from watcher.postgres.site.crucibles import SiteCrucibles
from watcher.postgres.site.discussions import SiteDiscussions
from watcher.postgres.site.images import SiteImages
from watcher.redis.ballot_box import BallotBox
from watcher.redis.link import Link
from watcher.telemetry.metrics.api import ApiMetrics


def compose_services(
    api: ApiSettings,
    *,
    votes_link: Link,
    on_refused: Callable[[str], None],
    reads_link: Link,
    pool: SitePool,
    followers: Followers,
    watcher_schema: str,
    clickhouse: ClickHouseReads,
    on_unverified: Callable[[int], None],
    metrics: ApiMetrics,
    most_streams: int,
) -> Services:
    """Return what resources answer from; the history has to be closed in the end.

    Args:
        api: the settings of the API.
        votes_link: the connection to Redis for votes.
        on_refused: told of each error with which Redis refuses to write a vote.
        reads_link: the one for everything else.
        pool: connections to the site's PostgreSQL.
        followers: whoever holds a stream open.
        watcher_schema: the watcher's own schema there.
        clickhouse: asks ClickHouse.
        on_unverified: told of a crucible whose state has to be verified or brought back.
        metrics: the API's.
        most_streams: of the process at a time.
    """
    site, images = SiteCrucibles(pool.fetch), SiteImages(pool.fetch)
    crucibles = Crucibles(reads_link, site.crucible, on_unverified)
    standings = Standings(reads_link, site.final_standings, site.final_count)
    disclosure = Disclosure(reads_link, api.standings)
    endings = Endings(StoredEndings(pool.fetch, watcher_schema))
    pictures, tokens = Pictures(images, api.image_url), PairTokens(listed(api.pair_secrets))
    return Services(
        reads_link=reads_link,
        votes_link=votes_link,
        ballots=BallotBox(votes_link, api.max_log, on_refused),
        crucibles=crucibles,
        entries=Entries(reads_link, site.final_entry),
        standings=standings,
        endings=endings,
        disclosure=disclosure,
        boards=Boards(
            BoardLooks(
                reads_link,
                crucibles=crucibles,
                standings=standings,
                endings=endings,
                disclosure=disclosure,
                rendering=stream.RENDERING,
            ),
            metrics.streams,
            most_streams,
        ),
        followers=followers,
        pairs=Pairs(reads_link, pictures, tokens, api.pair_ttl),
        pictures=pictures,
        entry_sight=EntrySight(images),
        images=images,
        discussions=SiteDiscussions(pool.fetch),
        entry_questions=EntryQuestions(pool.fetch, watcher_schema),
        history=HistoryReader(clickhouse),
        tokens=tokens,
        vote_rules=VoteRules(require_token=api.require_pair_token, max_body_bytes=api.body_limit),
        votes_limit=RateLimit("votes", api.votes_per_minute, votes_link),
        uncounted_votes=UncountedVotes(api.votes_per_minute),
        votes_counted=metrics.votes.labels("ok"),
        votes_repeated=metrics.votes.labels("repeated"),
        on_unverified=on_unverified,
    )
