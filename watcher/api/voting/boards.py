"""Who follows the standings of which crucible, and who gives way when there is no more room."""

from typing import Any, Final, Protocol

from watcher.api.http.problem import ProblemError
from watcher.api.voting.board import Board
from watcher.api.voting.board_looks import BoardLooks

MAX_STREAMS_PER_USER: Final = 8
"""Streams of one user."""
MAX_STREAMS: Final = 5_000
"""Streams of this process, where it has room for four times as many connections."""
MAX_BOARDS: Final = 1_000
"""Crucibles that are followed at a time in this process, each of which is looked at four times a second."""


class OpenStream(Protocol):
    """Somebody with an open stream, as :class:`watcher.api.identity.followers.Follower` is."""

    @property
    def user_id(self) -> int:
        """Return whose stream it is."""
        ...

    def end(self) -> None:
        """Have the stream end."""
        ...


class Boards:
    """Every crucible that somebody follows in this process.

    Args:
        looks: looks at the crucibles.
        gauge: how many follow.
        most_streams: at a time.
    """

    def __init__(self, looks: BoardLooks, gauge: Any, most_streams: int = MAX_STREAMS) -> None:
        self._looks, self._gauge, self._most_streams = looks, gauge, most_streams
        self._boards: dict[int, Board] = {}
        self._of_user: dict[int, dict[OpenStream, Board]] = {}
        """By user: the streams that count, the oldest first."""
        self._streams = 0
        self._is_stopping = False

    def stop(self) -> None:
        """End every stream, so that the server can."""
        self._is_stopping = True
        for board in self._boards.values():
            board.end()

    def check_room(self, crucible_id: int, user_id: int) -> None:
        """Let those pass for whom there is room, or can be made: whoever has most streams gives way to one with less.

        Raises:
            ProblemError: ``stopping``, ``too_many_streams`` or ``overloaded``.
        """
        if self._is_stopping:  # a stream that began now would end with nobody to end it
            raise ProblemError("stopping")
        own = len(self._of_user.get(user_id, ()))
        if own >= MAX_STREAMS_PER_USER:
            raise ProblemError("too_many_streams")
        if crucible_id not in self._boards and len(self._boards) >= MAX_BOARDS:
            self._make_room(own, frees_board=True)
        if self._streams >= self._most_streams:
            self._make_room(own, frees_board=False)

    def _make_room(self, own: int, *, frees_board: bool) -> None:
        """End a stream of whoever has most of them.

        Args:
            own: streams of who comes; only somebody who keeps more than that gives way.
            frees_board: end one that its board has no other follower than.

        Raises:
            ProblemError: ``overloaded``.
        """
        for streams in sorted(self._of_user.values(), key=len, reverse=True):
            if len(streams) <= own + 1:
                break
            for follower, board in reversed(streams.items()):
                if board.followers.total() == 1 or not frees_board:
                    self.leave(board, follower)
                    follower.end()
                    return
        raise ProblemError("overloaded")

    def enter(self, crucible_id: int, follower: OpenStream) -> Board:
        """Return the board of a crucible for one more who follows it; to be given back by :meth:`leave`."""
        board = self._boards.get(crucible_id)
        if board is None or board.is_over:
            board = self._boards[crucible_id] = Board(self._looks, crucible_id)
        board.followers[follower.user_id] += 1
        self._of_user.setdefault(follower.user_id, {})[follower] = board
        self._streams += 1
        self._gauge.inc()
        return board

    def leave(self, board: Board, follower: OpenStream) -> None:
        """Follow no more; the last one closes the board. Does nothing for one who gave way before."""
        streams = self._of_user.get(follower.user_id, {})
        if streams.pop(follower, None) is None:
            return
        if not streams:
            del self._of_user[follower.user_id]
        self._streams -= 1
        self._gauge.dec()
        board.followers[follower.user_id] -= 1
        if not board.followers[follower.user_id]:
            del board.followers[follower.user_id]
        if not board.followers:
            board.close()
            if self._boards.get(board.crucible_id) is board:
                del self._boards[board.crucible_id]
