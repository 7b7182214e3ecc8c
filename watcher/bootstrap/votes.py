"""What becomes of votes after they count, put together: the drain to ClickHouse, and the rounds of the verifier."""

from functools import partial

from config import Settings
from watcher.bootstrap.clients import connect_clickhouse
from watcher.bootstrap.verification import OpenSite, Verification
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.postgres.site.contests import files_of_rows, lately_finished, unfinished
from watcher.recovery.sweep import Sweep
from watcher.recovery.verification_rounds import VerificationRounds, VotedCrucibles
from watcher.redis.vote_log import VoteLog
from watcher.votes.balance import VoteBalance
from watcher.votes.drain import Drain
from watcher.votes.drainer import Drainer
from watcher.votes.report import VoteReport


class VoteTasks:
    """The tasks of a process that looks after votes, for workers to run.

    Args:
        settings: everything.
        report: told what is done.
        verification: the verifier, which somebody else closes.
    """

    def __init__(self, settings: Settings, report: VoteReport, verification: Verification) -> None:
        connect, asked = partial(connect_clickhouse, settings), queries()
        self._tables, self._history = VoteTables(connect, asked), VoteHistory(connect, asked)
        self.drain = Drain(VoteLog(verification.client), self._tables, report, settings.votes.max_plan_votes)
        self.drainer = Drainer(self.drain, report, settings.votes.drain_interval)
        """Takes votes to ClickHouse."""
        self.balance = VoteBalance(verification.client, self._history, report)
        self.rounds = VerificationRounds(
            Sweep(verification.client, verification.verifier),
            partial(_site_crucibles, verification.open_site),
            self.balance.look,
            settings.votes.verify_interval,
        )
        """Has crucibles compared, and their votes counted."""

    def close(self) -> None:
        """Close the connections to ClickHouse."""
        self._tables.close()
        self._history.close()


def _site_crucibles(open_site: OpenSite) -> VotedCrucibles:
    with open_site() as session:
        files = files_of_rows(session)  # first: a table that is emptied in between is noticed by the next round
        active = unfinished(session, "Active")
        return VotedCrucibles(active, lately_finished(session, KEEP_FINISHED_SECONDS), files)
